"""A student's embeddings against its teacher's, one by one and among themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


class Distillation(nn.Module):
    """Distance from the teacher's embeddings, and from their similarities.

    ``mean(1 - cos(s_i, t_i)) + relation * mean((s_i s_j - t_i t_j)^2)``: the first term
    has each embedding where the teacher has it, the second has pairs as near to each
    other as they are to the teacher (Park et al., 1904.05068, with cosines for
    distances), which is what neighbours are found by.

    With ``prefixes``, the same of the first numbers of each embedding, scaled to unit
    norm, and the mean over all sizes (Kusupati et al., 2205.13147).

    Arguments
    ---------
    relation : float
        Weight of the second term.
    prefixes : sequence of int
        Sizes to be learnt besides the whole.

    Raises
    ------
    ValueError
        If the weight is negative, or a size is not above 0.

    Example
    -------
    >>> teacher = F.normalize(torch.randn(4, 8), dim=1)
    >>> Distillation(prefixes=[2, 4])(teacher, teacher).item() < 1e-6
    True
    """

    def __init__(self, relation: float = 1.0, prefixes: Sequence[int] = ()):
        super().__init__()
        if relation < 0 or any(size < 1 for size in prefixes):
            raise ValueError(
                "relation is 0 or more, and prefixes are above 0, not "
                f"{relation} and {list(prefixes)}"
            )
        self.relation = relation
        self.prefixes = tuple(prefixes)

    def forward(
        self,
        audio: torch.Tensor,
        text: torch.Tensor,
        logit_scale: nn.Module | None = None,
        clip_keys: torch.Tensor | None = None,
        caption_keys: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Computes the loss of a batch, gathered across ranks beforehand.

        Arguments
        ---------
        audio : torch.Tensor
            The student's embeddings, ``[batch, dim]``, unit norm.
        text : torch.Tensor
            The teacher's of the same sounds, in the place that captions have in other
            objectives.
        logit_scale, clip_keys, caption_keys : optional
            Not used: no sound is a negative of another.

        Returns
        -------
        torch.Tensor
            Scalar, float32.

        Raises
        ------
        ValueError
            If a prefix is longer than an embedding.
        """
        whole = audio.shape[1]
        if max(self.prefixes, default=0) > whole:
            raise ValueError(
                f"prefixes are of embeddings of {whole} numbers, not "
                f"{list(self.prefixes)}"
            )
        sizes = dict.fromkeys((*self.prefixes, whole))
        return torch.stack([self._loss(audio, text, size) for size in sizes]).mean()

    def _loss(
        self, student: torch.Tensor, teacher: torch.Tensor, size: int
    ) -> torch.Tensor:
        student, teacher = (
            F.normalize(part[:, :size], dim=1) for part in (student, teacher)
        )
        apart = (1.0 - (student * teacher).sum(1)).mean()
        relations = F.mse_loss(student @ student.T, teacher @ teacher.T)
        return apart + self.relation * relations
