"""Changes the sample rate of a waveform."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch

# torchaudio resamples with one filter for each phase, whose size is the product of
# the two rates once reduced: 160 * 147 for 44.1 to 48 kHz, gigabytes for 11,127 Hz.
_LARGEST_FILTER_BANK = 2**20


def resample(wav: torch.Tensor, sample_rate: int, new_sample_rate: int) -> torch.Tensor:
    """Changes the sample rate of a waveform.

    Arguments
    ---------
    wav : torch.Tensor
        Waveform [time], float32, on the CPU.
    sample_rate : int
        Its rate in Hz.
    new_sample_rate : int
        The rate wanted in Hz.

    Returns
    -------
    torch.Tensor
        Waveform of ceil(time * new_sample_rate / sample_rate) samples, float32.

    Example
    -------
    >>> resample(torch.zeros(44100), 44100, 48000).shape
    torch.Size([48000])
    """
    if sample_rate == new_sample_rate:
        return wav
    divisor = math.gcd(sample_rate, new_sample_rate)
    up, down = new_sample_rate // divisor, sample_rate // divisor
    if up * down > _LARGEST_FILTER_BANK:
        from scipy.signal import resample_poly

        return torch.from_numpy(resample_poly(wav.numpy(), up, down))
    return _resampler(down, up)(wav)


@functools.lru_cache(maxsize=16)
def _resampler(down: int, up: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Computing the filters takes longer than using them, so they are kept."""
    import torchaudio

    return torchaudio.transforms.Resample(down, up)
