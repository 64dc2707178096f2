"""The standard input of a command that takes sounds: a sound, or a list of files."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clap_sb.data.audio_file import AudioSource

STDIN = "-"
NEITHER = (
    "nor is the standard input a list of files: text, a name on each line, or names "
    "that end with a zero byte (find -print0)"
)

# Formats whose heads are text: the rest may happen to have no control character either.
_TEXT_HEADS = (b"NIST_1A", b"#!AMR")
_MARK = b"\xef\xbb\xbf"
# What no text has; line breaks, tabs, and a zero byte after each name are not here.
# All other formats have such bytes among their first ones, in sizes and versions.
_NO_TEXT = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]|\0\0")


def sources_in_stdin() -> list[tuple[str, AudioSource]]:
    """Reads the standard input to its end.

    Returns
    -------
    list of (str, path or open file)
        Each sound's name, and where it is read from.

    Raises
    ------
    ValueError
        If it is empty.
    """
    content = sys.stdin.buffer.read()
    names = listed(content)
    if names is None:
        sound = io.BytesIO(content)
        sound.name = "the standard input"  # what an error calls it
        return [(STDIN, sound)]
    if not names:
        raise ValueError("the standard input is empty: there is no file to read")
    return [(name, name) for name in names]


def listed(content: bytes) -> list[str] | None:
    """The names in a list of files, unless it is no list.

    A list is what has no control characters and is UTF-8, with or without a mark at its
    beginning; or what names one file that exists, for names need not be UTF-8.

    Arguments
    ---------
    content : bytes
        A list, or a sound in any format.

    Returns
    -------
    list of str or None
        None if it is no list.

    Example
    -------
    >>> listed(b"a.wav\\r\\n\\nb c.wav\\n"), listed(b"a.wav\\0b.wav\\0")
    (['a.wav', 'b c.wav'], ['a.wav', 'b.wav'])
    >>> listed(b"fLaC\\0\\0\\0\\x22") is listed(b"NIST_1A\\n   1024\\n") is None
    True
    """
    if content.startswith(_TEXT_HEADS) or _NO_TEXT.search(content):
        return None
    separator = b"\0" if b"\0" in content else b"\n"
    # no other line breaks: names may have them
    words = content.removeprefix(_MARK).split(separator)
    names = [name for word in words if (name := _name(os.fsdecode(word)))]
    return names if _is_utf8(content) or any(map(os.path.isfile, names)) else None


def _name(line: str) -> str:
    """A name without the blanks around it, unless a file has them."""
    line = line.removesuffix("\r")
    return line if os.path.lexists(line) else line.strip()


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
