"""Sounds through libsndfile."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import numpy as np
import soundfile

from clap_sb.data.audio_source import (
    AudioError,
    AudioSource,
    CutShortError,
    UnknownFormatError,
    is_path,
    source_name,
)
from clap_sb.data.quiet_stdio import quiet_stdio
from clap_sb.data.read_on import ReadOn

# Whose spans after a seek are not those of the whole, however much is read before them;
# Opus is exact to 2e-7.
_NOT_SOUGHT = {"VORBIS", "MPEG_LAYER_I", "MPEG_LAYER_II"}
# After 10 MPEG frames nearly all is as in the whole, after 30 everything was, to 2e-7.
_RUN_UP = {"MPEG_LAYER_III": 40 * 1152}
_FLOATS = {"FLOAT", "DOUBLE"}
_BLOCK = 2**16
# What libsndfile notes where a header promises more bytes than the file has.
_PROMISES = re.compile(
    r"(?:data|SSND|BODY|riff|Riff size|Data Size)\s*: (\d+) \(should be (\d+)\)"
)
# Programs that write to a pipe put this or more, for they cannot know.
_LENGTH_UNKNOWN = 0x7FFF0000
# Some programs count the header's bytes as data.
_MISCOUNTED = 128


class _Unsought(soundfile.SoundFile):
    """Reads on and never seeks, as `read` otherwise does behind each block."""

    def seekable(self) -> bool:
        return False


class SndfileDecoder:
    """An open sound, as libsndfile decodes it.

    Arguments
    ---------
    source : str, path-like or binary file
        The file; one that is open already stays open.

    Raises
    ------
    UnknownFormatError
        If libsndfile cannot open it.
    CutShortError
        If its header promises more than the file has.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.ones((100, 2)), 8000, subtype="FLOAT")
    >>> decoder = SndfileDecoder(path)
    >>> decoder.num_frames, decoder.sample_rate, decoder.read(10, 20).shape
    (100, 8000, (10, 2))
    """

    def __init__(self, source: AudioSource):
        self.source, self._name = source, source_name(source)
        self._file = self._open(soundfile.SoundFile)
        self.sample_rate = self._file.samplerate
        self.num_channels = self._file.channels
        self.container, self.codec = self._file.format, self._file.subtype
        self.may_exceed = self.codec in _FLOATS
        self.num_frames = self._file.frames
        self._check_whole()
        self._read_on: ReadOn | None = None
        if not self._file.seekable() or self.codec in _NOT_SOUGHT:
            self._read_on = ReadOn(self._blocks)
        elif self.codec in _RUN_UP:
            self._read_on = ReadOn(self._blocks, _RUN_UP[self.codec])

    def _open(self, kind: type[soundfile.SoundFile]) -> soundfile.SoundFile:
        source = self.source
        if not is_path(source):
            source.seek(0)
        elif sys.platform != "win32":
            source = os.fsencode(source)  # soundfile takes names in UTF-8 alone
        try:
            with quiet_stdio():
                return kind(source)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(".")
            if reason.startswith(
                "File does not exist"
            ):  # it does: libmpg123 refused it
                reason = "Format not recognised"
        except TypeError:  # its wish for a sample rate
            reason = "samples without a header, which nothing can tell the rate of"
        except OSError as error:
            reason = error.strerror or str(error)
        raise UnknownFormatError(f"{self._name}: cannot be decoded ({reason})")

    def _check_whole(self) -> None:
        """Finds what a download that broke off left behind, as far as headers tell."""
        for promised, found in _PROMISES.findall(self._file.extra_info):
            missing = int(promised) - int(found)
            if int(promised) < _LENGTH_UNKNOWN and missing > _MISCOUNTED:
                self.close()
                evidence = f"{missing} of {promised} bytes are missing"
                raise CutShortError(self._name, evidence)

    def _blocks(self, begin: int) -> Iterator[np.ndarray]:
        self._file.close()
        self._file = self._open(_Unsought)
        if begin:
            self._seek(begin)
        while len(block := self._frames(_BLOCK)):
            yield block

    def _seek(self, begin: int) -> None:
        with quiet_stdio():
            self._file.seek(begin)

    def _frames(self, count: int) -> np.ndarray:
        with quiet_stdio():
            return self._file.read(count, dtype="float32", always_2d=True)

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

        Raises
        ------
        AudioError
            If the data is corrupt.
        """
        try:
            if self._read_on is not None:
                return self._read_on.read(begin, end)
            self._seek(begin)
            return self._frames(end - begin)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.removeprefix("Error : ").rstrip(".")
        except OSError as error:
            reason = error.strerror or str(error)
        raise AudioError(
            f"{self._name}: the audio data is corrupt or cut short ({reason})"
        )

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
