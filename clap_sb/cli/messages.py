"""Messages to whoever called a command."""

from __future__ import annotations

import sys


class UsageError(ValueError):
    """A command line that its parser takes, and that means nothing: exit status 2."""


def tell(message: str) -> None:
    """Prints to the standard error.

    Arguments
    ---------
    message : str
        What there is to tell; names of files in it need not be valid Unicode.
    """
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.data.printable import printable

    lines = map(printable, message.splitlines())
    print("clap-sb:", "\n".join(lines), file=sys.stderr)
