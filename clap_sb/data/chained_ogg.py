"""Ogg files of several streams, one after the other, as one sound."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import BinaryIO

import numpy as np

from clap_sb.data.audio_source import AudioError, AudioSource, opened, source_name
from clap_sb.data.ogg_pages import OggLink
from clap_sb.data.sndfile_decoder import SndfileDecoder


class ChainedOgg:
    """An open Ogg file of chained streams (RFC 3533, section 4).

    libsndfile, and with it all that build on it, reads the first one alone.

    Arguments
    ---------
    source : str, path-like or binary file
        The file; one that is open already stays open.
    links : sequence of OggLink
        Its streams.

    Raises
    ------
    AudioError
        If one of them cannot be decoded, or has another sample rate or number of
        channels than the first.

    Example
    -------
    >>> import soundfile
    >>> from clap_sb.data.ogg_pages import ogg_links
    >>> file = io.BytesIO()
    >>> soundfile.write(file, np.zeros(8000), 8000, format="OGG", subtype="VORBIS")
    >>> twice = io.BytesIO(2 * file.getvalue())
    >>> decoder = ChainedOgg(twice, ogg_links(twice))
    >>> decoder.num_frames, decoder.read(7000, 9000).shape
    (16000, (2000, 1))
    """

    may_exceed = False

    def __init__(self, source: AudioSource, links: Sequence[OggLink]):
        self.source, self._links = source, list(links)
        self._resources = ExitStack()
        self._file = self._resources.enter_context(opened(source))
        self._at = 0
        self._decoder = self._open(0)
        first = self._decoder
        self.sample_rate, self.num_channels = first.sample_rate, first.num_channels
        self.container, self.codec = f"chained {first.container}", first.codec
        self._borders = [0, first.num_frames]
        for at in range(1, len(links)):
            link = self._open(at)
            kind = (link.sample_rate, link.num_channels)
            if kind != (self.sample_rate, self.num_channels):
                raise AudioError(
                    f"{source_name(self.source)}: its parts differ in sample rate or "
                    f"channels ({self.sample_rate} Hz, {self.num_channels}, and "
                    f"{kind[0]} Hz, {kind[1]}): save them as files of their own"
                )
            self._borders.append(self._borders[-1] + link.num_frames)
            link.close()
        self.num_frames = self._borders[-1]

    def _open(self, at: int) -> SndfileDecoder:
        part = _Part(self._file, self._links[at])
        part.name = source_name(self.source)
        return SndfileDecoder(part)

    def read(self, begin: int, end: int) -> np.ndarray:
        """Decodes a span.

        Arguments
        ---------
        begin : int
            First frame.
        end : int
            The one after the last.

        Returns
        -------
        np.ndarray
            ``[frames, channels]``, float32; fewer frames where the sound ends.
        """
        parts = [np.zeros((0, self.num_channels), np.float32)]
        for at, (first, last) in enumerate(pairwise(self._borders)):
            if first < end and begin < last:
                if at != self._at:
                    self._decoder.close()
                    self._at, self._decoder = at, self._open(at)
                span = max(begin, first) - first, min(end, last) - first
                parts.append(self._decoder.read(*span))
        return np.concatenate(parts)

    def close(self) -> None:
        """Closes the file."""
        self._decoder.close()
        self._resources.close()


class _Part(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file: BinaryIO, link: OggLink):
        super().__init__()
        self._file, self._begin, self._size = file, link.begin, link.end - link.begin
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}
        self._at = max(0, origin[whence] + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        self._file.seek(self._begin + self._at)
        wanted = max(0, min(len(buffer), self._size - self._at))
        content = self._file.read(wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
