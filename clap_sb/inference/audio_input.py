"""What users call audio: tensors, arrays, paths and open files, one or many.

============================ ==================================================
given                        heard as
============================ ==================================================
a tensor or array ``[time]`` one clip
``[batch, time]``            a batch of mono clips
``[batch, channels, time]``  a batch of clips of several channels
a path, or an open file      one clip
an ``AudioFile``             one clip; it stays open, and is at the model's rate
a data set's sound           one clip at its own rate
a list or tuple              one clip an entry, each ``[time]``,
                             ``[channels, time]``, a path, an open file or a
                             data set's sound
============================ ==================================================

What soundfile gives of a file of several channels is ``[time, channels]``. It is told
by its shape, more rows than columns and at most 64 columns, and refused, alone or in a
list, since no clip of a batch has so few samples. With one column, it is one clip. How
a data set of Hugging Face gives its sounds is in
:mod:`clap_sb.inference.dataset_audio`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch

from clap_sb.data.audio import AudioFile, resample
from clap_sb.data.audio_file import AudioError, AudioSource
from clap_sb.data.channels import ChannelEnergies, to_mono
from clap_sb.data.resample import whole_rate
from clap_sb.inference.dataset_audio import DatasetAudio, is_dataset_audio, undressed
from clap_sb.inference.waveform import as_channels, as_waveform, is_time_first

if TYPE_CHECKING:
    import numpy as np

    Waveform = torch.Tensor | np.ndarray
    AudioInput = Waveform | AudioSource | AudioFile | DatasetAudio


class WaveformInput(AbstractContextManager):
    """A waveform in memory, read as :class:`~clap_sb.data.audio.AudioFile` is.

    Arguments
    ---------
    wav : torch.Tensor or np.ndarray
        ``[time]``, or ``[channels, time]``, of which one is made by
        :data:`~clap_sb.data.channels.CHANNEL_RULE`; floats in [-1, 1].
    sample_rate : int or None
        Its rate, Hz; an error if it is None. A float will do if it is whole.
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
        wav = as_channels(as_waveform(wav))
        if sample_rate is None:
            raise ValueError(
                "the sample rate of a waveform has to be told: give sample_rate, in Hz"
            )
        frames = wav.T.numpy()
        energies = ChannelEnergies(whole_rate(sample_rate))
        energies.add(frames)
        self.remarks = energies.remarks
        wav = torch.from_numpy(to_mono(frames, energies.channel))
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
    wavs : tensor, array, path, open file, data set's sound, or sequence of them
        Audio.

    Returns
    -------
    list
        One entry a clip.

    Raises
    ------
    ValueError
        If there is no clip, or a tensor has too many dimensions, or is
        ``[time, channels]``.

    Example
    -------
    >>> len(split_inputs(torch.zeros(3, 100))), split_inputs("dog.wav")
    (3, ['dog.wav'])
    """
    if isinstance(wavs, (list, tuple)):
        clips = list(wavs)
    elif is_file(wavs) or is_dataset_audio(wavs):
        clips = [wavs]
    else:
        clips = _split(as_waveform(wavs))
    if not clips:
        raise ValueError("there is no clip to embed")
    return clips


def open_input(
    clip: AudioInput, sample_rate: int | None, new_sample_rate: int
) -> AbstractContextManager[AudioFile | WaveformInput]:
    """Opens one clip for reading.

    Arguments
    ---------
    clip : tensor, array, path, open file, AudioFile, or data set's sound
        The clip.
    sample_rate : int or None
        Its rate, Hz; a file knows its own, and so do most sounds of a data set.
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
    if is_dataset_audio(clip):
        clip, own_rate = undressed(clip)
        sample_rate = sample_rate if own_rate is None else own_rate
    if is_file(clip):
        sound = AudioFile(clip, new_sample_rate)
        name = sound.name
    else:
        sound = WaveformInput(clip, sample_rate, new_sample_rate)
        name = "a clip"
    for remark in sound.remarks:
        warnings.warn(f"{name}: {remark}", stacklevel=2)
    return sound


def open_numbered(
    clips: Sequence[AudioInput],
    index: int,
    sample_rate: int | None,
    new_sample_rate: int,
) -> AudioFile | WaveformInput:
    """Opens one clip of several; an error says which it is, unless it names a file.

    Arguments
    ---------
    clips : sequence
        The clips.
    index : int
        Which one.
    sample_rate : int or None
        As :func:`open_input` takes it.
    new_sample_rate : int
        The rate wanted, Hz.

    Returns
    -------
    AudioFile or WaveformInput
        As :func:`open_input` gives it.

    Raises
    ------
    ValueError
        As :func:`open_input` does.
    """
    try:
        return open_input(clips[index], sample_rate, new_sample_rate)
    except ValueError as error:
        if len(clips) == 1 or isinstance(error, AudioError):
            raise
        raise ValueError(f"clip {index + 1} of {len(clips)}: {error}") from error


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


def is_independent(clip: AudioInput) -> bool:
    """Whether a clip can be read while another is: a path, or a waveform in memory.

    Arguments
    ---------
    clip : tensor, array, path, open file, AudioFile, or data set's sound
        The clip.

    Returns
    -------
    bool

    Example
    -------
    >>> import io
    >>> is_independent("dog.wav"), is_independent(io.BytesIO())
    (True, False)
    """
    if isinstance(clip, (str, os.PathLike)):
        return True
    return not (is_file(clip) or isinstance(clip, AudioFile) or is_dataset_audio(clip))


def _split(wavs: torch.Tensor) -> list[torch.Tensor]:
    """The clips of ``[time]``, ``[batch, time]`` or ``[batch, channels, time]``."""
    if wavs.dim() > 3:
        raise ValueError(
            "waveforms are [time], [batch, time] or [batch, channels, time], got "
            f"{list(wavs.shape)}"
        )
    is_one_file = wavs.dim() == 2 and is_time_first(wavs)
    return [wavs] if wavs.dim() < 2 or is_one_file else list(wavs)
