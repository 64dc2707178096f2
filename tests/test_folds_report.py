"""Cross-validation: mean and deviation over the folds."""

from __future__ import annotations

import json
import math

import pytest
import torch

from clap_sb.data.manifest import Clip
from clap_sb.evaluation.embedding import Embedded
from clap_sb.evaluation.folds_report import FoldedClasses, report_folds
from clap_sb.evaluation.retrieval_report import Origin


def drawn(num_folds: int, num_clips: int = 90) -> FoldedClasses:
    targets = torch.randint(0, 4, (num_clips,))
    wrong = torch.rand(num_clips) < 0.4
    predictions = torch.where(wrong, (targets + 1) % 4, targets)
    folds = torch.arange(num_clips) % num_folds + 1
    return FoldedClasses(tuple("abcd"), targets, predictions, folds)


@pytest.mark.parametrize("num_folds", [2, 5, 7])
def test_mean_and_deviation_equal_the_definitions(num_folds):
    classes = drawn(num_folds)
    values = []
    for fold in range(1, num_folds + 1):
        rows = [i for i in range(90) if classes.folds[i] == fold]
        hits = [bool(classes.predictions[i] == classes.targets[i]) for i in rows]
        values.append(100 * sum(hits) / len(hits))
    mean = sum(values) / num_folds
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (num_folds - 1))
    assert list(classes.accuracies.values()) == pytest.approx(values)
    assert classes.mean == pytest.approx(mean)
    assert classes.deviation == pytest.approx(deviation)
    assert int(classes.confusion.sum()) == 90
    assert int(classes.confusion.trace()) == int(classes.right.sum())


def test_the_report_holds_each_fold_and_the_protocol(tmp_path):
    classes = drawn(5)
    clips = [Clip(f"{i}", f"/{i}.wav", 5.0) for i in range(90)]
    origin = Origin(
        "small", "ESC-50", "5 folds", "run", "the last epoch", "none", 1, 50
    )
    embedded = Embedded(clips, torch.zeros(90, 2))
    told = report_folds(tmp_path, "by prompt", classes, embedded, origin, prompt="x")
    written = json.loads((tmp_path / "results" / "folds.json").read_text())
    assert written["mean_accuracy"] == classes.mean
    assert written["deviation"] == classes.deviation
    assert list(written["fold_accuracies"]) == list("12345")
    low, high = written["intervals"]["accuracy"]
    assert low < written["accuracy"] < high
    assert written["card"]["prompt"] == "x"
    assert f"{classes.mean:6.2f} % +- {classes.deviation:.2f}" in told
    assert (tmp_path / "confusion.png").is_file()


@pytest.mark.parametrize(
    ("count", "named"),
    [(0, None), (2, "x0, x1"), (12, ", ".join(f"x{i}" for i in range(10)))],
)
def test_clips_that_could_not_be_read_are_counted_and_named(count, named):
    origin = Origin(
        "small", "ESC-50", "5 folds", "run", "the last epoch", "none", 1, 50
    )
    unreadable = {f"x{i}": "broken" for i in range(count)}
    clips = [Clip("a", "/a.wav", 5.0)]
    card = origin.card(Embedded(clips, torch.zeros(1, 2), unreadable=unreadable))
    assert card.num_unreadable == count
    more = " and 2 more" if count == 12 else ""
    told = f"{count} clips could not be used and are left out: {named}{more}"
    assert card.notes == ((told,) if named else ())
