"""Waveform to log-mel: one front end for all CLAP checkpoint families."""

from __future__ import annotations

import torch

from clap_sb.mel_filters import mel_filters


class LogMel(torch.nn.Module):
    """Log-mel spectrogram in dB, always in float32.

    The defaults are the front end of LAION-CLAP without feature fusion
    (2211.06687; torchlibrosa's ``Spectrogram`` and ``LogmelFilterBank``): periodic
    Hann window, centred frames with reflected edges, power spectrum, Slaney mel
    scale with Slaney's area normalisation, ``10 log10(max(x, 1e-10))``. Other
    families differ in the numbers only: MS-CLAP 2022 has 44.1 kHz and a hop of 320,
    the fused LAION models the HTK scale without normalisation.

    The filterbank is a persistent buffer, so that the one in a checkpoint wins over
    the one that is built here (MS-CLAP 2023 feeds 44.1 kHz audio to a filterbank
    that was made for 32 kHz).

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
    mel_scale : str
        ``slaney`` or ``htk``.
    mel_norm : str or None
        ``slaney`` (each band has unit area) or None.
    amin : float
        Floor of the power, so that silence is ``10 log10(amin)`` dB.

    Example
    -------
    >>> log_mel = LogMel()
    >>> log_mel(torch.zeros(2, 480000)).shape
    torch.Size([2, 1, 1001, 64])
    >>> float(log_mel(torch.zeros(1, 4800)).max())
    -100.0
    """

    pad_mode = "reflect"
    """What lies beyond the edges of a waveform, in torch's words."""

    def __init__(
        self,
        sample_rate: int = 48000,
        n_fft: int = 1024,
        hop_length: int = 480,
        n_mels: int = 64,
        f_min: float = 50.0,
        f_max: float = 14000.0,
        mel_scale: str = "slaney",
        mel_norm: str | None = "slaney",
        amin: float = 1e-10,
    ):
        super().__init__()
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.amin = amin
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        filters = mel_filters(
            sample_rate, n_fft, n_mels, f_min, f_max, mel_scale, mel_norm
        )
        self.register_buffer("mel_filters", filters)

    def num_frames(self, num_samples: int) -> int:
        """Number of frames of a waveform.

        Arguments
        ---------
        num_samples : int
            Samples in the waveform.

        Returns
        -------
        int

        Example
        -------
        >>> LogMel().num_frames(480000)
        1001
        """
        return num_samples // self.hop_length + 1

    def forward(self, wavs: torch.Tensor) -> torch.Tensor:
        """Computes the log-mel of a batch.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``, more than ``n_fft / 2`` samples, in [-1, 1].

        Returns
        -------
        torch.Tensor
            ``[batch, 1, frames, n_mels]``, dB, float32.

        Raises
        ------
        ValueError
            If the waveforms are too short to be reflected at the edges.
        """
        if wavs.dim() != 2 or wavs.shape[1] <= self.n_fft // 2:
            raise ValueError(
                f"LogMel takes waveforms [batch, time] of more than {self.n_fft // 2} "
                f"samples, but got {tuple(wavs.shape)}: fill them up first "
                "(clap_sb.clips.fill)"
            )
        with torch.autocast(device_type=wavs.device.type, enabled=False):
            spectrum = torch.stft(
                wavs.float(),
                n_fft=self.n_fft,
                hop_length=self.hop_length,
                window=self.window.float(),
                center=True,
                pad_mode=self.pad_mode,
                return_complex=True,
            )
            power = spectrum.real.square() + spectrum.imag.square()
            mel = power.transpose(1, 2) @ self.mel_filters.float()
            return self.compress(mel).unsqueeze(1)

    def compress(self, mel: torch.Tensor) -> torch.Tensor:
        """Power in mel bands to dB.

        Arguments
        ---------
        mel : torch.Tensor
            Power, of any shape.

        Returns
        -------
        torch.Tensor
            The same shape.
        """
        return 10.0 * torch.log10(mel.clamp(min=self.amin))
