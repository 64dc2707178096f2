"""A linear probe: logistic regression on frozen embeddings, fold by fold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

L2_VALUES = (1.0, 0.1, 0.01, 0.001, 0.0001)

# The loss is convex: this is where an optimum in float64 is found, not a budget.
_MOST_ITERATIONS = 500
_GRADIENT_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """What a linear probe reached on each held-out fold.

    Arguments
    ---------
    fold_accuracies : dict of int to float
        Accuracy on each fold, in percent, by a probe of the others.
    fold_l2 : dict of int to float
        Penalty that was chosen for each of these probes.
    predictions : torch.Tensor
        Class given to each clip while its fold was held out ``[num_clips]``, on CPU.

    Example
    -------
    >>> result = ProbeResult({1: 80.0, 2: 90.0}, {1: 0.1, 2: 0.1}, torch.zeros(4))
    >>> result.mean, round(result.std, 2)
    (85.0, 7.07)
    """

    fold_accuracies: dict[int, float]
    fold_l2: dict[int, float]
    predictions: Tensor

    @property
    def mean(self) -> float:
        """Mean of the folds' accuracies, in percent."""
        return sum(self.fold_accuracies.values()) / len(self.fold_accuracies)

    @property
    def std(self) -> float:
        """Sample standard deviation of the folds' accuracies, in percent."""
        squares = [(value - self.mean) ** 2 for value in self.fold_accuracies.values()]
        return math.sqrt(sum(squares) / (len(squares) - 1))


def linear_probe(
    embedding: Tensor,
    labels: Tensor,
    folds: Tensor,
    num_classes: int,
    l2: Sequence[float] = L2_VALUES,
) -> ProbeResult:
    """Holds out each fold in turn, and fits a probe on the others.

    The probe is multinomial logistic regression on embeddings that are standardised
    with the mean and deviation of its training folds. Its penalty is chosen on the
    training folds alone: the value that is best when each of them is held out in
    turn, the strongest of equal ones. Nothing is random.

    Arguments
    ---------
    embedding : torch.Tensor
        Embeddings of the clips ``[num_clips, dim]``.
    labels : torch.Tensor
        Class of each clip ``[num_clips]``, from 0.
    folds : torch.Tensor
        Fold of each clip ``[num_clips]``; at least three folds, or two with a single
        value of ``l2``.
    num_classes : int
        Number of classes.
    l2 : sequence of float
        Penalties to choose from; a single one is taken as it is.

    Returns
    -------
    ProbeResult

    Raises
    ------
    ValueError
        If the arguments do not fit each other, or there are too few folds.

    Example
    -------
    >>> labels = torch.arange(12) % 2
    >>> embedding = torch.nn.functional.one_hot(labels).float()
    >>> linear_probe(embedding, labels, torch.arange(12) // 4, 2).mean
    100.0
    """
    _check(embedding, labels, folds, num_classes, l2)
    probes = _Probes(embedding, labels, folds, num_classes)
    names = folds.unique().tolist()
    accuracies, chosen = {}, {}
    predictions = torch.zeros_like(labels)
    for name in names:
        chosen[name] = probes.best_penalty(name, names, sorted(l2, reverse=True))
        held = folds == name
        predictions[held] = probes.predict(held, held, chosen[name])
        right = (predictions[held] == labels[held]).double()
        accuracies[name] = 100 * right.mean().item()
    return ProbeResult(accuracies, chosen, predictions.cpu())


