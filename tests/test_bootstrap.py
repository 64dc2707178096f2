"""Bootstrap intervals: reproducible, bounded, and as wide as they should be."""

from __future__ import annotations

import random

import pytest
import torch

from clap_sb.evaluation import bootstrap
from clap_sb.evaluation.bootstrap import bootstrap_interval


def test_equals_naive():
    torch.manual_seed(0)
    found, captions = torch.rand(30), torch.randint(1, 6, (30,))
    source, ratios = random.Random(5), []
    for _ in range(4000):
        drawn = source.choices(range(30), k=30)
        ratios.append(
            sum(found[i].item() for i in drawn) / sum(captions[i].item() for i in drawn)
        )
    ratios.sort()
    low, high = bootstrap_interval(found, captions, seed=0, num_resamples=4000)
    assert low == pytest.approx(ratios[100], rel=0.03)
    assert high == pytest.approx(ratios[-100], rel=0.03)


def test_depends_on_the_seed_alone():
    values, ones = torch.arange(20.0), torch.ones(20)
    torch.manual_seed(1)
    first, state = bootstrap_interval(values, ones, seed=7), torch.get_rng_state()
    torch.manual_seed(2)
    assert bootstrap_interval(values, ones, seed=7) == first
    assert bootstrap_interval(values, ones, seed=8) != first
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("elements", [1, 64, 999])
def test_chunks_change_nothing(elements, monkeypatch):
    values, ones = torch.arange(20.0), torch.ones(20)
    expected = bootstrap_interval(values, ones, seed=0, num_resamples=50)
    monkeypatch.setattr(bootstrap, "_CHUNK_ELEMENTS", elements)
    assert bootstrap_interval(values, ones, seed=0, num_resamples=50) == expected


def test_covers_the_truth_about_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for seed in range(200):
        right = (torch.rand(100, generator=generator) < 0.4).double()
        low, high = bootstrap_interval(right, torch.ones(100), seed, 300)
        covered += low <= 0.4 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_a_wider_level_gives_a_wider_interval():
    values, ones = torch.arange(50.0), torch.ones(50)
    narrow = bootstrap_interval(values, ones, seed=0, level=0.5)
    wide = bootstrap_interval(values, ones, seed=0, level=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_captions_of_a_clip_are_drawn_together():
    # Ten clips, all five captions of each right or wrong: as uncertain as ten
    # captions, not as fifty.
    right = torch.tensor([1.0, 0.0] * 5)
    alone = bootstrap_interval(right, torch.ones(10), seed=0)
    together = bootstrap_interval(5 * right, torch.full((10,), 5), seed=0)
    assert together == pytest.approx(alone)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"denominator": torch.ones(3)}, "one entry for each clip"),
        ({"numerator": torch.ones(0), "denominator": torch.ones(0)}, "no clip"),
        ({"denominator": torch.tensor([1.0, 0.0])}, "denominators positive"),
        ({"numerator": torch.tensor([1.0, torch.nan])}, "finite"),
        ({"num_resamples": 0}, "num_resamples=0"),
        ({"level": 95}, "level=95"),
    ],
)
def test_wrong_input_is_an_error(change, message):
    inputs = {"numerator": torch.ones(2), "denominator": torch.ones(2), "seed": 0}
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(**(inputs | change))
