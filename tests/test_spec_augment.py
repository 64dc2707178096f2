"""SpecAugment draws what a loop over the clips would draw."""

from __future__ import annotations

import torch

from clap_sb.encoders.spec_augment import SpecAugment

BATCH, FRAMES, MELS = 4000, 100, 32
SETTINGS = {"time_width": 20, "time_stripes": 2, "freq_width": 6, "freq_stripes": 2}


def naive_mask(size: int, width: int, stripes: int, generator) -> torch.Tensor:
    """One clip's stripes by torchlibrosa's rule."""
    mask = torch.zeros(size, dtype=torch.bool)
    for _ in range(stripes):
        drawn = int(torch.randint(0, width, (1,), generator=generator))
        start = int(torch.randint(0, size - drawn, (1,), generator=generator))
        mask[start : start + drawn] = True
    return mask


def naive_masks(size: int, width: int, stripes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    rows = [naive_mask(size, width, stripes, generator) for _ in range(BATCH)]
    return torch.stack(rows)


def drawn_masks() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    masked = SpecAugment(**SETTINGS)(torch.ones(BATCH, 1, FRAMES, MELS))[:, 0] == 0
    return masked.all(2), masked.all(1)


def same_distribution(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Number of masked places a clip, and how often each place is masked."""
    counts = found.sum(1).double(), expected.sum(1).double()
    # 5 standard errors of the difference of two means
    error = 5 * (sum(c.var() for c in counts) / BATCH).sqrt()
    assert abs(counts[0].mean() - counts[1].mean()) < error
    assert counts[0].max() == counts[1].max()
    assert (counts[0] == 0).double().mean() - (counts[1] == 0).double().mean() < 0.02
    assert abs(counts[0].std() / counts[1].std() - 1) < 0.06
    share = found.double().mean(0), expected.double().mean(0)
    assert (share[0] - share[1]).abs().max() < 0.04


def test_time_stripes_are_distributed_like_the_loops():
    found, _ = drawn_masks()
    same_distribution(found, naive_masks(FRAMES, 20, 2))


def test_frequency_stripes_are_distributed_like_the_loops():
    _, found = drawn_masks()
    same_distribution(found, naive_masks(MELS, 6, 2))


def test_only_stripes_are_masked_and_the_rest_is_untouched():
    log_mel = torch.randn(50, 2, FRAMES, MELS)
    kept = log_mel.clone()
    masked = SpecAugment(**SETTINGS)(log_mel)
    assert torch.equal(log_mel, kept), "the input was changed"
    zero = masked == 0
    assert torch.equal(zero[:, 0], zero[:, 1]), "channels are masked alike"
    stripes = zero.all(3, keepdim=True) | zero.all(2, keepdim=True)
    assert torch.equal(zero, stripes.expand_as(zero))
    assert torch.equal(masked[~zero], log_mel[~zero])


def test_each_clip_draws_its_own_and_each_call_anew():
    augment, log_mel = SpecAugment(), torch.ones(8, 1, 1001, 64)
    first, second = augment(log_mel), augment(log_mel)
    assert len({tuple(clip.flatten().tolist()) for clip in first}) == 8
    assert not torch.equal(first, second)


def test_eval_mode_gives_the_input_itself():
    log_mel = torch.randn(2, 1, 50, 16)
    assert SpecAugment().eval()(log_mel) is log_mel


def test_stripes_wider_than_the_map_leave_something():
    augment = SpecAugment(time_width=500, freq_width=500, freq_stripes=1)
    masked = augment(torch.ones(200, 1, 10, 8))[:, 0] == 0
    assert not masked.all(1).all(1).any()
