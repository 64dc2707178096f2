"""Counts epochs, keeps the best by a score, and stops where they no longer help."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.epoch_loop import EpochCounter

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


@register_checkpoint_hooks
class PatientEpochCounter(EpochCounter):
    """An epoch counter that stops after some epochs without a better score.

    SpeechBrain's own (``EpochCounterWithStopper``, 1.1.2) takes an equal score for a
    better one, and forgets the best score when a run is resumed.

    Arguments
    ---------
    limit : int
        Epochs at most.
    patience : int
        Epochs without a better score before training stops; at least 1.
    min_epochs : int
        Epochs that patience is not counted in.

    Raises
    ------
    ValueError
        If patience is less than 1.

    Example
    -------
    >>> counter, seen = PatientEpochCounter(9, patience=2), []
    >>> for epoch in counter:
    ...     seen.append(epoch)
    ...     counter.update_metric([10.0, 20.0, 20.0, 15.0, 30.0][epoch - 1])
    >>> seen
    [1, 2, 3, 4]
    """

    def __init__(self, limit: int, patience: int, min_epochs: int = 0):
        super().__init__(limit)
        if patience < 1:
            raise ValueError(f"patience is {patience}; it must be at least one epoch")
        self.patience = patience
        self.min_epochs = min_epochs
        self.best_epoch = 0
        self.best_score = -math.inf

    def __next__(self) -> int:
        """The next epoch, from 1."""
        counted_from = max(self.best_epoch, self.min_epochs)
        if self.current - counted_from >= self.patience:
            raise StopIteration
        return super().__next__()

    def update_metric(self, score: float) -> None:
        """Takes the score of the epoch that has ended; higher is better.

        Arguments
        ---------
        score : float
            Score.
        """
        if score > self.best_score:
            self.best_score, self.best_epoch = score, self.current

    @mark_as_saver
    def _save(self, path: str | Path) -> None:
        state = (self.current, self.best_epoch, self.best_score)
        Path(path).write_text(json.dumps(state), encoding="utf-8")

    @mark_as_loader
    def _recover(self, path: str | Path, end_of_epoch: bool) -> None:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
        self.current, self.best_epoch, self.best_score = state
        if not end_of_epoch:  # this epoch is to be gone on with
            self.current -= 1
