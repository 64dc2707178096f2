"""The order of an epoch: a function of (seed, epoch), split over the ranks."""

from __future__ import annotations

import pytest

from clap_sb.data.epoch_sampler import EpochSampler


def order(epoch: int = 1, seed: int = 1, rank: int = 0, ranks: int = 1, size: int = 23):
    sampler = EpochSampler(size, seed, rank, ranks)
    sampler.set_epoch(epoch)
    drawn = list(sampler)
    assert len(drawn) == len(sampler)
    assert {of for of, _ in drawn} == {epoch}
    return [index for _, index in drawn]


def test_one_rank_sees_every_clip_once_shuffled():
    drawn = order()
    assert sorted(drawn) == list(range(23)) != drawn


def test_an_epoch_has_an_order_of_its_own_and_keeps_it():
    assert order(epoch=4) == order(epoch=4) != order(epoch=5)
    assert order(seed=1) != order(seed=2)


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_ranks_share_an_epoch_without_overlap(ranks):
    parts = [order(rank=rank, ranks=ranks) for rank in range(ranks)]
    assert {len(part) for part in parts} == {23 // ranks}
    together = [index for part in parts for index in part]
    assert len(set(together)) == len(together) == 23 // ranks * ranks
    # step by step, the ranks take what one process would have taken
    by_step = [index for step in zip(*parts, strict=True) for index in step]
    assert by_step == order()[: len(by_step)]


def test_what_is_left_out_changes_with_the_epoch():
    left_out = {
        (
            set(range(23)) - {i for r in range(4) for i in order(e, rank=r, ranks=4)}
        ).pop()
        for e in range(20)
    }
    assert len(left_out) > 5


def test_the_epoch_may_be_set_again_and_again():
    sampler = EpochSampler(5, seed=1)
    for epoch in (1, 2, 1):
        sampler.set_epoch(epoch)
        assert [index for _, index in sampler] == order(epoch, size=5)
