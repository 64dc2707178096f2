"""Clips with several labels each: mean average precision, and area under ROC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clap_sb.evaluation.similarity import TIE_TOLERANCE, check_embeddings, similarity

# Draws of clips held at once: 2**21 of them, with what is derived, are 100 MB.
_CHUNK_ELEMENTS = 2**21


@dataclass(frozen=True, eq=False)
class MultiLabel:
    """Similarities of clips and classes, and the scores they give.

    Each class ranks all clips. Its average precision and its area under the ROC curve
    treat clips of equal similarity as one step, as scikit-learn does; means are over
    the classes that have clips with and without the label.

    Arguments
    ---------
    labels : tuple of str
        The classes.
    relevant : torch.Tensor
        Whether a clip has a label ``[num_clips, num_classes]``, bool, on CPU.
    similarities : torch.Tensor
        ``[num_clips, num_classes]``, on CPU.

    Raises
    ------
    ValueError
        If no class has clips with and without the label.

    Example
    -------
    >>> relevant = torch.tensor([[1, 0], [1, 1], [0, 1]]).bool()
    >>> close = torch.tensor([[0.9, 0.1], [0.5, 0.2], [0.7, 0.3]])
    >>> outcome = MultiLabel(("dog", "rain"), relevant, close)
    >>> round(outcome.scores()["map"], 2), outcome.scores()["roc_auc"]
    (91.67, 75.0)
    """

    labels: tuple[str, ...]
    relevant: Tensor
    similarities: Tensor

    def __post_init__(self):
        _check_scorable(self.relevant)

    def scores(self) -> dict[str, float]:
        """Means over the classes, in percent.

        Returns
        -------
        dict
            ``map``, ``roc_auc``, ``num_clips``, ``num_classes``, and
            ``num_scored_classes``: those with clips with and without the label.
        """
        precision, area = self._by_class()
        return {
            "map": 100 * precision.nanmean().item(),
            "roc_auc": 100 * area.nanmean().item(),
            "num_clips": len(self.relevant),
            "num_classes": len(self.labels),
            "num_scored_classes": int((~precision.isnan()).sum()),
        }

    def per_class(self) -> list[dict[str, object]]:
        """One row for each class, in the order of the labels.

        Returns
        -------
        list of dict
            ``label``, ``num_clips``, ``average_precision`` and ``roc_auc`` in percent;
            None for a class that is not scored.
        """
        precision, area = (values.tolist() for values in self._by_class())
        counts = self.relevant.sum(0).tolist()
        return [
            {
                "label": label,
                "num_clips": counts[index],
                "average_precision": _percent(precision[index]),
                "roc_auc": _percent(area[index]),
            }
            for index, label in enumerate(self.labels)
        ]

    def intervals(
        self, seed: int, num_resamples: int = 1000
    ) -> dict[str, tuple[float, float]]:
        """Percentile bootstrap 95 % intervals over clips, in percent.

        A draw counts with the classes that it has clips with and without the label of;
        one without any such class does not count.

        Arguments
        ---------
        seed : int
            Seed of the resampling of clips.
        num_resamples : int
            Number of resamples.

        Returns
        -------
        dict
            ``(low, high)`` under ``map`` and ``roc_auc``.
        """
        count = len(self.relevant)
        generator = torch.Generator().manual_seed(seed)
        size = max(1, _CHUNK_ELEMENTS // count)
        means: dict[str, list[Tensor]] = {"map": [], "roc_auc": []}
        for start in range(0, num_resamples, size):
            shape = (min(size, num_resamples - start), count)
            drawn = torch.randint(count, shape, generator=generator)
            weights = torch.zeros(shape, dtype=torch.float64)
            weights.scatter_add_(1, drawn, torch.ones_like(weights))
            parts = [self._of_class(index, weights) for index in self._scored()]
            for name, values in zip(means, zip(*parts, strict=True), strict=True):
                means[name].append(torch.stack(values).nanmean(0))
        ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
        return {
            name: tuple(
                100 * end for end in torch.cat(values).nanquantile(ends).tolist()
            )
            for name, values in means.items()
        }

    def _scored(self) -> list[int]:
        """Classes with clips with and without the label."""
        return _can_be_scored(self.relevant).nonzero().flatten().tolist()

    def _by_class(self) -> tuple[Tensor, Tensor]:
        """Average precision and area of each class, NaN where it is not scored."""
        weights = torch.ones(1, len(self.relevant), dtype=torch.float64)
        values = torch.full((2, len(self.labels)), torch.nan, dtype=torch.float64)
        for index in self._scored():
            precision, area = self._of_class(index, weights)
            values[:, index] = torch.cat([precision, area])
        return values[0], values[1]

    def _of_class(self, index: int, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Average precision and area ``[draws]``, each clip counted so many times.

        ``weights`` is ``[draws, num_clips]``; NaN for draws of one kind of clip only.
        """
        # rounding must not decide an order
        score = (self.similarities[:, index].double() / TIE_TOLERANCE).round()
        order = score.argsort(descending=True, stable=True)
        has_label = self.relevant[order, index].double()
        _, step, sizes = score[order].unique_consecutive(
            return_inverse=True, return_counts=True
        )
        end = (sizes.cumsum(0) - 1)[step]  # the last clip of the same similarity
        weights = weights[:, order]
        positive = weights * has_label
        found = positive.cumsum(1)
        passed = (weights - positive).cumsum(1)
        total, negatives = found[:, -1], passed[:, -1]
        precision = found[:, end] / (found + passed)[:, end].clamp(min=1)
        # of a clip with the label: clips without it that come later, ties by half
        begin = (end - sizes[step]).clamp(min=0)
        before = torch.where(end >= sizes[step], passed[:, begin], 0.0)
        later = negatives[:, None] - (before + passed[:, end]) / 2
        average = (positive * precision).sum(1) / total
        area = (positive * later).sum(1) / (total * negatives)
        return torch.where(negatives > 0, average, torch.nan), area


