"""Epochs are counted and stopped alike with and without an interruption."""

from __future__ import annotations

import pytest
from speechbrain.utils.checkpoints import Checkpointer

from clap_sb.training.epochs import PatientEpochCounter

SCORES = [10.0, 20.0, 20.0, 15.0, 30.0, 5.0, 5.0, 5.0, 5.0]


def count(counter: PatientEpochCounter, stop_after: int = 99) -> list[int]:
    seen = []
    for epoch in counter:
        seen.append(epoch)
        counter.update_metric(SCORES[epoch - 1])
        if epoch == stop_after:
            break
    return seen


@pytest.mark.parametrize(
    ("patience", "min_epochs", "last"),
    [
        (1, 0, 3),  # an equal score is no better one
        (2, 0, 4),
        (3, 0, 8),
        (1, 4, 6),  # counted from the fourth epoch, and then from the best
        (9, 0, 9),
    ],
)
def test_it_stops_after_so_many_epochs_without_a_better_score(
    patience, min_epochs, last
):
    counter = PatientEpochCounter(9, patience, min_epochs)
    assert count(counter) == list(range(1, last + 1))
    assert count(counter) == []


@pytest.mark.parametrize(
    ("epoch", "end_of_epoch"),
    [(1, True), (2, True), (3, True), (4, True), (1, False), (2, False), (3, False)],
)
def test_a_resumed_count_stops_where_the_other_would(epoch, end_of_epoch, tmp_path):
    counter = PatientEpochCounter(9, patience=2)
    count(counter, stop_after=epoch)
    if not end_of_epoch:
        next(counter)  # saved in the course of the next one
    Checkpointer(tmp_path, {"counter": counter}).save_checkpoint(
        end_of_epoch=end_of_epoch
    )
    resumed = PatientEpochCounter(9, patience=2)
    Checkpointer(tmp_path, {"counter": resumed}).recover_if_possible()
    assert count(resumed) == list(range(epoch + 1, 5))


def test_no_patience_at_all_is_an_error():
    with pytest.raises(ValueError, match="at least one epoch"):
        PatientEpochCounter(9, patience=0)
