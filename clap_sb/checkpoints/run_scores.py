"""What the reports of a run say of its best checkpoint, for the card of its export."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS_FOLDER = "results"


@dataclass(frozen=True)
class Score:
    """A score with its interval.

    Arguments
    ---------
    test : str
        What was tested on what.
    name : str
        Name of the score.
    value : float
        The score.
    low, high : float
        Its bootstrap interval, 95 %.
    clips : int
        Clips that it was measured on.
    """

    test: str
    name: str
    value: float
    low: float
    high: float
    clips: int


def scores_of(run: Path, checkpoint: str) -> list[Score]:
    """Reads the reports in the folder of a run.

    Arguments
    ---------
    run : Path
        A run's output folder.
    checkpoint : str
        Name of one of its checkpoints.

    Returns
    -------
    list of Score
        Those of this checkpoint that have an interval; reports on others, and what is
        no report, are passed by.
    """
    found: list[Score] = []
    for path in sorted((run / RESULTS_FOLDER).glob("*.json")):
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            if report["card"]["checkpoint"] == checkpoint:
                found += _scores(report)
        except (ValueError, TypeError, LookupError, RecursionError):
            continue  # a file of somebody else's: nothing that a card could tell
    return found


def _scores(report: dict[str, Any]) -> Iterator[Score]:
    test = " ".join(str(report["title"]).split()).replace("|", "/")
    clips = int(report["card"]["num_clips"])
    for name, interval in report["intervals"].items():
        value, low, high = (float(number) for number in (report[name], *interval))
        if name.isidentifier() and all(map(math.isfinite, (value, low, high))):
            yield Score(test, name, value, low, high, clips)
