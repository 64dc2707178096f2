"""Symmetric InfoNCE, the loss of CLIP and CLAP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.objectives.logit_scale import LogitScale


class InfoNCE(nn.Module):
    """Mean of the audio-to-text and the text-to-audio cross-entropy.

    With the similarities ``S = audio text^T``, the scale ``s`` and matching pairs on
    the diagonal (2211.06687, equation 2):
    ``(CE(s S, i) + CE(s S^T, i)) / 2``, in float32 also under autocast.

    Captions of the same clip, and captions equal to its own, say nothing false of a
    clip: their columns are left out of its softmax, and it out of theirs.

    Example
    -------
    >>> audio = F.normalize(torch.randn(4, 8), dim=1)
    >>> loss = InfoNCE()(audio, audio, LogitScale(temperature=0.01))
    >>> loss.shape, loss.dtype
    (torch.Size([]), torch.float32)
    """

    def forward(
        self,
        audio: torch.Tensor,
        text: torch.Tensor,
        logit_scale: LogitScale,
        clip_keys: torch.Tensor | None = None,
        caption_keys: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Computes the loss of a batch, gathered across ranks beforehand.

        Arguments
        ---------
        audio : torch.Tensor
            Unit-norm embeddings, ``[batch, dim]``.
        text : torch.Tensor
            Unit-norm embeddings of the matching captions, ``[batch, dim]``.
        logit_scale : LogitScale
            The model's: makes logits of the similarities.
        clip_keys : torch.Tensor, optional
            ``[batch]``, equal for pairs of the same clip.
        caption_keys : torch.Tensor, optional
            ``[batch]``, equal for pairs of equal captions.

        Returns
        -------
        torch.Tensor
            Scalar, float32.

        Raises
        ------
        ValueError
            If the two batches are not of one shape.
        """
        logits = logit_scale.of_pairs(audio, text)
        ignored = not_negatives(clip_keys, caption_keys)
        if ignored is not None:
            logits = logits.masked_fill(ignored, float("-inf"))
        target = torch.arange(len(logits), device=logits.device)
        by_audio = F.cross_entropy(logits, target)
        by_text = F.cross_entropy(logits.T, target)
        return (by_audio + by_text) / 2


def not_negatives(
    clip_keys: torch.Tensor | None, caption_keys: torch.Tensor | None
) -> torch.Tensor | None:
    """Off-diagonal pairs that are true of each other.

    Arguments
    ---------
    clip_keys : torch.Tensor or None
        ``[batch]``, equal for pairs of the same clip.
    caption_keys : torch.Tensor or None
        ``[batch]``, equal for pairs of equal captions.

    Returns
    -------
    torch.Tensor or None
        ``[batch, batch]``, bool, symmetric; None without any keys.

    Example
    -------
    >>> not_negatives(torch.tensor([1, 1, 2]), None).tolist()
    [[False, True, False], [True, False, False], [False, False, False]]
    """
    keys = [key for key in (clip_keys, caption_keys) if key is not None]
    if not keys:
        return None
    same = torch.stack([key[:, None] == key[None, :] for key in keys]).any(0)
    return same.fill_diagonal_(False)
