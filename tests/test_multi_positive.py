"""The objective with shared targets, against a loop over the pairs."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from clap_sb.objectives.caption_policy import objective_for
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.objectives.logit_scale import LogitScale
from clap_sb.objectives.multi_positive import MultiPositive

LOGIT_SCALE = LogitScale(temperature=1 / 12.5)
SCALE = LOGIT_SCALE.scale().detach()


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator), dim=-1)


def keys_of(size: int, distinct: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, distinct, (size,), generator=generator)


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
    audio, text = unit(size, 8, seed=1), unit(size, 8, seed=2)
    nothing_equal = list(range(size))
    clips = captions = None
    if with_keys in ("clips", "both"):
        clips = keys_of(size, max(2, size // 2), seed=3)
    if with_keys in ("captions", "both"):
        captions = keys_of(size, max(2, size // 2), seed=4)
    expected = naive(
        audio.double(),
        text.double(),
        SCALE,
        nothing_equal if clips is None else clips.tolist(),
        nothing_equal if captions is None else captions.tolist(),
    )
    found = MultiPositive()(audio, text, LOGIT_SCALE, clips, captions)
    assert found.item() == pytest.approx(expected, rel=1e-5)


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
