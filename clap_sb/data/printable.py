"""Names of files, and what is said of them, for the eye."""

from __future__ import annotations

import os


def printable(text: str) -> str:
    """A name that can be shown, also if it is not valid Unicode or has line breaks.

    For the eye alone: what it gives may be no file's name.

    Arguments
    ---------
    text : str
        A file's name, or a message with one.

    Returns
    -------
    str

    Example
    -------
    >>> printable("two lines".replace(" ", chr(10))).isprintable()
    True
    """
    text = os.fsencode(text).decode(errors="replace")
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
