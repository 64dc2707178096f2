"""Scores that the best checkpoint may be selected by."""

from __future__ import annotations

from collections.abc import Sequence

BEST_METRICS = tuple(
    f"{direction}_{score}"
    for direction in ("t2a", "a2t")
    for score in ("recall_at_1", "recall_at_5", "recall_at_10", "map_at_10")
)
"""Higher is better in each."""

LAST = "epoch"
"""Takes the place of a score where the last epoch's checkpoint is the one to keep."""


def check_best_metric(name: str, known: Sequence[str]) -> None:
    """Makes sure that a score can select the best checkpoint.

    Arguments
    ---------
    name : str
        Name of the score.
    known : sequence of str
        The scores that there are.

    Raises
    ------
    ValueError
        If it is none of them.

    Example
    -------
    >>> check_best_metric("t2a_recall_at_1", BEST_METRICS)
    """
    if name not in known:
        raise ValueError(
            f"best_metric {name!r} is not among the scores where higher is better: "
            f"{', '.join(known)}"
        )
