"""CLAP: two towers, two projections, one joint space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.clips import (
    check_lengths,
    cut_windows,
    joined_windows,
    num_samples,
    sum_of_windows,
)


class CLAP(nn.Module):
    """Contrastive language-audio pretraining model.

    One joint :meth:`forward` a training step is what DDP needs. In eval mode an
    embedding depends on its clip alone: not on the batch, and not on the call.

    Arguments
    ---------
    audio_encoder : nn.Module
        ``(wavs, wav_lens) -> [batch, embedding_dim]``, with ``sample_rate``,
        ``clip_samples`` and ``takes_whole_clips``.
    text_encoder : nn.Module
        ``(captions or tokens) -> [batch, embedding_dim]``, with ``tokenize``.
    audio_projection : nn.Module
        ``[batch, embedding_dim] -> [batch, joint_dim]``.
    text_projection : nn.Module
        The same for text.
    logit_scale : LogitScale
        Makes logits of similarities. It lives here so that it is saved, moved and,
        under DDP, synchronised with the towers.

    Example
    -------
    >>> from clap_sb.objectives.logit_scale import LogitScale
    >>> class Audio(nn.Module):
    ...     sample_rate, clip_samples, takes_whole_clips = 10, 10, False
    ...
    ...     def forward(self, wavs, wav_lens=None):
    ...         return wavs.mean(1, keepdim=True)
    >>> class Text(nn.Module):
    ...     def forward(self, captions):
    ...         return torch.tensor([[float(len(text))] for text in captions])
    >>> clap = CLAP(Audio(), Text(), nn.Linear(1, 4), nn.Linear(1, 4), LogitScale())
    >>> audio, text = clap(torch.randn(2, 25), None, ["a dog", "rain"])
    >>> audio.shape, text.shape
    (torch.Size([2, 4]), torch.Size([2, 4]))
    """

    def __init__(
        self,
        audio_encoder: nn.Module,
        text_encoder: nn.Module,
        audio_projection: nn.Module,
        text_projection: nn.Module,
        logit_scale: nn.Module,
    ):
        super().__init__()
        self.audio_encoder = audio_encoder
        self.text_encoder = text_encoder
        self.audio_projection = audio_projection
        self.text_projection = text_projection
        self.logit_scale = logit_scale

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, Hz."""
        return self.audio_encoder.sample_rate

    @property
    def clip_samples(self) -> int:
        """Samples in the window that the audio tower takes."""
        return self.audio_encoder.clip_samples

    @property
    def takes_whole_clips(self) -> bool:
        """Whether the audio tower has a way of its own with long clips (fusion)."""
        return self.audio_encoder.takes_whole_clips

    def forward(
        self,
        wavs: torch.Tensor,
        wav_lens: torch.Tensor | None,
        captions: list[str] | dict[str, torch.Tensor],
        audio_embedding: torch.Tensor | None = None,
        text_embedding: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeds pairs.

        What a tower gives may be known already, where the tower is frozen.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]`` at ``sample_rate``.
        wav_lens : torch.Tensor or None
            Relative lengths, ``[batch]``.
        captions : list of str, or dict
            The matching captions, or their tokens.
        audio_embedding : torch.Tensor, optional
            ``[batch, embedding_dim]``, the audio tower's; ``wavs`` are not heard then.
        text_embedding : torch.Tensor, optional
            The same of the text tower, and ``captions`` are not read.

        Returns
        -------
        audio : torch.Tensor
            ``[batch, joint_dim]``, float32, unit norm.
        text : torch.Tensor
            ``[batch, joint_dim]``, float32, unit norm.
        """
        if audio_embedding is None:
            audio = self.encode_audio(wavs, wav_lens)
        else:
            audio = self.project_audio(audio_embedding)
        if text_embedding is None:
            return audio, self.encode_text(captions)
        return audio, self.project_text(text_embedding)

    def encode_audio(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds clips of any length.

        A clip longer than the tower's window is cut into windows, the last one
        aligned to its end; the mean of their normalised embeddings is normalised
        again. A tower with feature fusion gets it whole.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]`` at ``sample_rate``.
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, float32, unit norm.

        Raises
        ------
        ValueError
            As :func:`clap_sb.clips.check_lengths` does.
        """
        check_lengths(wavs, wav_lens)
        if self.takes_whole_clips or wavs.shape[1] <= self.clip_samples:
            return self.project_audio(self.audio_encoder(wavs, wav_lens))
        lengths = num_samples(wavs, wav_lens)
        windows, valid = cut_windows(wavs, lengths, self.clip_samples)
        batch, count, size = windows.shape
        share = (lengths.clamp(max=size) / size).repeat_interleave(count)
        embedding = self.encode_audio(windows.view(batch * count, size), share)
        total = sum_of_windows(embedding.view(batch, count, -1), valid)
        return joined_windows(total, valid.sum(1))

    def encode_text(
        self, captions: list[str] | dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Embeds captions.

        Arguments
        ---------
        captions : list of str, or dict
            Captions, or their tokens.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, float32, unit norm.
        """
        return self.project_text(self.text_encoder(captions))

    def project_audio(self, embedding: torch.Tensor) -> torch.Tensor:
        """Takes the audio tower's embeddings into the joint space.

        Arguments
        ---------
        embedding : torch.Tensor
            ``[batch, embedding_dim]``, of clips no longer than the tower's window,
            unless it takes whole clips.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, float32, unit norm.
        """
        return _unit(self.audio_projection(embedding))

    def project_text(self, embedding: torch.Tensor) -> torch.Tensor:
        """Takes the text tower's embeddings into the joint space.

        Arguments
        ---------
        embedding : torch.Tensor
            ``[batch, embedding_dim]``.

        Returns
        -------
        torch.Tensor
            ``[batch, joint_dim]``, float32, unit norm.
        """
        return _unit(self.text_projection(embedding))


def _unit(embedding: torch.Tensor) -> torch.Tensor:
    return F.normalize(embedding.float(), dim=-1)
