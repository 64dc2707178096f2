"""Confidence intervals of scores, by resampling clips."""

from __future__ import annotations

import torch
from torch import Tensor

# Drawn indices held at once: 2**22 of them, with what they gather, are 100 MB.
_CHUNK_ELEMENTS = 2**22


def bootstrap_interval(
    numerator: Tensor,
    denominator: Tensor,
    seed: int,
    num_resamples: int = 1000,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a ratio of sums over clips.

    Clips are drawn with replacement, as many as there are, and the ratio
    ``sum(numerator) / sum(denominator)`` is taken of each draw. All that belongs
    to a clip stays together, so captions of one clip do not count as independent
    (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    The draws depend on ``seed`` and the number of clips only: scores over the same
    clips are resampled alike. The global random state is neither read nor changed.

    Arguments
    ---------
    numerator : torch.Tensor
        What each clip adds to the score ``[num_clips]``, e.g. its captions found.
    denominator : torch.Tensor
        What each clip counts ``[num_clips]``, positive, e.g. its captions.
    seed : int
        Seed of the draws.
    num_resamples : int
        Number of draws.
    level : float
        Share of the draws that the interval covers, between 0 and 1.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Raises
    ------
    ValueError
        If shapes, denominators, ``num_resamples`` or ``level`` are not as above.

    Example
    -------
    >>> right = torch.tensor([1.0, 0.0] * 50)
    >>> low, high = bootstrap_interval(right, torch.ones(100), seed=0)
    >>> 0.38 < low < 0.43 and 0.57 < high < 0.62
    True
    """
    _check(numerator, denominator, num_resamples, level)
    parts = torch.stack([numerator, denominator]).detach().double().cpu()
    num_clips = parts.shape[1]
    generator = torch.Generator().manual_seed(seed)
    ratios = []
    for chunk in _chunks(num_resamples, max(1, _CHUNK_ELEMENTS // num_clips)):
        drawn = torch.randint(num_clips, (chunk, num_clips), generator=generator)
        ratios.append(parts[0][drawn].sum(dim=1) / parts[1][drawn].sum(dim=1))
    tail = (1 - level) / 2
    ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
    low, high = torch.cat(ratios).quantile(ends).tolist()
    return low, high


def _chunks(total: int, size: int) -> list[int]:
    """Splits a total into pieces of a size, the last one smaller."""
    return [min(size, total - start) for start in range(0, total, size)]


def _check(
    numerator: Tensor, denominator: Tensor, num_resamples: int, level: float
) -> None:
    """Raises for what cannot be resampled."""
    if numerator.ndim != 1 or numerator.shape != denominator.shape:
        raise ValueError(
            "numerator and denominator need one entry for each clip, got shapes "
            f"{tuple(numerator.shape)} and {tuple(denominator.shape)}"
        )
    if len(numerator) == 0:
        raise ValueError("there is no clip to resample")
    if not (numerator.isfinite().all() and (denominator > 0).all()):
        raise ValueError("numerators must be finite and denominators positive")
    if num_resamples < 1 or not 0 < level < 1:
        raise ValueError(
            f"num_resamples={num_resamples} must be at least 1 and level={level} "
            "between 0 and 1"
        )
