"""What every training recipe does: begin, train, test and report."""
