"""The pages of an Ogg file: which streams it is made of, and whether all is there.

libsndfile reads the first of chained streams alone (RFC 3533, section 4), and takes a
file that was broken off for a shorter one; the pages tell.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_HEADER = struct.Struct("<4sBBqIIIB")
_CAPTURE = b"OggS"
_BEGINS, _ENDS = 2, 4
_BLOCK = 2**16


@dataclass(frozen=True)
class OggLink:
    """One of the streams that follow one another in an Ogg file.

    Arguments
    ---------
    begin : int
        Where it begins in the file, bytes.
    end : int
        Where it ends.
    is_whole : bool
        Whether its last page is there, and says that it is the last.
    """

    begin: int
    end: int
    is_whole: bool


def ogg_links(file: BinaryIO) -> list[OggLink]:
    """Finds the streams that follow one another in an Ogg file.

    Arguments
    ---------
    file : binary file
        One that can seek, at its beginning.

    Returns
    -------
    list of OggLink
        Empty where the file does not begin with a page.

    Example
    -------
    >>> import io, numpy, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, numpy.zeros(8000), 8000, format="OGG", subtype="VORBIS")
    >>> twice = io.BytesIO(2 * file.getvalue())
    >>> [link.is_whole for link in ogg_links(twice)]
    [True, True]
    """
    links: list[OggLink] = []
    begin, end, was_first, open_streams = 0, 0, True, set()
    for page in _pages(file):
        if page.flags & _BEGINS and not was_first:
            links.append(OggLink(begin, end, not open_streams))
            begin, open_streams = page.begin, set()
        was_first = bool(page.flags & _BEGINS)
        if page.flags & _BEGINS:
            open_streams.add(page.serial)
        if page.flags & _ENDS and page.is_whole:
            open_streams.discard(page.serial)
        end = page.end
    return [*links, OggLink(begin, end, not open_streams)] if end else []


@dataclass(frozen=True)
class _Page:
    begin: int
    end: int
    flags: int
    serial: int
    is_whole: bool


def _pages(file: BinaryIO) -> Iterator[_Page]:
    """The pages of a file that begins with one; what lies between them is skipped."""
    size, begin = file.seek(0, 2), 0
    file.seek(0)
    if file.read(len(_CAPTURE)) != _CAPTURE:
        return
    while begin < size:
        file.seek(begin)
        header = file.read(_HEADER.size)
        if not header.startswith(_CAPTURE):
            begin = _next_page(file, begin)
            continue
        if len(header) < _HEADER.size:
            return
        *_, flags, _, serial, _, _, num_segments = _HEADER.unpack(header)
        segments = file.read(num_segments)
        end = begin + _HEADER.size + num_segments + sum(segments)
        is_whole = len(segments) == num_segments and end <= size
        yield _Page(begin, min(end, size), flags, serial, is_whole)
        begin = end


def _next_page(file: BinaryIO, begin: int) -> int:
    """Where the next page after some byte begins, or the end of the file."""
    while True:
        file.seek(begin)
        block = file.read(_BLOCK)
        place = block.find(_CAPTURE)
        if place >= 0:
            return begin + place
        if len(block) < _BLOCK:
            return begin + len(block)
        begin += len(block) - len(_CAPTURE) + 1
