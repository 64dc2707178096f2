"""The two towers as graphs for other runtimes: tensors in, embeddings out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.clips import fill
from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.features import LogMel
from clap_sb.model import CLAP


class AudioGraph(nn.Module):
    """Waveforms of at most a window to embeddings, the front end inside.

    Arguments
    ---------
    clap : CLAP
        A model without feature fusion.

    Raises
    ------
    ValueError
        If the model has feature fusion, or a tower that is no AudioTower.

    Example
    -------
    >>> from clap_sb.encoders.cnn14 import CNN14
    >>> from clap_sb.features import LogMel
    >>> tower = CNN14(LogMel(), clip_samples=48000, channels=[4, 8, 8, 8, 8, 16])
    >>> none = nn.Identity()
    >>> clap = CLAP(tower, none, none, none, none).eval()
    >>> wavs, lengths = torch.randn(2, 48000), torch.tensor([48000, 9000])
    >>> found, expected = (
    ...     AudioGraph(clap)(wavs, lengths),
    ...     clap.encode_audio(wavs, lengths / 48000),
    ... )
    >>> torch.allclose(found, expected, atol=1e-5)
    True
    """

    def __init__(self, clap: CLAP):
        super().__init__()
        if clap.takes_whole_clips:
            raise ValueError(
                "a model with feature fusion cannot be exported: how it hears a clip "
                "depends on the clip's length. Take a system without fusion"
            )
        if not isinstance(clap.audio_encoder, AudioTower):
            raise ValueError(
                f"{type(clap.audio_encoder).__name__} cannot be exported: only a tower "
                "over clap_sb's log-mel can (clap_sb.encoders.audio_tower.AudioTower)"
            )
        self.log_mel = DftLogMel(clap.audio_encoder.log_mel)
        self.tower = clap.audio_encoder
        self.projection = clap.audio_projection

    def forward(self, wavs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Embeds clips.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, samples]``, mono, in [-1, 1], at the tower's sample rate; what
            lies beyond a clip's length is ignored.
        lengths : torch.Tensor
            Sample counts, ``[batch]``, int64, 1 to the window.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, unit norm; not a number for a length out of range.
        """
        size = self.tower.clip_samples
        usable = lengths.clamp(1, size)
        filled = fill(wavs, usable, size, self.tower.padding)
        embedding = self.projection(self.tower.embed_log_mel(self.log_mel(filled)))
        embedding = F.normalize(embedding, dim=-1)
        # a graph cannot raise: a clip that was cut must not pass for a whole one
        right = (lengths == usable).unsqueeze(1)
        return torch.where(right, embedding, embedding.new_tensor(float("nan")))


class TextGraph(nn.Module):
    """Tokens to embeddings.

    Arguments
    ---------
    clap : CLAP
        A model with a text tower.

    Example
    -------
    >>> class Tower(nn.Module):
    ...     def encode(self, tokens):
    ...         return tokens["input_ids"].float()
    >>> none = nn.Identity()
    >>> graph = TextGraph(CLAP(none, Tower(), none, none, none))
    >>> graph(torch.tensor([[3, 4]]), torch.tensor([[1, 1]])).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """

    def __init__(self, clap: CLAP):
        super().__init__()
        self.tower = clap.text_encoder
        self.projection = clap.text_projection

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> torch.Tensor:
        """Embeds captions.

        Arguments
        ---------
        input_ids : torch.Tensor
            ``[batch, tokens]``, int64.
        attention_mask : torch.Tensor
            ``[batch, tokens]``, int64: 1 for tokens and then 0 for padding.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, unit norm.
        """
        tokens = {"input_ids": input_ids, "attention_mask": attention_mask}
        return F.normalize(self.projection(self.tower.encode(tokens)), dim=-1)


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