def _percent(value: float) -> float | None:
    return None if value != value else 100 * value


@torch.no_grad()
def multi_label(
    audio: Tensor,
    class_text: Tensor,
    labels_of_clips: Sequence[Sequence[str]],
    labels: Sequence[str],
) -> MultiLabel:
    """Compares clips with classes of which each clip may have several.

    Arguments
    ---------
    audio : torch.Tensor
        Unit-norm embeddings of the clips ``[num_clips, dim]``.
    class_text : torch.Tensor
        Unit-norm embeddings of the classes ``[num_classes, dim]``.
    labels_of_clips : sequence of sequence of str
        Labels of each clip.
    labels : sequence of str
        Names of the classes, all different.

    Returns
    -------
    MultiLabel

    Raises
    ------
    ValueError
        If embeddings are not finite or not of unit norm, counts do not fit, a label is
        no class, or no class has clips with and without it.

    Example
    -------
    >>> outcome = multi_label(
    ...     torch.eye(2), torch.eye(2), [["dog"], ["rain"]], ["dog", "rain"]
    ... )
    >>> outcome.scores()["map"]
    100.0
    """
    check_embeddings(audio=audio, class_text=class_text)
    if len(labels_of_clips) != len(audio) or len(set(labels)) != len(class_text):
        raise ValueError(
            f"there are {len(audio)} clips and {len(class_text)} class embeddings, but "
            f"labels of {len(labels_of_clips)} clips and {len(set(labels))} classes"
        )
    relevant = relevance(labels_of_clips, labels)
    return MultiLabel(tuple(labels), relevant, similarity(audio, class_text).cpu())


def relevance(
    labels_of_clips: Sequence[Sequence[str]], labels: Sequence[str]
) -> Tensor:
    """Which clip has which label; with it, there is something to rank.

    Arguments
    ---------
    labels_of_clips : sequence of sequence of str
        Labels of each clip.
    labels : sequence of str
        Names of the classes, all different.

    Returns
    -------
    torch.Tensor
        ``[num_clips, num_classes]``, bool.

    Raises
    ------
    ValueError
        If a label is no class, or no class has clips with and without it.

    Example
    -------
    >>> relevance([["dog"], []], ["dog", "rain"]).tolist()
    [[True, False], [False, False]]
    """
    place = {label: index for index, label in enumerate(labels)}
    relevant = torch.zeros(len(labels_of_clips), len(labels), dtype=torch.bool)
    for row, names in zip(relevant, labels_of_clips, strict=True):
        unknown = [name for name in names if name not in place]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of the {len(labels)} classes")
        row[[place[name] for name in names]] = True
    _check_scorable(relevant)
    return relevant


def _check_scorable(relevant: Tensor) -> None:
    if not _can_be_scored(relevant).any():
        clips, classes = relevant.shape
        raise ValueError(
            f"not one of the {classes} classes can be scored over {clips} clips: a "
            "class ranks the clips with its label among those without, and needs some "
            "of both"
        )


def _can_be_scored(relevant: Tensor) -> Tensor:
    """Which classes have clips with and without the label ``[num_classes]``."""
    counts = relevant.sum(0)
    return (counts > 0) & (counts < len(relevant))
