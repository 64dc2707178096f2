"""Mean average precision and area under ROC against naive ones, ties included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clap_sb.evaluation.multi_label import MultiLabel, multi_label


def naive_average_precision(scores, relevant):
    """Precision at each threshold, times what recall gains there."""
    total, gained, before = sum(relevant), 0.0, 0
    for threshold in sorted(set(scores), reverse=True):
        above = [r for s, r in zip(scores, relevant, strict=True) if s >= threshold]
        gained += sum(above) / len(above) * (sum(above) - before) / total
        before = sum(above)
    return gained


def naive_area(scores, relevant):
    """Share of pairs in the right order, ties by half."""
    pairs = [
        (s > other) + 0.5 * (s == other)
        for s, r in zip(scores, relevant, strict=True)
        for other, q in zip(scores, relevant, strict=True)
        if r and not q
    ]
    return sum(pairs) / len(pairs)


def naive(outcome: MultiLabel):
    precision, area = [], []
    for scores, relevant in zip(
        outcome.similarities.T.tolist(), outcome.relevant.T.tolist(), strict=True
    ):
        if any(relevant) and not all(relevant):
            precision.append(naive_average_precision(scores, relevant))
            area.append(naive_area(scores, relevant))
    return sum(precision) / len(precision), sum(area) / len(area), len(area)


def random_outcome(num_clips, num_classes, steps, seed=0) -> MultiLabel:
    generator = torch.Generator().manual_seed(seed)
    similarities = torch.rand(num_clips, num_classes, generator=generator)
    if steps:
        similarities = (similarities * steps).round() / steps
    relevant = torch.rand(num_clips, num_classes, generator=generator) < 0.3
    labels = tuple(f"class {index}" for index in range(num_classes))
    return MultiLabel(labels, relevant, similarities)


@pytest.mark.parametrize("steps", [None, 10, 3, 1])
@pytest.mark.parametrize("size", [(5, 3), (30, 8), (61, 20)], ids=str)
def test_scores_are_the_naive_ones(size, steps):
    outcome = random_outcome(*size, steps, seed=size[0])
    precision, area, count = naive(outcome)
    scores = outcome.scores()
    assert scores["map"] == pytest.approx(100 * precision)
    assert scores["roc_auc"] == pytest.approx(100 * area)
    assert scores["num_scored_classes"] == count
    assert (scores["num_clips"], scores["num_classes"]) == size


def test_an_interval_is_that_of_resampled_sets():
    outcome = random_outcome(25, 4, steps=5, seed=1)
    generator = torch.Generator().manual_seed(11)
    drawn = torch.randint(25, (40, 25), generator=generator)
    resampled = [
        naive(MultiLabel(outcome.labels, outcome.relevant[d], outcome.similarities[d]))
        for d in drawn
    ]
    found = outcome.intervals(seed=11, num_resamples=40)
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    for place, name in enumerate(("map", "roc_auc")):
        values = torch.tensor([row[place] for row in resampled], dtype=torch.float64)
        assert found[name] == pytest.approx((100 * values.quantile(ends)).tolist())


def test_classes_without_clips_are_not_scored():
    outcome = random_outcome(20, 5, None)
    outcome.relevant[:, 1], outcome.relevant[:, 3] = False, True
    rows = outcome.per_class()
    assert outcome.scores()["num_scored_classes"] == 3
    assert [row["average_precision"] is None for row in rows] == [0, 1, 0, 1, 0]
    kept = [row["roc_auc"] for row in rows if row["roc_auc"] is not None]
    assert sum(kept) / 3 == pytest.approx(outcome.scores()["roc_auc"])
    low, high = outcome.intervals(seed=0, num_resamples=30)["map"]
    assert 0 < low < outcome.scores()["map"] < high < 100


def test_a_constant_answer_scores_chance():
    outcome = random_outcome(40, 3, None)
    flat = MultiLabel(outcome.labels, outcome.relevant, torch.zeros(40, 3))
    share = 100 * outcome.relevant.double().mean(0).mean().item()
    assert flat.scores()["map"] == pytest.approx(share)
    assert flat.scores()["roc_auc"] == pytest.approx(50.0)


def test_from_embeddings():
    generator = torch.Generator().manual_seed(2)
    audio = F.normalize(torch.randn(12, 6, generator=generator), dim=1)
    text = F.normalize(torch.randn(4, 6, generator=generator), dim=1)
    labels = ["a", "b", "c", "d"]
    given = [["a"], ["b", "c"], [], ["d", "a"]] * 3
    outcome = multi_label(audio, text, given, labels)
    expected = audio.double() @ text.double().T
    torch.testing.assert_close(outcome.similarities, expected)
    for row, names in zip(outcome.relevant.tolist(), given, strict=True):
        assert [x for x, has in zip(labels, row, strict=True) if has] == sorted(names)


@pytest.mark.parametrize(
    ("given", "labels", "message"),
    [
        ([["x"], []], ["a", "b"], "'x' is none of the 2 classes"),
        ([["a"]], ["a", "b"], "labels of 1 clips"),
        ([["a"], []], ["a", "a"], "1 classes"),
        ([["a"], ["a"]], ["a", "b"], "not one of the 2 classes can be scored over 2"),
    ],
)
def test_what_it_says_of_a_mistake(given, labels, message):
    with pytest.raises(ValueError, match=message):
        multi_label(torch.eye(2), torch.eye(2), given, labels)


def test_without_a_class_to_score_it_says_so():
    relevant = torch.tensor([[True, False], [True, False]])
    with pytest.raises(ValueError, match="needs some of both"):
        MultiLabel(("a", "b"), relevant, torch.zeros(2, 2)).intervals(seed=0)


def test_draws_of_one_kind_of_clip_do_not_count():
    """Half of the draws of two clips hold one of them twice: there is no score."""
    relevant = torch.tensor([[True], [False]])
    outcome = MultiLabel(("a",), relevant, torch.tensor([[0.9], [0.1]]))
    found = outcome.intervals(seed=0, num_resamples=50)
    assert found == {"map": (100.0, 100.0), "roc_auc": (100.0, 100.0)}
