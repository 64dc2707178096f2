"""What counts in a classification: the rules that published accuracies follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from clap_sb.evaluation.bootstrap import bootstrap_interval
from clap_sb.evaluation.zero_shot import ZeroShot

_DEPTHS = (1, 5, 10)
_MAP_DEPTH = 10
_TOP = 5

Parts = dict[str, tuple[Tensor, Tensor]]


def _pooled(outcome: ZeroShot) -> Parts:
    one = torch.ones(len(outcome.ranks), dtype=torch.float64)
    return {
        "accuracy": ((outcome.ranks == 0).double(), one),
        "top_5_accuracy": ((outcome.ranks < _TOP).double(), one),
    }


def _mean_of_folds(outcome: ZeroShot) -> Parts:
    if outcome.folds is None:
        return _pooled(outcome)
    # each fold weighs the same, however many clips it has
    _, fold, counts = outcome.folds.unique(return_inverse=True, return_counts=True)
    weight = 1.0 / counts[fold].double()
    return {
        name: (right * weight, weight) for name, (right, _) in _pooled(outcome).items()
    }


def _ranks(outcome: ZeroShot) -> Parts:
    pooled = _pooled(outcome)
    _, one = pooled["accuracy"]
    ranks = outcome.ranks
    gain = (ranks < _MAP_DEPTH) / (ranks + 1.0).double()
    recalls = {f"recall_at_{k}": ((ranks < k).double(), one) for k in _DEPTHS}
    return {"accuracy": pooled["accuracy"], **recalls, "map_at_10": (gain, one)}


CLASS_RULES: dict[str, Callable[[ZeroShot], Parts]] = {
    "pooled": _pooled,
    "mean of folds": _mean_of_folds,
    "ranks": _ranks,
}
"""``pooled``: all clips count the same. ``mean of folds``: all folds do (WavCaps),
where there are any. ``ranks``: those of the right class (LAION): recall, mAP@10."""


def class_scores(outcome: ZeroShot, rule: str = "pooled") -> dict[str, object]:
    """Scores by a rule.

    Arguments
    ---------
    outcome : ZeroShot
        The classes given.
    rule : str
        One of :data:`CLASS_RULES`.

    Returns
    -------
    dict
        ``accuracy`` and what else the rule gives, in percent; the mean and median of
        the 1-based ranks with ``ranks``; ``num_clips``, ``num_classes``, and with folds
        ``fold_accuracies``, ``fold_mean`` and ``fold_std`` (with at least two folds).

    Example
    -------
    >>> right, given = torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0])
    >>> ranks, folds = torch.tensor([0, 0, 1]), torch.tensor([1, 1, 2])
    >>> outcome = ZeroShot(("dog", "cat"), right, given, ranks, folds)
    >>> [round(class_scores(outcome, rule)["accuracy"]) for rule in CLASS_RULES]
    [67, 50, 67]
    """
    scores: dict[str, object] = {
        name: 100 * (numerator.sum() / denominator.sum()).item()
        for name, (numerator, denominator) in CLASS_RULES[rule](outcome).items()
    }
    if rule == "ranks":
        scores["mean_rank"] = outcome.ranks.double().mean().item() + 1
        middle = outcome.ranks.double().quantile(0.5).floor()
        scores["median_rank"] = int(middle) + 1
    usual = outcome.scores()
    kept = ("num_clips", "num_classes", "fold_accuracies")
    scores |= {name: usual[name] for name in kept if name in usual}
    return scores | _over_folds(usual.get("fold_accuracies", {}))


def _over_folds(accuracies: Mapping[str, float]) -> dict[str, float]:
    """Mean and sample deviation, where there are several folds."""
    if len(accuracies) < 2:
        return {}
    values = torch.tensor(list(accuracies.values()), dtype=torch.float64)
    return {"fold_mean": values.mean().item(), "fold_std": values.std().item()}


def class_intervals(
    outcome: ZeroShot, rule: str, seed: int, num_resamples: int = 1000
) -> dict[str, tuple[float, float]]:
    """Bootstrap 95 % intervals of the scores in percent.

    Arguments
    ---------
    outcome : ZeroShot
        The classes given.
    rule : str
        One of :data:`CLASS_RULES`.
    seed : int
        Seed of the resampling of clips.
    num_resamples : int
        Number of resamples.

    Returns
    -------
    dict
        ``(low, high)``, in percent, under the names of :func:`class_scores`.
    """
    intervals = {}
    for name, (numerator, denominator) in CLASS_RULES[rule](outcome).items():
        low, high = bootstrap_interval(numerator, denominator, seed, num_resamples)
        intervals[name] = (100 * low, 100 * high)
    return intervals
