"""InfoNCE against a loop over the pairs."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from clap_sb.objectives.info_nce import InfoNCE, not_negatives
from clap_sb.objectives.logit_scale import LogitScale

LOGIT_SCALE = LogitScale(temperature=1 / 12.5)
SCALE = LOGIT_SCALE.scale().detach()


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator), dim=-1)


def keys_of(size: int, distinct: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, distinct, (size,), generator=generator)


def naive(audio, text, scale, clips, captions) -> float:
    """Mean over pairs and directions of -log softmax among the true negatives."""
    total, size = 0.0, len(audio)
    for i in range(size):
        allowed = [
            j
            for j in range(size)
            if j == i or (clips[i] != clips[j] and captions[i] != captions[j])
        ]
        for query, others in ((audio[i], text), (text[i], audio)):
            logits = {j: float(scale) * float(query @ others[j]) for j in allowed}
            total -= logits[i] - math.log(sum(map(math.exp, logits.values())))
    return total / (2 * size)


def against_a_loop(objective, loop, size: int, with_keys: str) -> None:
    """Holds the loss of some pairs against that of a loop over them."""
    audio, text = unit(size, 8, seed=1), unit(size, 8, seed=2)
    nothing_equal = list(range(size))
    clips = captions = None
    if with_keys in ("clips", "both"):
        clips = keys_of(size, max(2, size // 2), seed=3)
    if with_keys in ("captions", "both"):
        captions = keys_of(size, max(2, size // 2), seed=4)
    expected = loop(
        audio.double(),
        text.double(),
        SCALE,
        nothing_equal if clips is None else clips.tolist(),
        nothing_equal if captions is None else captions.tolist(),
    )
    found = objective(audio, text, LOGIT_SCALE, clips, captions)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [2, 5, 16])
@pytest.mark.parametrize("with_keys", ["none", "clips", "captions", "both"])
def test_loss_equals_a_loop(size, with_keys):
    against_a_loop(InfoNCE(), naive, size, with_keys)


@pytest.mark.parametrize("size", [2, 5, 16])
def test_gradient_of_each_direction_is_softmax_minus_identity(size):
    """With the similarities as leaves: audio = S, text = I gives S = audio text^T.

    The gradient that reaches S is the mean of the two directions, over N, times the
    scale; each is told from the other by its softmax's dimension.
    """
    similarity = 0.3 * torch.randn(size, size)
    similarity.requires_grad_()
    loss = InfoNCE()(similarity, torch.eye(size), LOGIT_SCALE)
    (found,) = torch.autograd.grad(loss, similarity)

    logits = (SCALE * similarity).detach()
    by_audio = (logits.softmax(1) - torch.eye(size)) / size
    by_text = (logits.softmax(0) - torch.eye(size)) / size
    for direction, expected in ((logits, by_audio), (logits.T, by_text.T)):
        leaf = direction.clone().requires_grad_()
        (alone,) = torch.autograd.grad(F.cross_entropy(leaf, torch.arange(size)), leaf)
        torch.testing.assert_close(alone, expected, atol=1e-7, rtol=1e-5)
    assert (by_audio - by_text).abs().max() > 1e-3
    total = SCALE * (by_audio + by_text) / 2
    torch.testing.assert_close(found, total, atol=1e-6, rtol=1e-4)


def test_pairs_that_are_no_negatives_get_exactly_no_gradient():
    size = 6
    clips = torch.tensor([0, 0, 1, 2, 3, 4])
    captions = torch.tensor([0, 1, 2, 2, 3, 4])
    similarity = torch.randn(size, size, requires_grad=True)
    InfoNCE()(similarity, torch.eye(size), LOGIT_SCALE, clips, captions).backward()
    masked = torch.zeros(size, size, dtype=torch.bool)
    masked[[0, 1, 2, 3], [1, 0, 3, 2]] = True
    assert torch.equal(similarity.grad == 0, masked)


def test_not_negatives():
    clips = torch.tensor([7, 7, 8, 9])
    captions = torch.tensor([1, 2, 3, 1])
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[0, 1] = expected[1, 0] = expected[0, 3] = expected[3, 0] = True
    assert torch.equal(not_negatives(clips, captions), expected)
    assert not_negatives(None, None) is None


def test_a_batch_of_one_clip_has_no_loss():
    audio, text = unit(3, 4, seed=5), unit(3, 4, seed=6)
    loss = InfoNCE()(audio, text, LOGIT_SCALE, torch.tensor([5, 5, 5]))
    assert loss.item() == 0.0


def test_order_of_the_pairs_does_not_matter():
    audio, text = unit(16, 8, seed=7), unit(16, 8, seed=8)
    clips = keys_of(16, 9, seed=9)
    order = torch.randperm(16)
    loss = InfoNCE()
    torch.testing.assert_close(
        loss(audio, text, LOGIT_SCALE, clips),
        loss(audio[order], text[order], LOGIT_SCALE, clips[order]),
    )


def test_both_directions_count_the_same():
    audio, text = unit(8, 4, seed=1), unit(8, 4, seed=2)
    torch.testing.assert_close(
        InfoNCE()(audio, text, LOGIT_SCALE), InfoNCE()(text, audio, LOGIT_SCALE)
    )


def test_autocast_changes_nothing():
    audio, text = unit(16, 8, seed=1), unit(16, 8, seed=2)
    expected = InfoNCE()(audio, text, LOGIT_SCALE)
    with torch.autocast("cpu", torch.bfloat16):
        found = InfoNCE()(audio, text, LOGIT_SCALE)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_scale_gets_its_gradient():
    audio, text = unit(5, 8, seed=1), unit(5, 8, seed=2)
    loss = InfoNCE()(audio, text, LOGIT_SCALE)
    (found,) = torch.autograd.grad(loss, LOGIT_SCALE.log_scale)
    similarity = audio @ text.T
    weight = sum(((SCALE * similarity).softmax(dim) - torch.eye(5)) for dim in (0, 1))
    # d exp(t) / dt = exp(t)
    torch.testing.assert_close(found, SCALE * (weight * similarity).sum() / 10)


def test_unequal_batches_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(2, 4\)"):
        InfoNCE()(unit(3, 4), unit(2, 4), LOGIT_SCALE)
