"""The triangular filters that make a mel spectrum of a power spectrum."""

from __future__ import annotations

import math
import warnings

import torch

# Slaney's scale: linear up to 1 kHz, 15 mels there; then 27 mels for a factor of 6.4
_LINEAR_HZ = 200.0 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ
_LOG_STEP = math.log(6.4) / 27.0


def mel_filters(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    mel_scale: str = "slaney",
    mel_norm: str | None = "slaney",
) -> torch.Tensor:
    """Builds a mel filterbank, with the bits of torchaudio's ``melscale_fbanks``.

    (Where ``sample_rate`` or ``n_fft`` is odd, torchaudio's bins are a little off.)
    Each band rises from the centre of the band below to its own, and falls to the
    centre of the band above; the centres are evenly spaced in mel.

    Arguments
    ---------
    sample_rate : int
        Hz.
    n_fft : int
        Samples of the FFT.
    n_mels : int
        Bands.
    f_min : float
        Lower edge of the lowest band, Hz.
    f_max : float
        Upper edge of the highest band, Hz.
    mel_scale : str
        ``slaney`` or ``htk``.
    mel_norm : str or None
        ``slaney`` (each band has unit area over Hz) or None (its peak is 1).

    Returns
    -------
    torch.Tensor
        ``[n_fft / 2 + 1, n_mels]``, float32.

    Raises
    ------
    ValueError
        If there is no such scale or norm, or the edges do not ascend.

    Example
    -------
    >>> mel_filters(8000, 8, 2, 0.0, 4000.0, "htk", None)
    tensor([[0.0000, 0.0000],
            [0.6759, 0.3241],
            [0.0000, 0.9055],
            [0.0000, 0.4528],
            [0.0000, 0.0000]])
    """
    if mel_scale not in ("slaney", "htk") or mel_norm not in ("slaney", None):
        raise ValueError(
            "a mel scale is slaney or htk, and its norm slaney or None, not "
            f"{mel_scale!r} and {mel_norm!r}"
        )
    if not 0 <= f_min < f_max:
        raise ValueError(f"mel bands go from 0 Hz or more up, not {f_min} to {f_max}")
    limits = [_to_mel(edge, mel_scale) for edge in (f_min, f_max)]
    mels = torch.linspace(*limits, n_mels + 2, dtype=torch.float32)
    edges = _to_hz(mels, mel_scale)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    top = n_fft // 2 * sample_rate / n_fft
    bins = torch.linspace(0, top, n_fft // 2 + 1, dtype=torch.float32)
    rising = (bins[:, None] - low) / (centre - low)
    falling = (high - bins[:, None]) / (high - centre)
    filters = torch.minimum(rising, falling).clamp(min=0.0)
    if mel_norm == "slaney":
        filters *= 2.0 / (high - low)
    _warn_of_empty_bands(filters, centre, sample_rate)
    return filters


def _to_mel(hertz: float, mel_scale: str) -> float:
    if mel_scale == "htk":
        return 2595.0 * math.log10(1.0 + hertz / 700.0)
    if hertz < _BREAK_HZ:
        return hertz / _LINEAR_HZ
    return _BREAK_MEL + math.log(hertz / _BREAK_HZ) / _LOG_STEP


def _to_hz(mels: torch.Tensor, mel_scale: str) -> torch.Tensor:
    if mel_scale == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    above = _BREAK_HZ * torch.exp(_LOG_STEP * (mels - _BREAK_MEL))
    return torch.where(mels < _BREAK_MEL, _LINEAR_HZ * mels, above)


def _warn_of_empty_bands(
    filters: torch.Tensor, centre: torch.Tensor, sample_rate: int
) -> None:
    """A band between two bins of the FFT, or above them all, hears nothing, ever."""
    empty = (filters.amax(dim=0) == 0).nonzero().flatten().tolist()
    if empty:
        places = ", ".join(f"{float(centre[index]):.0f}" for index in empty[:5])
        more = ", ..." if len(empty) > 5 else ""
        warnings.warn(
            f"{len(empty)} of {filters.shape[1]} mel bands hold no bin of the FFT and "
            f"stay silent (at {places}{more} Hz): take fewer bands or a longer FFT, "
            f"and f_max of {sample_rate / 2:g} Hz at most",
            stacklevel=3,
        )