class _Probes:
    """Fits probes on parts of a set; those of the inner folds are shared."""

    def __init__(self, embedding: Tensor, labels: Tensor, folds: Tensor, num: int):
        self.embedding = embedding.double()
        self.labels = labels
        self.folds = folds
        self.num_classes = num
        self._right: dict[tuple[frozenset[int], float], dict[int, int]] = {}

    def best_penalty(
        self, test: int, names: Sequence[int], candidates: Sequence[float]
    ) -> float:
        """The penalty under which the folds but one predict each other best."""
        if len(candidates) == 1:
            return candidates[0]
        right = {
            l2: sum(self._num_right(test, name, l2) for name in names if name != test)
            for l2 in candidates
        }
        return max(right, key=right.get)

    def _num_right(self, test: int, valid: int, l2: float) -> int:
        """Clips of a fold that are right when it and another one are held out."""
        # the same probe also serves with the two folds' parts exchanged
        key = frozenset((test, valid)), l2
        if key not in self._right:
            held = (self.folds == test) | (self.folds == valid)
            right = self.predict(held, held, l2) == self.labels[held]
            self._right[key] = {
                name: int(right[self.folds[held] == name].sum()) for name in key[0]
            }
        return self._right[key][valid]

    def predict(self, held_out: Tensor, asked: Tensor, l2: float) -> Tensor:
        """Classes of the clips asked for, by a probe of those not held out."""
        training = self.embedding[~held_out]
        mean = training.mean(0)
        deviation = training.std(0, correction=0)
        # a dimension that says nothing must not become noise
        scale = torch.where(deviation > 1e-12, deviation, torch.inf)
        weight, bias = fit_logistic_regression(
            (training - mean) / scale, self.labels[~held_out], self.num_classes, l2
        )
        standardised = (self.embedding[asked] - mean) / scale
        return (standardised @ weight.T + bias).argmax(1)


@torch.enable_grad()
def fit_logistic_regression(
    features: Tensor, labels: Tensor, num_classes: int, l2: float
) -> tuple[Tensor, Tensor]:
    """Fits multinomial logistic regression with L-BFGS, from zero.

    It minimises the mean cross-entropy plus ``l2 / 2`` times the sum of the squared
    weights; the bias is free.

    Arguments
    ---------
    features : torch.Tensor
        ``[num_clips, dim]``, float64.
    labels : torch.Tensor
        ``[num_clips]``.
    num_classes : int
        Number of classes.
    l2 : float
        Penalty, positive.

    Returns
    -------
    weight : torch.Tensor
        ``[num_classes, dim]``.
    bias : torch.Tensor
        ``[num_classes]``.

    Example
    -------
    >>> features = torch.tensor([[-1.0], [1.0]]).double()
    >>> weight, bias = fit_logistic_regression(features, torch.tensor([0, 1]), 2, 0.1)
    >>> bool(weight[1] > 0 > weight[0]), bias.abs().max().item() < 1e-6
    (True, True)
    """
    weight = features.new_zeros(num_classes, features.shape[1], requires_grad=True)
    bias = features.new_zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_MOST_ITERATIONS,
        tolerance_grad=_GRADIENT_TOLERANCE,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = features @ weight.T + bias
        value = torch.nn.functional.cross_entropy(logits, labels)
        value = value + l2 / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weight.detach(), bias.detach()


def _check(
    embedding: Tensor,
    labels: Tensor,
    folds: Tensor,
    num_classes: int,
    l2: Sequence[float],
) -> None:
    if embedding.ndim != 2 or not embedding.isfinite().all():
        raise ValueError(
            "embedding: expected finite numbers [num_clips, dim], got shape "
            f"{tuple(embedding.shape)}"
        )
    for name, values in {"labels": labels, "folds": folds}.items():
        if values.is_floating_point() or values.shape != (len(embedding),):
            raise ValueError(
                f"{name}: expected {len(embedding)} integers, one a clip, got "
                f"{values.dtype} of shape {tuple(values.shape)}"
            )
    if not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ValueError(f"labels: must be from 0 to {num_classes - 1}")
    if not l2 or min(l2) <= 0:
        raise ValueError(f"l2: expected positive penalties, got {list(l2)}")
    num_folds, needed = len(folds.unique()), 2 if len(l2) == 1 else 3
    if num_folds < needed:
        raise ValueError(
            f"folds: {num_folds} are too few, the probe needs {needed} of them: one to "
            "test on, the others to fit and to choose the penalty (give one l2 value "
            "to choose none)"
        )
