"""The log-mel of Essentia's extractors, which aiSFX was trained on."""

from __future__ import annotations

import math

import torch

from clap_sb.features import LogMel


class EssentiaLogMel(LogMel):
    """Log-mel spectrogram in dB above a soft floor, as Essentia computes it.

    What differs from :class:`~clap_sb.features.LogMel`: the window is symmetric, edges
    are zeros, the filters are triangles over mel (HTK's) and not over Hz, each adds up
    to 1, and it is ``10 log10(1 + x / amin)``, so that silence is 0 dB. Essentia itself
    (``MelBands``: ``warping``, ``unit_sum``, and ``shift_scale_log``) leaves out
    the 10.

    Arguments
    ---------
    sample_rate : int
        Sample rate of the filterbank, Hz.
    n_fft : int
        Window and FFT length, samples.
    hop_length : int
        Samples from one frame to the next.
    n_mels : int
        Mel bands.
    f_min : float
        Lower edge of the lowest band, Hz.
    f_max : float
        Upper edge of the highest band, Hz.
    amin : float
        The floor's power.

    Raises
    ------
    ValueError
        If the edges do not ascend, or a band holds no bin of the FFT.

    Example
    -------
    >>> log_mel = EssentiaLogMel()
    >>> log_mel(torch.zeros(2, 101376)).shape
    torch.Size([2, 1, 100, 96])
    >>> float(log_mel(torch.zeros(1, 4096)).max())
    0.0
    """

    pad_mode = "constant"

    def __init__(
        self,
        sample_rate: int = 44100,
        n_fft: int = 2048,
        hop_length: int = 1024,
        n_mels: int = 96,
        f_min: float = 0.0,
        f_max: float = 22050.0,
        amin: float = 1e-4,
    ):
        super().__init__(
            sample_rate, n_fft, hop_length, n_mels, f_min, f_max, "htk", None, amin
        )
        self.window = torch.hann_window(n_fft, periodic=False)
        self.mel_filters = _warped_filters(sample_rate, n_fft, n_mels, f_min, f_max)

    def compress(self, mel: torch.Tensor) -> torch.Tensor:
        """Power in mel bands to dB above the floor; see the base."""
        return torch.log1p(mel / self.amin) * (10.0 / math.log(10.0))


def _warped_filters(
    sample_rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float
) -> torch.Tensor:
    """Triangles that are straight over mel, ``[n_fft / 2 + 1, n_mels]``."""
    limits = torch.tensor([f_min, f_max], dtype=torch.float64)
    low, high = _htk(limits).tolist()
    edges = torch.linspace(low, high, n_mels + 2, dtype=torch.float64)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * sample_rate / n_fft
    place = (_htk(bins)[:, None] - edges[:-2]) / (edges[1] - edges[0])
    filters = (1.0 - (place - 1.0).abs()).clamp(min=0.0)
    sums = filters.sum(0)
    if (sums == 0).any():
        raise ValueError(
            f"{int((sums == 0).sum())} of {n_mels} mel bands hold no bin of the FFT: "
            "take fewer bands or a longer FFT"
        )
    return (filters / sums).float()


def _htk(hertz: torch.Tensor) -> torch.Tensor:
    return 2595.0 * torch.log10(1.0 + hertz / 700.0)
