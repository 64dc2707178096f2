"""Everything between the files of a data set and the tensors of a batch."""
