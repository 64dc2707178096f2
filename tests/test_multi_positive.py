"""The objective with shared targets, against a loop over the pairs."""

from __future__ import annotations

import math

import pytest
import torch
from test_info_nce import LOGIT_SCALE, SCALE, against_a_loop, keys_of, unit

from clap_sb.objectives.caption_policy import objective_for
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.objectives.multi_positive import MultiPositive


def naive(audio, text, scale, clips, captions) -> float:
    """Mean over rows and directions of the mean -log softmax of the row's positives."""
    total, size = 0.0, len(audio)
    for i in range(size):
        positives = [
            j for j in range(size) if clips[i] == clips[j] or captions[i] == captions[j]
        ]
        for query, others in ((audio[i], text), (text[i], audio)):
            logits = [float(scale) * float(query @ other) for other in others]
            whole = math.log(sum(map(math.exp, logits)))
            total += sum(whole - logits[j] for j in positives) / len(positives)
    return total / (2 * size)


@pytest.mark.parametrize("size", [2, 5, 16])
@pytest.mark.parametrize("with_keys", ["none", "clips", "captions", "both"])
def test_loss_equals_a_loop(size, with_keys):
    against_a_loop(MultiPositive(), naive, size, with_keys)


def test_gradient_is_softmax_minus_shared_target():
    """With audio = S and text = I the similarities are the leaves."""
    size = 6
    clips = torch.tensor([0, 0, 0, 1, 1, 2])
    similarity = 0.3 * torch.randn(size, size)
    similarity.requires_grad_()
    loss = MultiPositive()(similarity, torch.eye(size), LOGIT_SCALE, clips)
    (found,) = torch.autograd.grad(loss, similarity)

    target = torch.zeros(size, size)
    for rows in ([0, 1, 2], [3, 4], [5]):
        for i in rows:
            target[i, rows] = 1 / len(rows)
    logits = (SCALE * similarity).detach()
    expected = SCALE * (logits.softmax(1) + logits.softmax(0) - 2 * target) / (2 * size)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-4)


def test_without_several_positives_it_is_info_nce():
    audio, text = unit(7, 8, seed=1), unit(7, 8, seed=2)
    clips, captions = torch.arange(7), torch.arange(7) + 10
    expected = InfoNCE()(audio, text, LOGIT_SCALE, clips, captions)
    torch.testing.assert_close(
        MultiPositive()(audio, text, LOGIT_SCALE, clips, captions), expected
    )
    clips[1] = clips[0]
    found = MultiPositive()(audio, text, LOGIT_SCALE, clips, captions)
    assert abs(found - expected) > 0.01


def test_the_second_caption_of_a_clip_is_drawn_to_it_too():
    """InfoNCE leaves it alone."""
    clips = torch.tensor([0, 0, 1])
    moved = {}
    for objective in (InfoNCE(), MultiPositive()):
        similarity = unit(3, 3, seed=4).requires_grad_()
        objective(similarity, torch.eye(3), LOGIT_SCALE, clips).backward()
        moved[type(objective)] = similarity.grad[0, 1].item()
    assert moved[InfoNCE] == 0
    assert moved[MultiPositive] != 0


def test_autocast_changes_nothing():
    audio, text = unit(16, 8, seed=1), unit(16, 8, seed=2)
    clips = keys_of(16, 5, seed=3)
    expected = MultiPositive()(audio, text, LOGIT_SCALE, clips)
    with torch.autocast("cpu", torch.bfloat16):
        found = MultiPositive()(audio, text, LOGIT_SCALE, clips)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_unequal_batches_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(2, 4\)"):
        MultiPositive()(unit(3, 4), unit(2, 4), LOGIT_SCALE)


def test_each_policy_has_its_objective():
    assert type(objective_for("random")) is InfoNCE
    assert type(objective_for("all")) is MultiPositive
    with pytest.raises(ValueError, match="'some': choose one of random, all"):
        objective_for("some")
