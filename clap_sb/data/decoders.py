"""Which decoder reads a file right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from clap_sb.data.audio_source import (
    AudioError,
    AudioSource,
    CutShortError,
    UnknownFormatError,
    is_path,
    opened,
    source_name,
)
from clap_sb.data.chained_ogg import ChainedOgg
from clap_sb.data.container_size import promised_size
from clap_sb.data.decode_limit import limited
from clap_sb.data.ffmpeg_container import count_packets
from clap_sb.data.ffmpeg_decoder import FFmpegDecoder
from clap_sb.data.mpeg_header import XingHeader, xing_header
from clap_sb.data.ogg_pages import OggLink, ogg_links
from clap_sb.data.sndfile_decoder import SndfileDecoder

_UNKNOWN = 2**62
# Of which libsndfile gives other sound where they have several blocks.
_MISREAD = {"VOC"}


class Decoder(Protocol):
    """An open sound.

    Attributes
    ----------
    source : str, path-like or binary file
        Where it is read from.
    sample_rate : int
        Hz.
    num_channels : int
        Channels.
    num_frames : int or None
        Samples in a channel; None where only decoding to the end tells.
    container : str
        What the file is, in the decoder's words.
    codec : str
        What the samples are, likewise.
    may_exceed : bool
        Whether samples can lie far outside [-1, 1].
    """

    source: AudioSource
    sample_rate: int
    num_channels: int
    num_frames: int | None
    container: str
    codec: str
    may_exceed: bool

    def read(self, begin: int, end: int) -> np.ndarray:
        """A span, ``[frames, channels]``, float32; fewer where the sound ends."""

    def close(self) -> None:
        """Closes the file."""


Opener = Callable[[AudioSource], Decoder]


@limited
def choose_decoder(source: AudioSource) -> Opener:
    """Finds out which decoder reads a file right, and whether all of it is there.

    libsndfile comes first. FFmpeg has what libsndfile cannot open, what it misreads,
    and what it only guesses the length of: MPEG audio without a header that agrees with
    the frames that follow it, and FLAC of unknown length.

    Arguments
    ---------
    source : str, path-like or binary file
        The file.

    Returns
    -------
    callable
        Opens it.

    Raises
    ------
    AudioError
        If it is missing, empty, cut short, or cannot be decoded.
    """
    _check_there(source)
    with opened(source) as content:
        header = xing_header(content)
        size = content.seek(0, 2)
    if header is not None:
        return _of_mp3(source, header, size)
    try:
        file = SndfileDecoder(source)
    except UnknownFormatError as refusal:
        return _by_ffmpeg(source, refusal)
    file.close()
    if file.container == "OGG":
        return _of_ogg(source, file)
    if file.codec.startswith("MPEG"):
        return FFmpegDecoder
    # a size of 0 in a header is often one that was never filled in
    if not 0 < file.num_frames < _UNKNOWN or file.container in _MISREAD:
        return FFmpegDecoder
    return SndfileDecoder


def _check_there(source: AudioSource) -> None:
    if not is_path(source):
        return
    name, path = source_name(source), Path(source)
    try:
        if path.is_dir():
            raise AudioError(f"{name}: is a folder")
        if not path.exists():
            raise AudioError(f"{name}: there is no such file")
        if not path.is_file():
            raise AudioError(f"{name}: is no regular file, which alone can be sought")
        if path.stat().st_size == 0:
            raise AudioError(f"{name}: the file is empty (0 bytes)")
        with opened(source):
            pass
    except (OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(f"{name}: cannot be opened ({reason})") from None


def _of_ogg(source: AudioSource, file: SndfileDecoder) -> Opener:
    links = _whole_links(source)
    if len(links) > 1:
        return partial(ChainedOgg, links=links)
    return SndfileDecoder if file.num_frames < _UNKNOWN else FFmpegDecoder


def _whole_links(source: AudioSource) -> list[OggLink]:
    with opened(source) as file:
        links = ogg_links(file)
    if not all(link.is_whole for link in links):
        raise CutShortError(source_name(source), "a page that ends it is missing")
    return links


def _of_mp3(source: AudioSource, header: XingHeader, size: int) -> Opener:
    """By libsndfile if the file has as many frames as its header says."""
    try:
        num_packets = count_packets(source)
    except UnknownFormatError:
        return SndfileDecoder  # which looks further for the first frame
    if num_packets == header.num_frames:
        return SndfileDecoder
    if num_packets < header.num_frames - 1 and size < header.begin + header.num_bytes:
        raise CutShortError(
            source_name(source),
            f"of {header.num_frames} MPEG frames, {num_packets} are there",
        )
    return FFmpegDecoder


def _by_ffmpeg(source: AudioSource, refusal: AudioError) -> Opener:
    """What libsndfile refuses, and whose refusal is told if FFmpeg cannot either."""
    try:
        FFmpegDecoder(source).close()
    except UnknownFormatError:
        raise refusal from None
    _whole_links(source)
    with opened(source) as file:
        promised, size = promised_size(file), file.seek(0, 2)
    if promised is not None and size < promised:
        evidence = f"{promised - size} of {promised} bytes are missing"
        raise CutShortError(source_name(source), evidence)
    return FFmpegDecoder
