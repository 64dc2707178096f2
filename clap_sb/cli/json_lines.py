"""What ``--json`` prints: an object a line, a line for each thing asked for."""

from __future__ import annotations

import json
from typing import Any


def print_json(**entry: Any) -> None:
    """Prints a line; docs/inference.md has a table of the keys.

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
