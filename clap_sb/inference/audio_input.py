"""What users call audio: tensors, arrays, paths and open files, one or many.

============================ ==================================================
given                        heard as
============================ ==================================================
a tensor or array ``[time]`` one clip
``[batch, time]``            a batch of mono clips
``[batch, channels, time]``  a batch whose channels are averaged
a path, or an open file      one clip, channels averaged
an ``AudioFile``             one clip; it stays open, and is at the model's rate
a list or tuple              one clip an entry, each ``[time]``,
                             ``[channels, time]``, a path or an open file
============================ ==================================================
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch

from clap_sb.data.audio import AudioFile, resample
from clap_sb.data.audio_file import AudioSource

if TYPE_CHECKING:
    import numpy as np

    Waveform = torch.Tensor | np.ndarray
    AudioInput = Waveform | AudioSource | AudioFile

# more channels than any microphone array in use, fewer samples than any clip
_MOST_CHANNELS = 64


class WaveformInput(AbstractContextManager):
    """A waveform in memory, read as :class:`~clap_sb.data.audio.AudioFile` is.

    Arguments
    ---------
    wav : torch.Tensor or np.ndarray
        ``[time]``, or ``[channels, time]``, which are averaged; floats in [-1, 1].
    sample_rate : int or None
        Its rate, Hz; an error if it is None.
    new_sample_rate : int
        The rate wanted, Hz.

    Raises
    ------
    ValueError
        If it is no waveform, or its sample rate is not told.

    Example
    -------
    >>> with WaveformInput(torch.ones(2, 100), 8000, 16000) as sound:
    ...     sound.num_samples, sound.read(50, 60).shape
    (200, torch.Size([10]))
    """

    def __init__(
        self, wav: Waveform, sample_rate: int | None, new_sample_rate: int
    ) -> None:
        wav = _mono(torch.as_tensor(wav).detach().cpu())
        if sample_rate is None:
            raise ValueError(
                "the sample rate of a waveform has to be told: give sample_rate, in Hz"
            )
        self._wav = resample(wav, sample_rate, new_sample_rate)

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    @property
    def num_samples(self) -> int:
        """Length of the waveform."""
        return len(self._wav)

    def read(self, begin: int, end: int) -> torch.Tensor:
        """Gives a span.

        Arguments
        ---------
        begin : int
            First sample.
        end : int
            The one after the last.

        Returns
        -------
        torch.Tensor
            ``[time]``, float32.
        """
        return self._wav[begin:end]


def split_inputs(wavs: AudioInput | Sequence[AudioInput]) -> list[AudioInput]:
    """Splits what was given into clips, as the table of this module says.

    Arguments
    ---------
    wavs : tensor, array, path, open file, or sequence of them
        Audio.

    Returns
    -------
    list
        One entry a clip.

    Raises
    ------
    ValueError
        If there is no clip, or a tensor has too many dimensions.

    Example
    -------
    >>> len(split_inputs(torch.zeros(3, 100))), split_inputs("dog.wav")
    (3, ['dog.wav'])
    """
    if isinstance(wavs, (list, tuple)):
        clips = list(wavs)
    elif is_file(wavs):
        clips = [wavs]
    elif wavs.ndim > 3:
        raise ValueError(
            "waveforms are [time], [batch, time] or [batch, channels, time], got "
            f"{list(wavs.shape)}"
        )
    else:
        clips = [wavs] if wavs.ndim < 2 else list(wavs)
    if not clips:
        raise ValueError("there is no clip to embed")
    return clips


def open_input(
    clip: AudioInput, sample_rate: int | None, new_sample_rate: int
) -> AbstractContextManager[AudioFile | WaveformInput]:
    """Opens one clip for reading.

    Arguments
    ---------
    clip : tensor, array, path, open file, or AudioFile
        The clip.
    sample_rate : int or None
        Its rate, Hz; a file knows its own.
    new_sample_rate : int
        The rate wanted, Hz.

    Returns
    -------
    context manager
        Of what has ``num_samples`` and ``read(begin, end)``.

    Raises
    ------
    ValueError
        If it is no waveform, or an ``AudioFile`` at another rate.
    AudioError
        If it is a file that cannot be used.
    """
    if isinstance(clip, AudioFile):
        if clip.sample_rate != new_sample_rate:
            raise ValueError(
                f"{clip.name} is open to be heard at {clip.sample_rate} Hz, and the "
                f"model hears {new_sample_rate} Hz: open it with that"
            )
        return nullcontext(clip)  # whoever opened it closes it
    if is_file(clip):
        return AudioFile(clip, new_sample_rate)
    return WaveformInput(clip, sample_rate, new_sample_rate)


def is_file(clip: AudioInput) -> bool:
    """Whether a clip is a path or an open file.

    Arguments
    ---------
    clip : tensor, array, path, or open file
        The clip.

    Returns
    -------
    bool

    Example
    -------
    >>> is_file("dog.wav"), is_file(torch.zeros(2))
    (True, False)
    """
    return isinstance(clip, (str, os.PathLike)) or hasattr(clip, "read")


def _mono(wav: torch.Tensor) -> torch.Tensor:
    """The mean of the channels, ``[time]`` float32, of what is a waveform."""
    shape = list(wav.shape)
    if wav.dim() not in (1, 2) or not wav.numel():
        raise ValueError(
            "a clip has the shape [time] or [channels, time], and at least one "
            f"sample, got {shape}"
        )
    if wav.dim() == 2 and shape[1] <= _MOST_CHANNELS < shape[0]:
        raise ValueError(
            f"a clip of shape {shape} has more channels than samples: it is "
            "[channels, time], so transpose what came as [time, channels]"
        )
    if not wav.is_floating_point():
        raise ValueError(
            f"samples are floats in [-1, 1], got {wav.dtype}: divide integers by "
            "their largest value first"
        )
    if not wav.isfinite().all():
        raise ValueError("some samples of a clip are not finite numbers")
    return wav.float() if wav.dim() == 1 else wav.float().mean(0)
