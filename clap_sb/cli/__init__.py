"""``clap-sb``: checkpoints and sounds from the command line, one module a command."""

from clap_sb.cli.main import main

__all__ = ["main"]
