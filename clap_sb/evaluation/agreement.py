"""How far one model agrees with another about the same sounds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clap_sb.evaluation.bootstrap import bootstrap_interval
from clap_sb.evaluation.similarity import check_embeddings

NEAREST = 10


@dataclass(frozen=True, eq=False)
class Agreement:
    """What each sound, or each sentence, adds to the scores.

    Arguments
    ---------
    cosine : torch.Tensor
        ``[clips]``, of the two embeddings of each sound.
    neighbours : torch.Tensor
        ``[clips]``, share of the sounds nearest to it by one model that are so by the
        other.
    by_text : torch.Tensor or None
        ``[sentences]``, the same of the sounds nearest to each sentence.
    nearest : int
        How many sounds were taken for the nearest.
    """

    cosine: Tensor
    neighbours: Tensor
    by_text: Tensor | None
    nearest: int

    def scores(self) -> dict[str, float]:
        """Means: ``cosine`` from -1 to 1, the others in percent.

        Returns
        -------
        dict
            ``cosine``, ``neighbours`` and, with sentences, ``by_text``.
        """
        scores = {
            "cosine": self.cosine.double().mean().item(),
            "neighbours": 100 * self.neighbours.double().mean().item(),
        }
        if self.by_text is not None:
            scores["by_text"] = 100 * self.by_text.double().mean().item()
        return scores

    def intervals(
        self, seed: int, num_resamples: int = 1000
    ) -> dict[str, tuple[float, float]]:
        """95 % intervals: over sounds, and of ``by_text`` over sentences.

        Arguments
        ---------
        seed : int
            Seed of the draws.
        num_resamples : int
            Number of draws.

        Returns
        -------
        dict
            ``(low, high)`` by score.
        """
        found = {}
        for name, scale in (("cosine", 1), ("neighbours", 100), ("by_text", 100)):
            if getattr(self, name) is None:
                continue
            each = getattr(self, name).double()
            ends = bootstrap_interval(each, torch.ones_like(each), seed, num_resamples)
            found[name] = (scale * ends[0], scale * ends[1])
        return found


def agreement(
    student: Tensor,
    teacher: Tensor,
    student_text: Tensor | None = None,
    teacher_text: Tensor | None = None,
    nearest: int = NEAREST,
) -> Agreement:
    """Compares what two models of one joint space make of the same sounds.

    Arguments
    ---------
    student : torch.Tensor
        ``[clips, dim]``, unit norm.
    teacher : torch.Tensor
        The same, of the same sounds.
    student_text, teacher_text : torch.Tensor, optional
        ``[sentences, dim]``, unit norm: each model's of the same sentences.
    nearest : int
        How many sounds are taken for the nearest; at most those that there are.

    Returns
    -------
    Agreement

    Raises
    ------
    ValueError
        If the embeddings are not as above, or there are fewer than two sounds.

    Example
    -------
    >>> one = torch.eye(3)
    >>> agreement(one, one, one, one, nearest=1).scores()
    {'cosine': 1.0, 'neighbours': 100.0, 'by_text': 100.0}
    """
    check_embeddings(student=student, teacher=teacher)
    if len(student) != len(teacher) or len(student) < 2:
        raise ValueError(
            f"{len(student)} and {len(teacher)} sounds cannot be compared: give the "
            "same sounds to both, two at least"
        )
    by_text = None
    if student_text is not None:
        check_embeddings(student=student, student_text=student_text)
        check_embeddings(teacher=teacher, teacher_text=teacher_text)
        by_text = shared_nearest(student, teacher, student_text, teacher_text, nearest)
    return Agreement(
        cosine=(student * teacher).sum(1),
        neighbours=shared_nearest(student, teacher, nearest=nearest),
        by_text=by_text,
        nearest=min(nearest, len(student) - 1),
    )


def shared_nearest(
    one: Tensor,
    other: Tensor,
    one_query: Tensor | None = None,
    other_query: Tensor | None = None,
    nearest: int = NEAREST,
) -> Tensor:
    """Share of the sounds nearest to each query that two models have in common.

    Arguments
    ---------
    one, other : torch.Tensor
        ``[clips, dim]`` and ``[clips, any dim]``, unit norm: the same sounds.
    one_query, other_query : torch.Tensor, optional
        ``[queries, dim]`` of each model; the sounds themselves unless given, and then
        none is its own neighbour.
    nearest : int
        How many are the nearest; at most one less than there are sounds.

    Returns
    -------
    torch.Tensor
        ``[queries]``, from 0 to 1.

    Example
    -------
    >>> sounds = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> shared_nearest(sounds, sounds.flip(1), nearest=1)
    tensor([1., 1., 1.])
    """
    most, chosen = min(nearest, len(one) - 1), []
    for rows, query in ((one, one_query), (other, other_query)):
        similarity = (rows if query is None else query) @ rows.T
        if query is None:
            similarity = similarity - 2.0 * torch.eye(len(rows))
        highest = similarity.topk(most, dim=1).indices
        chosen.append(torch.zeros_like(similarity).scatter_(1, highest, 1.0))
    return (chosen[0] * chosen[1]).sum(1) / most
