"""Zero-shot classification: the label whose prompt is closest to the clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clap_sb.evaluation.bootstrap import bootstrap_interval
from clap_sb.evaluation.similarity import TIE_TOLERANCE, check_embeddings, similarity

DEFAULT_PROMPT = "This is a sound of {label}."

_TOP = 5


def prompt(
    label: str, template: str = DEFAULT_PROMPT, keep_underscores: bool = False
) -> str:
    """Text that stands for a label.

    Arguments
    ---------
    label : str
        Label as the data set has it; underscores become spaces.
    template : str
        Text with ``{label}`` where the label goes. Other braces, in it or in the
        label, stay as they are.
    keep_underscores : bool
        Whether underscores stay after all.

    Returns
    -------
    str
        The prompt.

    Raises
    ------
    ValueError
        If the template has no ``{label}``.

    Example
    -------
    >>> prompt("sea_waves")
    'This is a sound of sea waves.'
    """
    if "{label}" not in template:
        raise ValueError(
            f"prompt template {template!r} has no {{label}}; write it where the label "
            f"goes, as in {DEFAULT_PROMPT!r}"
        )
    text = label if keep_underscores else label.replace("_", " ")
    return template.replace("{label}", text)


@dataclass(frozen=True, eq=False)
class ZeroShot:
    """Outcome of a zero-shot classification, and the scores it gives.

    Arguments
    ---------
    labels : tuple of str
        The classes.
    targets : torch.Tensor
        Right class of each clip ``[num_clips]``, on CPU.
    predictions : torch.Tensor
        Class given to each clip ``[num_clips]``, on CPU.
    ranks : torch.Tensor
        0-based rank of the right class for each clip ``[num_clips]``, on CPU.
    folds : torch.Tensor, optional
        Fold of each clip ``[num_clips]``, on CPU.

    Example
    -------
    >>> target, guess = torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0])
    >>> outcome = ZeroShot(("dog", "cat"), target, guess, torch.tensor([0, 0, 1]))
    >>> round(outcome.scores()["accuracy"], 1)
    66.7
    >>> outcome.confusion.tolist()
    [[1, 0], [1, 1]]
    """

    labels: tuple[str, ...]
    targets: Tensor
    predictions: Tensor
    ranks: Tensor
    folds: Tensor | None = None

    def scores(self) -> dict[str, float | dict[str, float]]:
        """Accuracies in percent, over all clips together and for each fold.

        Returns
        -------
        dict
            ``accuracy``, ``top_5_accuracy`` (100 with five classes or fewer),
            ``num_clips``, ``num_classes``, and with folds ``fold_accuracies``:
            accuracy by fold.
        """
        scores: dict[str, float | dict[str, float]] = {
            name: _percent(right) for name, right in self._right().items()
        }
        scores |= {"num_clips": len(self.targets), "num_classes": len(self.labels)}
        if self.folds is not None:
            scores["fold_accuracies"] = {
                str(fold): _percent(self.ranks[self.folds == fold] == 0)
                for fold in self.folds.unique().tolist()
            }
        return scores

    def intervals(
        self, seed: int, num_resamples: int = 1000
    ) -> dict[str, tuple[float, float]]:
        """Bootstrap 95 % intervals, in percent, of the accuracies over all clips.

        Arguments
        ---------
        seed : int
            Seed of the resampling of clips.
        num_resamples : int
            Number of resamples.

        Returns
        -------
        dict
            ``(low, high)`` under the names of ``scores``.
        """
        intervals = {}
        for name, right in self._right().items():
            low, high = bootstrap_interval(
                right.double(), torch.ones(len(right)), seed, num_resamples
            )
            intervals[name] = (100 * low, 100 * high)
        return intervals

    @property
    def confusion(self) -> Tensor:
        """Clips by right class (rows) and given class: ``[num_classes] * 2``."""
        return confusion(self.targets, self.predictions, len(self.labels))

    def per_class(self) -> list[dict[str, str | float | None]]:
        """One row for each class, in the order of the labels.

        Returns
        -------
        list of dict
            ``label``, ``num_clips``, ``recall`` and ``precision`` in percent (None
            for a class without clips, or never given), and
            ``most_confused_with``: the wrong class its clips were given most
            often, None if none was.
        """
        return [self._class_row(index) for index in range(len(self.labels))]

    def _class_row(self, index: int) -> dict[str, str | float | None]:
        """The row of one class."""
        is_class, is_given = self.targets == index, self.predictions == index
        wrong = self.predictions[is_class & ~is_given]
        mistaken = int(torch.bincount(wrong).argmax()) if len(wrong) else None
        return {
            "label": self.labels[index],
            "num_clips": int(is_class.sum()),
            "recall": _percent(is_given[is_class]) if is_class.any() else None,
            "precision": _percent(is_class[is_given]) if is_given.any() else None,
            "most_confused_with": None if mistaken is None else self.labels[mistaken],
        }

    def _right(self) -> dict[str, Tensor]:
        """For each accuracy, whether it counts a clip as right."""
        return {"accuracy": self.ranks == 0, "top_5_accuracy": self.ranks < _TOP}


@torch.no_grad()
def zero_shot(
    audio: Tensor,
    class_text: Tensor,
    targets: Tensor,
    labels: Sequence[str],
    folds: Tensor | None = None,
) -> ZeroShot:
    """Gives each clip the class with the most similar prompt.

    Similarities within 1e-6 of each other are ties, and a tie with the right class
    counts against the model: the clip is given the other class.

    Arguments
    ---------
    audio : torch.Tensor
        Unit-norm embeddings of the clips ``[num_clips, dim]``.
    class_text : torch.Tensor
        Unit-norm embeddings of the classes' prompts ``[num_classes, dim]``.
    targets : torch.Tensor
        Index of the right class of each clip ``[num_clips]``.
    labels : sequence of str
        Names of the classes, all different.
    folds : torch.Tensor, optional
        Fold of each clip ``[num_clips]``.

    Returns
    -------
    ZeroShot
        The outcome, with methods that give scores, intervals and tables.

    Raises
    ------
    ValueError
        If embeddings are not finite or not of unit norm, or if targets, labels or
        folds do not fit them.

    Example
    -------
    >>> outcome = zero_shot(
    ...     torch.eye(3), torch.eye(3), torch.tensor([0, 1, 1]), ["dog", "cat", "owl"]
    ... )
    >>> outcome.predictions.tolist()
    [0, 1, 2]
    """
    check_embeddings(audio=audio, class_text=class_text)
    _check_classes(targets, labels, folds, len(audio), len(class_text))
    target = targets.to(audio.device, torch.int64)[:, None]
    similarities = similarity(audio, class_text)
    threshold = similarities.gather(1, target) - TIE_TOLERANCE
    others = similarities.scatter(1, target, -torch.inf)
    ranks = (others >= threshold).sum(dim=1)
    predictions = torch.where(ranks == 0, target[:, 0], others.argmax(dim=1))
    return ZeroShot(
        labels=tuple(labels),
        targets=target[:, 0].cpu(),
        predictions=predictions.cpu(),
        ranks=ranks.cpu(),
        folds=None if folds is None else folds.cpu(),
    )


def confusion(targets: Tensor, predictions: Tensor, num_classes: int) -> Tensor:
    """Counts clips by the class they have and the one they were given.

    Arguments
    ---------
    targets : torch.Tensor
        Right classes, ``[clips]``.
    predictions : torch.Tensor
        Given classes, ``[clips]``.
    num_classes : int
        How many classes there are.

    Returns
    -------
    torch.Tensor
        ``[num_classes] * 2``, right ones by row.

    Example
    -------
    >>> confusion(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    cells = torch.bincount(
        targets * num_classes + predictions, minlength=num_classes**2
    )
    return cells.view(num_classes, num_classes)


def _percent(right: Tensor) -> float:
    """Share of entries that are true, in percent."""
    return 100 * right.double().mean().item()


def _check_classes(
    targets: Tensor,
    labels: Sequence[str],
    folds: Tensor | None,
    num_clips: int,
    num_classes: int,
) -> None:
    """Raises unless targets, labels and folds fit the embeddings."""
    if len(labels) != num_classes or len(set(labels)) != num_classes:
        raise ValueError(
            f"there are {num_classes} class embeddings, but {len(labels)} labels, "
            f"{len(set(labels))} of them different; give one label a class, each once"
        )
    for name, values in {"targets": targets, "folds": folds}.items():
        if values is None:
            continue
        if values.is_floating_point() or values.shape != (num_clips,):
            raise ValueError(
                f"{name}: expected {num_clips} integers, one a clip, got "
                f"{values.dtype} of shape {tuple(values.shape)}"
            )
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"targets: indices go from {low} to {high}, but there are {num_classes} "
            f"classes (0 to {num_classes - 1})"
        )
