"""Samples in memory: what is a waveform, and what is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from clap_sb.clips import check_lengths
from clap_sb.data.sound_limits import LOUDEST, fault_of

if TYPE_CHECKING:
    Waveform = torch.Tensor | np.ndarray

# more channels than any microphone array in use, fewer samples than any clip
_MOST_CHANNELS = 64


def as_waveform(wav: Waveform) -> torch.Tensor:
    """Takes an array of any layout as a tensor on the CPU, without gradients.

    Arguments
    ---------
    wav : tensor, array, or list of numbers
        Samples.

    Returns
    -------
    torch.Tensor
        The same shape and type of numbers.

    Raises
    ------
    ValueError
        If it is something else.

    Example
    -------
    >>> as_waveform(np.arange(3, dtype=">f4")[::-1])
    tensor([2., 1., 0.])
    """
    if isinstance(wav, torch.Tensor):
        return wav.detach().cpu()
    if not isinstance(wav, (list, tuple)) and not hasattr(wav, "__array__"):
        raise ValueError(
            f"{_shown(wav)} is no audio: give a tensor, an array, a path, an open file "
            "or a data set's sound, and a sample rate as sample_rate"
        )
    try:
        array = np.asarray(wav)
        # torch takes neither the other byte order nor steps backwards, and warns of
        # what it cannot write to
        array = np.require(array, array.dtype.newbyteorder("="), ["C", "W"])
        return torch.from_numpy(array)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{_shown(wav)} is no array of samples: {error}") from error


def _shown(value: object) -> str:
    known = value is None or isinstance(value, (bool, int, float))
    return f"{value!r}" if known else f"an object of type {type(value).__name__}"


def is_time_first(wav: torch.Tensor) -> bool:
    """Whether a matrix is ``[time, channels]``, as soundfile gives a file.

    It has more rows than columns, and so few columns that they are samples of no clip,
    be it in a batch or with several channels.

    Arguments
    ---------
    wav : torch.Tensor
        Of two dimensions.

    Returns
    -------
    bool

    Example
    -------
    >>> is_time_first(torch.zeros(48000, 16)), is_time_first(torch.zeros(500, 48000))
    (True, False)
    """
    rows, columns = wav.shape
    return 1 <= columns <= _MOST_CHANNELS and rows > columns


def refuse_time_first(shape: Sequence[int]) -> None:
    """Says what to do with ``[time, channels]``.

    Arguments
    ---------
    shape : sequence of int
        What came.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(
        f"of the shape {list(shape)}, the last number would be that of the samples of "
        "a clip, and no clip is so short: transpose what came as [time, channels]"
    )


def check_floats(wav: torch.Tensor) -> None:
    """Sees that samples are floats.

    Arguments
    ---------
    wav : torch.Tensor
        Samples, of any shape.

    Raises
    ------
    ValueError
        If they are numbers of another kind.
    """
    if wav.is_floating_point():
        return
    if wav.is_complex():
        hint = "complex numbers are a spectrum or an analytic signal, and no waveform"
    elif wav.dtype == torch.bool:
        hint = "truth values, such as those of a mask, are no waveform"
    else:
        hint = "divide integers by their largest value first"
    raise ValueError(f"samples are floats in [-1, 1], got {wav.dtype}: {hint}")


def as_channels(wav: torch.Tensor) -> torch.Tensor:
    """Sees that a clip is one.

    Arguments
    ---------
    wav : torch.Tensor
        ``[time]``, or ``[channels, time]``, floats in [-1, 1].

    Returns
    -------
    torch.Tensor
        ``[channels, time]``, float32.

    Raises
    ------
    ValueError
        If it is no waveform.
    """
    shape = list(wav.shape)
    if wav.dim() not in (1, 2) or not wav.numel():
        raise ValueError(
            "a clip has the shape [time] or [channels, time], and at least one "
            f"sample, got {shape}"
        )
    if wav.dim() == 2 and is_time_first(wav):
        if shape[1] > 1:
            refuse_time_first(shape)
        wav = wav.T
    check_floats(wav)
    wav = wav.float().reshape(-1, wav.shape[-1])
    if (fault := fault_of(wav.numpy())) is not None:
        raise ValueError(f"a clip: {fault}")
    return wav


def as_batch(
    wavs: torch.Tensor | np.ndarray,
    wav_lens: torch.Tensor | np.ndarray | Sequence[float] | None = None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Makes sure that a batch is one: of clips, of floats, with relative lengths.

    Arguments
    ---------
    wavs : tensor or array
        ``[batch, time]``, or ``[time]``.
    wav_lens : tensor, array or sequence of float, optional
        Relative lengths, ``[batch]``.

    Returns
    -------
    wavs : torch.Tensor
        ``[batch, time]``, where it was.
    wav_lens : torch.Tensor or None
        ``[batch]``.

    Raises
    ------
    ValueError
        If the shape is another, samples are integers, not finite or absurdly large, or
        the lengths are not one a clip, in (0, 1].

    Example
    -------
    >>> as_batch(torch.zeros(100))[0].shape
    torch.Size([1, 100])
    """
    wavs = torch.as_tensor(wavs)
    if wavs.dim() == 1:
        wavs = wavs.unsqueeze(0)
    if wavs.dim() != 2 or not wavs.numel():
        raise ValueError(
            "a batch is [batch, time], mono, and has a sample at least, got "
            f"{list(wavs.shape)}; encode_audio takes channels"
        )
    if is_time_first(wavs):
        if wavs.shape[1] > 1:
            refuse_time_first(wavs.shape)
        wavs = wavs.T
    check_floats(wavs)
    if wav_lens is not None:
        wav_lens = torch.as_tensor(wav_lens).reshape(-1)
        check_lengths(wavs, wav_lens, wait=True)
    is_compiled = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if not is_compiled and not (wavs.abs() <= LOUDEST).all():
        fault = fault_of(wavs.detach().float().cpu().numpy())
        raise ValueError(f"a clip of the batch: {fault}")
    return wavs, wav_lens
