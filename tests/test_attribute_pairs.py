"""Preference of the right caption over a foil."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from clap_sb.evaluation.attribute_pairs import attribute_pairs, prefers_right


def test_equals_naive():
    torch.manual_seed(0)
    audio, right, foil = (normalize(torch.randn(50, 8), dim=1) for _ in range(3))
    attributes = [["pitch", "speed", "level"][index % 3] for index in range(50)]
    wins = [
        float(a @ r) > float(a @ f) for a, r, f in zip(audio, right, foil, strict=True)
    ]
    scores = attribute_pairs(audio, right, foil, attributes)
    assert scores["attribute_accuracy"] == pytest.approx(2 * sum(wins))
    assert scores["num_pairs"] == 50
    assert list(scores["attribute_accuracies"]) == ["level", "pitch", "speed"]
    for attribute, accuracy in scores["attribute_accuracies"].items():
        of_it = [w for w, a in zip(wins, attributes, strict=True) if a == attribute]
        assert accuracy == pytest.approx(100 * sum(of_it) / len(of_it))
    assert prefers_right(audio, right, foil).tolist() == wins


def test_ties_are_wrong():
    clips = normalize(torch.ones(4, 3), dim=1)
    scores = attribute_pairs(clips, clips, clips, ["pitch"] * 4)
    assert scores["attribute_accuracy"] == 0
    assert attribute_pairs(clips, clips, -clips, ["pitch"] * 4)[
        "attribute_accuracies"
    ] == {"pitch": 100}


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((3, 3, 3, 2), "3 pairs, but 2 attributes"),
        ((3, 2, 3, 3), "3 clips, 2 right captions and 3 foils"),
        ((0, 0, 0, 0), "at least one row"),
    ],
)
def test_numbers_that_differ_are_an_error(sizes, message):
    audio, right, foil = (torch.eye(3)[:size] for size in sizes[:3])
    with pytest.raises(ValueError, match=message):
        attribute_pairs(audio, right, foil, ["pitch"] * sizes[3])


def test_embeddings_are_checked():
    with pytest.raises(ValueError, match="foil: row 0 has norm 2"):
        attribute_pairs(torch.eye(3), torch.eye(3), 2 * torch.eye(3), list("abc"))
