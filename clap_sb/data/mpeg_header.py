"""What the first frame of an MP3 file tells of its length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

_ID3_HEADER = 10
# bytes of side information between a frame's header and the tag, by (MPEG-1, mono)
_SIDE_INFO = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
_HAS_FRAMES, _HAS_BYTES = 1, 2
_FRAME = 64  # as much of a frame as may hold it
_SEARCHED = 2**14


@dataclass(frozen=True)
class XingHeader:
    """Xing's header, which LAME and FFmpeg write too (there as ``Info``).

    Arguments
    ---------
    begin : int
        Where the first frame begins, which holds it, bytes.
    num_frames : int
        MPEG frames after this one.
    num_bytes : int
        From ``begin`` to the end of the last frame; 0 if it does not tell.
    """

    begin: int
    num_frames: int
    num_bytes: int


def xing_header(file: BinaryIO) -> XingHeader | None:
    """Reads the header that tells how long an MP3 file is.

    Without one, a file's length is a guess from the bit rate of the first frame.

    Arguments
    ---------
    file : binary file
        One that can seek, at its beginning.

    Returns
    -------
    XingHeader or None
        None if the file does not tell how many frames it has.

    Example
    -------
    >>> import io, numpy, soundfile
    >>> file = io.BytesIO()
    >>> soundfile.write(file, numpy.zeros(44100), 44100, format="MP3")
    >>> _ = file.seek(0)
    >>> xing_header(file).num_frames
    40
    """
    begin = _after_id3(file)
    file.seek(begin)
    # between a tag and the first frame there may be zeros, or other things
    head, at = file.read(_SEARCHED if begin else _FRAME), 0
    while (at := head.find(b"\xff", at)) >= 0:
        header = _in_frame(head[at : at + _FRAME], begin + at)
        if header is not None:
            return header
        at += 1
    return None


def _in_frame(frame: bytes, begin: int) -> XingHeader | None:
    """The header in what may be a frame."""
    if len(frame) < _FRAME or frame[1] & 0xE6 != 0xE2:
        return None  # no frame of layer III
    is_mpeg1, is_mono = frame[1] & 0x18 == 0x18, frame[3] >> 6 == 3
    tag = frame[4 + _SIDE_INFO[is_mpeg1, is_mono] :]
    flags = int.from_bytes(tag[4:8], "big")
    if tag[:4] not in (b"Xing", b"Info") or not flags & _HAS_FRAMES:
        return None
    num_frames = int.from_bytes(tag[8:12], "big")
    num_bytes = int.from_bytes(tag[12:16], "big") if flags & _HAS_BYTES else 0
    return XingHeader(begin, num_frames, num_bytes) if num_frames else None


def _after_id3(file: BinaryIO) -> int:
    """Where the tags of ID3 end, of which there may be several."""
    begin = 0
    while True:
        file.seek(begin)
        header = file.read(_ID3_HEADER)
        if len(header) < _ID3_HEADER or not header.startswith(b"ID3"):
            return begin
        size = 0
        for byte in header[6:]:
            size = size << 7 | byte & 0x7F
        has_footer = bool(header[5] & 0x10)
        begin += _ID3_HEADER + size + _ID3_HEADER * has_footer
