"""How many bytes a video's container says that it has."""

from __future__ import annotations

from typing import BinaryIO

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_HEAD = 2**16


def promised_size(file: BinaryIO) -> int | None:
    """Reads how long a file is, from the head of Matroska, WebM, ASF or AVI.

    Arguments
    ---------
    file : binary file
        At its beginning.

    Returns
    -------
    int or None
        Bytes; None if it does not tell, as what was recorded live does not.

    Example
    -------
    >>> import io
    >>> promised_size(io.BytesIO(b"RIFF" + (100).to_bytes(4, "little") + b"AVI "))
    108
    """
    head = file.read(_HEAD)
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        size = int.from_bytes(head[4:8], "little")
        return 8 + size if size else None
    if head.startswith(_ASF):
        at = head.find(_ASF_FILE)
        size = int.from_bytes(head[at + 40 : at + 48], "little")
        return size if at > 0 and size else None
    if head.startswith(_EBML):
        at = head.find(_SEGMENT)
        return _end_of_element(head, at + len(_SEGMENT)) if at > 0 else None
    return None


def _end_of_element(head: bytes, at: int) -> int | None:
    """Where an element of EBML (RFC 8794) ends whose size stands at some place."""
    if at >= len(head) or not head[at]:
        return None
    length = 9 - head[at].bit_length()
    unknown = (1 << 7 * length) - 1
    size = int.from_bytes(head[at : at + length], "big") & unknown
    return None if size == unknown else at + length + size
