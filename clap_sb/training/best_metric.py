"""Scores that the best checkpoint may be selected by."""

from __future__ import annotations

BEST_METRICS = tuple(
    f"{direction}_{score}"
    for direction in ("t2a", "a2t")
    for score in ("recall_at_1", "recall_at_5", "recall_at_10", "map_at_10")
)
"""Higher is better in each."""


def check_best_metric(name: str) -> None:
    """Makes sure that a score can select the best checkpoint.

    Arguments
    ---------
    name : str
        Name of the score.

    Raises
    ------
    ValueError
        If it is none of ``BEST_METRICS``.

    Example
    -------
    >>> check_best_metric("t2a_recall_at_1")
    """
    if name not in BEST_METRICS:
        raise ValueError(
            f"best_metric {name!r} is not among the scores where higher is better: "
            f"{', '.join(BEST_METRICS)}"
        )
