"""The validation loss goes over as many pairs as a loss of training."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from clap_sb.data.manifest import Clip
from clap_sb.evaluation import validation_loss as module
from clap_sb.evaluation.embedding import Embedded
from clap_sb.evaluation.validation_loss import validation_loss
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.objectives.logit_scale import LogitScale
from clap_sb.objectives.multi_positive import MultiPositive

SCALE = LogitScale(temperature=1 / 7)


def embedded(counts: list[int], labels: list[str] | None = None) -> Embedded:
    """Clips with so many captions each, all of them different."""
    labels = labels or [None] * len(counts)
    owner = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    captions = [f"caption {row} of {clip}" for row, clip in enumerate(owner.tolist())]
    clips = [
        Clip(str(i), f"{i}.wav", 1.0, ("-",), label=label)
        for i, label in enumerate(labels)
    ]
    audio = normalize(torch.randn(len(counts), 6), dim=1)
    text = normalize(torch.randn(len(captions), 6), dim=1)
    return Embedded(clips, audio, captions, text, owner)


def in_order(monkeypatch) -> None:
    """Leaves the clips as they stand."""
    monkeypatch.setattr(
        module.torch, "randperm", lambda size, generator: torch.arange(size)
    )


def naive(audio, text, keys: list, scale: float) -> float:
    """Both directions of InfoNCE, pair by pair; equal keys are no negatives."""
    total, size = 0.0, len(keys)
    for i in range(size):
        rivals = [j for j in range(size) if j == i or keys[j] != keys[i]]
        own = scale * float(audio[i] @ text[i])
        for one, others in ((audio[i], text), (text[i], audio)):
            total += math.log(
                sum(math.exp(scale * float(one @ others[j])) for j in rivals)
            )
            total -= own
    return total / (2 * size)


@pytest.mark.parametrize("labels", [None, ["dog", "dog", "rain", "dog", "rain"]])
def test_equals_a_loop_over_blocks_and_first_captions(labels, monkeypatch):
    in_order(monkeypatch)
    found = embedded([2, 1, 3, 1, 2], labels)
    keys = labels or list(range(5))
    first = [0, 2, 3, 6, 7]
    losses = [
        naive(
            found.audio[block],
            found.text[[first[i] for i in block]],
            [keys[i] for i in block],
            7.0,
        )
        for block in ([0, 1], [2, 3], [3, 4])  # the last one ends the set
    ]
    loss = validation_loss(InfoNCE(), found, SCALE, clips=2)
    assert loss == pytest.approx(sum(losses) / 3, abs=1e-5)


def test_a_model_that_knows_nothing_has_the_logarithm_of_a_training_batch():
    found = embedded([1] * 100)
    found.audio[:] = found.text[:] = normalize(torch.ones(6), dim=0)
    for clips in (16, 64):
        loss = validation_loss(InfoNCE(), found, SCALE, clips)
        assert loss == pytest.approx(math.log(clips), abs=1e-5)
    # fewer clips than a batch are one block
    assert validation_loss(InfoNCE(), found, SCALE, 500) == pytest.approx(math.log(100))


def test_all_captions_are_taken_where_training_takes_all():
    found = embedded([3, 3])
    rows = found.caption_clip
    expected = MultiPositive()(found.audio[rows], found.text, SCALE, rows)
    loss = validation_loss(MultiPositive(), found, SCALE, clips=2, captions=3)
    assert loss == pytest.approx(float(expected), abs=1e-5)


def test_neighbours_are_taken_apart_in_the_same_order_every_time():
    found = embedded([1] * 40, ["dog"] * 20 + ["rain"] * 20)
    losses = {validation_loss(InfoNCE(), found, SCALE, clips=10) for _ in range(3)}
    assert len(losses) == 1
    assert losses.pop() > 0.1  # in order, no block has a negative
