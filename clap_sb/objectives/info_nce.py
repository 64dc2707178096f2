"""Symmetric InfoNCE, the loss of CLIP and CLAP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


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
    >>> loss = InfoNCE()(audio, audio, torch.tensor(100.0))
    >>> loss.shape, loss.dtype
    (torch.Size([]), torch.float32)
    """

    def forward(
        self,
        audio: torch.Tensor,
        text: torch.Tensor,
        logit_scale: torch.Tensor,
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
        logit_scale : torch.Tensor
            Scale of the similarities, a scalar.
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
        if audio.shape != text.shape:
            raise ValueError(
                "row i of audio matches row i of text, so both must have one shape: "
                f"got {tuple(audio.shape)} and {tuple(text.shape)}"
            )
        with torch.autocast(device_type=audio.device.type, enabled=False):
            logits = logit_scale.float() * audio.float() @ text.float().T
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
