"""What a command tells whoever called it: messages, and lines of JSON."""

from __future__ import annotations

import json
import sys
from typing import Any


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


def print_json(**entry: Any) -> None:
    """Prints a line of ``--json``; docs/inference.md has a table of the keys.

    Arguments
    ---------
    **entry
        Numbers, texts, lists and mappings of these. Names of files need not be valid
        Unicode: the line is ASCII, and Python's surrogate escapes stand for their
        bytes.

    Example
    -------
    >>> print_json(path="a.wav", cosine=0.5)
    {"path": "a.wav", "cosine": 0.5}
    """
    print(json.dumps(entry))
