"""A batch as SpeechBrain has it, looked at before it is heard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from clap_sb.clips import check_lengths
from clap_sb.data.sound_limits import LOUDEST, fault_of
from clap_sb.inference.waveform import (
    check_floats,
    is_time_first,
    refuse_time_first,
)

if TYPE_CHECKING:
    import numpy as np


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
