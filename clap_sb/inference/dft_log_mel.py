"""The log-mel front end for runtimes without a Fourier transform."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.features import LogMel


class DftLogMel(nn.Module):
    """:class:`~clap_sb.features.LogMel` with the DFT written out as a convolution.

    Every runtime has convolutions; few have complex numbers or an STFT of their own.
    The kernels are cosines and sines, computed in float64, times the window.

    Arguments
    ---------
    log_mel : LogMel
        The front end to write out; its filterbank is taken as it is.

    Example
    -------
    >>> log_mel = LogMel(sample_rate=16000, n_fft=512, hop_length=160, f_max=8000.0)
    >>> wavs = torch.randn(2, 4000)
    >>> torch.allclose(DftLogMel(log_mel)(wavs), log_mel(wavs), atol=1e-3)
    True
    """

    def __init__(self, log_mel: LogMel):
        super().__init__()
        self.n_fft = log_mel.n_fft
        self.hop_length = log_mel.hop_length
        self.pad_mode, self.compress = log_mel.pad_mode, log_mel.compress
        time = torch.arange(self.n_fft)
        # the product modulo the period first: a large phase would lose digits
        turn = torch.outer(time[: self.n_fft // 2 + 1], time) % self.n_fft
        phase = 2 * torch.pi * turn.double() / self.n_fft
        kernels = torch.cat([phase.cos(), phase.sin()]) * log_mel.window.double()
        self.register_buffer("kernels", kernels.float().unsqueeze(1))
        self.register_buffer("mel_filters", log_mel.mel_filters.float())

    def forward(self, wavs: torch.Tensor) -> torch.Tensor:
        """Computes the log-mel of a batch.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, more than ``n_fft / 2`` samples, in [-1, 1].

        Returns
        -------
        torch.Tensor
            ``[batch, 1, frames, n_mels]``, dB.
        """
        edge = self.n_fft // 2
        wavs = F.pad(wavs.unsqueeze(1), (edge, edge), mode=self.pad_mode)
        spectrum = F.conv1d(wavs, self.kernels, stride=self.hop_length)
        real, imaginary = spectrum.chunk(2, dim=1)
        power = real.square() + imaginary.square()
        mel = power.transpose(1, 2) @ self.mel_filters
        return self.compress(mel).unsqueeze(1)
