"""Zero-shot classification against its slow twin, and the prompts."""

from __future__ import annotations

import naive
import pytest
import torch
from torch.nn.functional import normalize

from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT, prompt, zero_shot


def make(num_clips: int, num_classes: int, case: str):
    """Random clips near the prompt of their class; and ties where asked for."""
    generator = torch.Generator().manual_seed(num_clips)
    text = torch.randn(num_classes, 8, generator=generator)
    if case == "ties":
        text[: num_classes // 2] = text[0]
    if case == "constant":
        text = torch.ones_like(text)
    targets = torch.randint(num_classes, (num_clips,), generator=generator)
    noise = torch.randn(num_clips, 8, generator=generator)
    audio = normalize(text[targets] + noise, dim=1)
    labels = [f"class_{index}" for index in range(num_classes)]
    return audio, normalize(text, dim=1), targets, labels


@pytest.mark.parametrize("case", ["spread", "ties", "constant"])
@pytest.mark.parametrize(("num_clips", "num_classes"), [(1, 2), (30, 4), (80, 12)])
def test_equals_naive(num_clips, num_classes, case):
    audio, text, targets, labels = make(num_clips, num_classes, case)
    result = zero_shot(audio, text, targets, labels)
    ranks, given = naive.zero_shot(audio, text, targets)
    assert result.ranks.tolist() == ranks
    right = [guess == target for guess, target in zip(given, targets, strict=True)]
    assert (result.predictions == targets).tolist() == right
    assert result.scores() == {
        "accuracy": pytest.approx(100 * naive.mean(right)),
        "top_5_accuracy": pytest.approx(100 * naive.mean([r < 5 for r in ranks])),
        "num_clips": num_clips,
        "num_classes": num_classes,
    }
    if case == "spread":
        assert result.predictions.tolist() == given


def test_constant_prompts_are_always_wrong():
    result = zero_shot(*make(30, 4, "constant"))
    assert result.scores()["accuracy"] == 0
    assert result.confusion.diagonal().sum() == 0


def test_confusion_and_per_class_agree_with_the_clips():
    audio, text, targets, labels = make(200, 6, "spread")
    result = zero_shot(audio, text, targets, labels)
    confusion = result.confusion
    for row in range(6):
        for column in range(6):
            both = (targets == row) & (result.predictions == column)
            assert confusion[row, column] == both.sum()
    assert confusion.trace() / 2 == pytest.approx(result.scores()["accuracy"])
    for index, row in enumerate(result.per_class()):
        hits = confusion[index, index].item()
        assert row["label"] == labels[index]
        assert row["num_clips"] == confusion[index].sum()
        assert row["recall"] == pytest.approx(100 * hits / confusion[index].sum())
        assert row["precision"] == pytest.approx(100 * hits / confusion[:, index].sum())
        wrong = confusion[index].clone()
        wrong[index] = 0
        mistaken = labels[wrong.argmax()] if wrong.any() else None
        assert row["most_confused_with"] == mistaken


def test_classes_without_clips_or_predictions_have_no_share():
    clips = torch.eye(3)[[0, 0]]
    row = zero_shot(clips, torch.eye(3), torch.tensor([0, 0]), list("abc")).per_class()
    assert row[0] == {
        "label": "a",
        "num_clips": 2,
        "recall": 100,
        "precision": 100,
        "most_confused_with": None,
    }
    assert row[1]["recall"] is row[1]["precision"] is None


def test_folds_are_scored_each_and_together():
    clips = torch.eye(2)[[0, 0, 0, 1]]
    targets, folds = torch.tensor([0, 0, 0, 0]), torch.tensor([1, 1, 2, 2])
    scores = zero_shot(clips, torch.eye(2), targets, ["a", "b"], folds).scores()
    assert scores["fold_accuracies"] == {"1": 100, "2": 50}
    assert scores["accuracy"] == 75


def test_intervals_hold_the_scores_and_follow_the_seed():
    result = zero_shot(*make(80, 12, "spread"))
    intervals = result.intervals(seed=1, num_resamples=200)
    assert list(intervals) == ["accuracy", "top_5_accuracy"]
    for name, (low, high) in intervals.items():
        assert low < result.scores()[name] <= high
    assert result.intervals(seed=1, num_resamples=200) == intervals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["a", "b"]}, "3 class embeddings, but 2 labels"),
        ({"labels": ["a", "b", "b"]}, "2 of them different"),
        ({"targets": torch.tensor([0, 3])}, "from 0 to 3, but there are 3 classes"),
        ({"targets": torch.tensor([0])}, "targets: expected 2 integers"),
        ({"targets": torch.tensor([0.0, 1.0])}, "targets: expected 2 integers"),
        ({"folds": torch.tensor([1])}, "folds: expected 2 integers"),
        ({"audio": 3 * torch.eye(3)[:2]}, "audio: row 0 has norm 3"),
        ({"class_text": torch.eye(4)[:3]}, "different dimensions"),
    ],
)
def test_wrong_input_is_an_error(change, message):
    inputs = {
        "audio": torch.eye(3)[:2],
        "class_text": torch.eye(3),
        "targets": torch.tensor([0, 1]),
        "labels": ["a", "b", "c"],
    }
    with pytest.raises(ValueError, match=message):
        zero_shot(**(inputs | change))


@pytest.mark.parametrize(
    ("label", "template", "text"),
    [
        ("sea_waves", DEFAULT_PROMPT, "This is a sound of sea waves."),
        ("{label} {0}", "a {label}", "a {label} {0}"),
        ("dog", "{label} {x} $y", "dog {x} $y"),
        ("dog", "{label}, {label}", "dog, dog"),
    ],
)
def test_prompt(label, template, text):
    assert prompt(label, template) == text


def test_template_without_label_is_an_error():
    with pytest.raises(ValueError, match="has no {label}"):
        prompt("dog", "This is a sound of {}.")
