"""Text that somebody else has written: UTF-8, with or without a mark before it."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

# The longer ones first: UTF-32's begins as UTF-16's does.
_OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_LINE_END = re.compile(r"\r\n|\r|\n")


def without_mark(content: bytes, name: str | os.PathLike) -> bytes:
    """Takes the byte order mark off, which many programs put before UTF-8.

    Arguments
    ---------
    content : bytes
        What a file begins with, or all of it.
    name : str or path-like
        What the text is called in an error.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If the mark is that of UTF-16 or UTF-32.

    Example
    -------
    >>> without_mark(b"\\xef\\xbb\\xbfa dog", "list.txt")
    b'a dog'
    """
    for mark, encoding in _OTHER_MARKS.items():
        if content.startswith(mark):
            raise ValueError(
                f"{name} is text in {encoding}: save it as UTF-8 (in an editor of "
                "Windows: Save as, Encoding: UTF-8)"
            )
    return content.removeprefix(codecs.BOM_UTF8)


def decode_text(content: bytes, name: str | os.PathLike, first_line: int = 1) -> str:
    """Decodes UTF-8, with or without a byte order mark.

    Arguments
    ---------
    content : bytes
        A whole text, or lines of one.
    name : str or path-like
        What the text is called in an error.
    first_line : int
        Number of its first line in an error.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it is in another encoding; the line is named.

    Example
    -------
    >>> decode_text("\\ufeffa wüff".encode(), "list.txt")
    'a wüff'
    """
    content = without_mark(content, name)
    if b"\0" in content:
        raise ValueError(
            f"{name} is no text in UTF-8, since there are zero bytes in it: if it is "
            "one in UTF-16, save it as UTF-8"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        line = first_line + len(_LINE_END.findall(before))
        raise ValueError(
            f"{name}, line {line}: the byte {content[error.start]:#04x} is no UTF-8: "
            "save it as UTF-8"
        ) from None


def read_text(path: str | os.PathLike) -> str:
    """Reads a text file as :func:`decode_text` does.

    Arguments
    ---------
    path : str or path-like
        The file.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it is in another encoding.
    """
    return decode_text(Path(path).read_bytes(), path)


def read_lines(path: str | os.PathLike) -> list[str]:
    """Reads a list with one entry a line.

    Arguments
    ---------
    path : str or path-like
        The file.

    Returns
    -------
    list of str
        Lines without space around them; empty ones are left out.

    Raises
    ------
    ValueError
        If it is in another encoding than UTF-8.

    Example
    -------
    >>> path = getfixture("tmp_path") / "list.txt"
    >>> _ = path.write_bytes("\\ufeffa dog\\r\\n\\r\\n rain\\n".encode())
    >>> read_lines(path)
    ['a dog', 'rain']
    """
    lines = (_entry(line) for line in _LINE_END.split(read_text(path)))
    return [line for line in lines if line]


def lines_of(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """Reads such a list from an open file, each line as soon as it is there.

    Arguments
    ---------
    stream : iterable of bytes
        Lines, such as ``sys.stdin.buffer``.
    name : str
        What it is called in an error.

    Yields
    ------
    str
        Lines without space around them; empty ones are left out.

    Raises
    ------
    ValueError
        If it is in another encoding than UTF-8.

    Example
    -------
    >>> list(lines_of([b"\\xef\\xbb\\xbfa dog\\r\\n", b"\\n", b"rain\\n"], "the list"))
    ['a dog', 'rain']
    """
    for number, content in enumerate(stream, start=1):
        line = _entry(decode_text(content, name, number))
        if line:
            yield line


def _entry(line: str) -> str:
    """Files that were put one after the other have their marks in the middle."""
    return line.strip().removeprefix("\ufeff").strip()
