"""InfoNCE with several right answers to a clip or a caption."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.objectives.info_nce import not_negatives
from clap_sb.objectives.logit_scale import LogitScale


class MultiPositive(nn.Module):
    """Mean of both directions' cross-entropy, with targets shared among positives.

    Rows that are true of each other (captions of the same clip, equal captions) are
    positives of each other: with ``P(i)`` those of row ``i``, itself among them, and
    the similarities ``S = audio text^T``, scaled by ``s``, the audio-to-text half is
    ``-1/N sum_i 1/|P(i)| sum_{j in P(i)} log softmax_j(s S)_i``, as in supervised
    contrastive learning (2004.11362, equation 2); the other half is that of ``S^T``.
    Where every row is only its own positive this is
    :class:`~clap_sb.objectives.info_nce.InfoNCE`.

    A clip with several captions in the batch is to be given once for each, with its
    embedding repeated.

    Example
    -------
    >>> audio = F.normalize(torch.randn(4, 8), dim=1)
    >>> same_clip = torch.tensor([1, 1, 2, 3])
    >>> MultiPositive()(audio, audio, LogitScale(), same_clip).shape
    torch.Size([])
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
        target = torch.eye(len(logits), device=logits.device)
        others = not_negatives(clip_keys, caption_keys)
        if others is not None:
            target = target + others
        target = target / target.sum(1, keepdim=True)
        by_audio = F.cross_entropy(logits, target)
        by_text = F.cross_entropy(logits.T, target)
        return (by_audio + by_text) / 2
