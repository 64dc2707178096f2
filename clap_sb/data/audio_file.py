"""An audio file, read in spans as mono at the rate that is wanted."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import torch

from clap_sb.data.resample import Resampler

AudioSource = str | os.PathLike | BinaryIO


class AudioError(ValueError):
    """An audio file that cannot be used; the message names the file and the reason.

    Example
    -------
    >>> raise AudioError("broken.wav: the file is empty")
    Traceback (most recent call last):
    ...
    clap_sb.data.audio_file.AudioError: broken.wav: the file is empty
    """


class AudioFile:
    """An open audio file, as a mono waveform at the rate that is wanted.

    For files too long to be read at once: what is not asked for is not decoded, but for
    two thirds of a second on either side where the rate changes.

    Arguments
    ---------
    source : str, path-like or binary file
        A file in a format that libsndfile decodes: WAV, FLAC, Ogg, MP3 and others. One
        that is open already has to be able to seek, and stays open.
    sample_rate : int
        Rate of the waveform in Hz.

    Raises
    ------
    AudioError
        If the file is missing, empty, cannot be decoded, or has no samples.

    Example
    -------
    >>> path = getfixture("tmp_path") / "tone.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 16000)
    >>> with AudioFile(path, 48000) as file:
    ...     file.num_samples, file.read(12000, 14000).shape
    (24000, torch.Size([2000]))
    """

    def __init__(self, source: AudioSource, sample_rate: int):
        self.name = source_name(source)
        self.sample_rate = sample_rate
        self.remarks: tuple[str, ...] = ()
        self._file = open_sound(source)
        self._resampler = Resampler(self._file.samplerate, sample_rate)

    def __enter__(self) -> AudioFile:
        """Nothing more to open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the file."""
        self._file.close()

    @property
    def num_samples(self) -> int:
        """Length of the waveform."""
        return self._resampler.num_samples(self._file.frames)

    def read(self, begin: int, end: int) -> torch.Tensor:
        """Decodes a span; of a lossless file it has the bits of the whole waveform.

        Arguments
        ---------
        begin : int
            First sample.
        end : int
            The one after the last, at most ``num_samples``.

        Returns
        -------
        torch.Tensor
            ``[time]``, float32.

        Raises
        ------
        AudioError
            If the data is corrupt, cut short, or not finite.
        """
        decode = functools.partial(_decode, self._file, self.name)
        return self._resampler.span(decode, self._file.frames, begin, end)


def source_name(source: AudioSource) -> str:
    """What messages call a file.

    Arguments
    ---------
    source : str, path-like or binary file
        The file.

    Returns
    -------
    str
        Its path, or the name that an open file has.

    Example
    -------
    >>> import io
    >>> source_name("a/dog.wav"), source_name(io.BytesIO())
    ('a/dog.wav', 'the audio given')
    """
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return str(getattr(source, "name", "the audio given"))


def open_sound(source: AudioSource) -> soundfile.SoundFile:
    """Opens a file that has samples, or says what is wrong with it.

    Arguments
    ---------
    source : str, path-like or binary file
        The file; one that is open already is read from its beginning.

    Returns
    -------
    soundfile.SoundFile

    Raises
    ------
    AudioError
        If it is missing, empty, cannot be decoded, or has no samples.
    """
    name = source_name(source)
    if isinstance(source, (str, os.PathLike)):
        source = Path(source)
        if not source.is_file():
            raise AudioError(f"{name}: there is no such file")
        if source.stat().st_size == 0:
            raise AudioError(f"{name}: the file is empty (0 bytes)")
    else:
        source.seek(0)
    try:
        file = soundfile.SoundFile(source)
    except soundfile.LibsndfileError as error:
        short = Path(name)
        raise AudioError(
            f"{name}: cannot be decoded ({error.error_string.rstrip('.')}); if other "
            "programs play it, convert it, as with "
            f"`ffmpeg -i {short.name} {short.stem}.wav`"
        ) from None
    if file.frames < 1:
        file.close()
        raise AudioError(f"{name}: the file has a header but no samples")
    return file


def _decode(file: soundfile.SoundFile, name: str, begin: int, end: int) -> torch.Tensor:
    """The mean of the channels over the frames from `begin` to `end`, [time]."""
    try:
        file.seek(begin)
        frames = file.read(end - begin, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{name}: the audio data is corrupt ({error.error_string.rstrip('.')})"
        ) from None
    if len(frames) < end - begin:
        raise AudioError(
            f"{name}: the audio data is corrupt or cut short (the header promises "
            f"{file.frames} frames; of {end - begin} from frame {begin}, only "
            f"{len(frames)} could be decoded)"
        )
    wav = torch.from_numpy(frames).mean(dim=1)
    if not np.isfinite(wav.numpy()).all():  # torch's takes many times as long
        raise AudioError(f"{name}: some samples are not finite numbers (NaN or inf)")
    return wav
