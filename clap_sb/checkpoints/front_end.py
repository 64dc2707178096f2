"""Front ends of the public families, and what a file says about its own."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.features import LogMel

LOG_MEL = "clap_sb.features.LogMel"

_COMMON = {"n_fft": 1024, "n_mels": 64, "f_min": 50.0, "f_max": 14000.0}
LAION = {"sample_rate": 48000, "hop_length": 480, **_COMMON}
# LAION's fused models compute their log-mel outside the model, by torchaudio
LAION_FUSED = {**LAION, "mel_scale": "htk", "mel_norm": None}
MS_2022 = {"sample_rate": 44100, "hop_length": 320, **_COMMON}
# made for 32 kHz, and fed with 44.1 kHz
MS_2023 = {"sample_rate": 32000, "hop_length": 320, **_COMMON}
PANNS = {"sample_rate": 32000, "hop_length": 320, **_COMMON}

_TOLERANCE = 1e-5
_ROUNDING = 5e-3  # of bfloat16, the coarsest that files have


def check_stft(state: Mapping[str, torch.Tensor]) -> None:
    """Makes sure that the STFT kernels of a file are the DFT that ours computes.

    torchlibrosa keeps the DFT as two convolutions: row ``k`` is the cosine, or minus
    the sine, of ``2 pi k n / N`` times the periodic Hann window.

    Arguments
    ---------
    state : mapping
        A state dict of any family.

    Raises
    ------
    CheckpointError
        If the kernels differ from the analytic ones by more than 1e-5, or by what
        rounding to their precision explains.

    Example
    -------
    >>> check_stft({"stft.conv_real.weight": torch.zeros(5, 1, 8)})
    Traceback (most recent call last):
    ...
    clap_sb.checkpoints.errors.CheckpointError: the STFT kernels stft.conv_real.weight \
are not a windowed DFT (they differ by up to 1): no front end here gives what they give
    """
    for key, kernel in state.items():
        if key.endswith(("stft.conv_real.weight", "stft.conv_imag.weight")):
            if kernel.dim() != 3 or not kernel.is_floating_point():
                raise CheckpointError(f"the STFT kernels {key} are no convolution's")
            # in half precision they are as near as that can be
            tolerance = max(_TOLERANCE, torch.finfo(kernel.dtype).eps)
            kernel = kernel.squeeze(1).double()
            error = (kernel - _windowed_dft(kernel, "imag" in key)).abs().max()
            if not error <= tolerance:
                raise CheckpointError(
                    f"the STFT kernels {key} are not a windowed DFT (they differ by up "
                    f"to {float(error):.3g}): no front end here gives what they give"
                )


def _windowed_dft(kernel: torch.Tensor, imaginary: bool) -> torch.Tensor:
    rows, size = kernel.shape
    turns = torch.arange(rows)[:, None] * torch.arange(size)[None, :] % size
    angle = turns.double() * (2 * math.pi / size)
    wave = -torch.sin(angle) if imaginary else torch.cos(angle)
    return wave * torch.hann_window(size, dtype=torch.float64)


def filters_of(log_mel: Mapping[str, object]) -> torch.Tensor:
    """The filterbank that a front end builds for itself.

    Arguments
    ---------
    log_mel : mapping
        Its numbers.

    Returns
    -------
    torch.Tensor
        ``[n_fft / 2 + 1, n_mels]``.
    """
    return LogMel(**log_mel).mel_filters


def is_built_by(filters: torch.Tensor, log_mel: Mapping[str, object]) -> bool:
    """Whether a filterbank is the one that a front end would build.

    Arguments
    ---------
    filters : torch.Tensor
        ``[n_fft / 2 + 1, n_mels]``.
    log_mel : mapping
        Numbers of the front end.

    Returns
    -------
    bool

    Example
    -------
    >>> is_built_by(filters_of(LAION), LAION), is_built_by(filters_of(LAION), PANNS)
    (True, False)
    """
    built = filters_of(log_mel)
    return built.shape == filters.shape and torch.allclose(
        built, filters.float(), rtol=_ROUNDING, atol=1e-6
    )


def sample_rate_of(tower: Mapping[str, torch.Tensor], default: int) -> tuple[int, int]:
    """Sample rate and window of a PANNs model, from its STFT kernels.

    PANNs for 32, 16 and 8 kHz have windows of 1024, 512 and 256 samples.

    Arguments
    ---------
    tower : mapping
        State dict under the original names.
    default : int
        Rate of a file without kernels, Hz.

    Returns
    -------
    sample_rate : int
        Hz.
    n_fft : int
        Samples.

    Example
    -------
    >>> kernel = {
    ...     "spectrogram_extractor.stft.conv_real.weight": torch.zeros(257, 1, 512)
    ... }
    >>> sample_rate_of(kernel, 32000), sample_rate_of({}, 32000)
    ((16000, 512), (32000, 1024))
    """
    kernel = tower.get("spectrogram_extractor.stft.conv_real.weight")
    n_fft = default // 1000 * 32 if kernel is None else kernel.shape[2]
    return n_fft * 1000 // 32, n_fft
