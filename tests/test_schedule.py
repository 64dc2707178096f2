"""Warm-up and cosine, step by step."""

from __future__ import annotations

import math

import pytest

from clap_sb.training.optimization import warmup_cosine


@pytest.mark.parametrize(("warmup", "total"), [(0, 10), (1, 10), (4, 20), (100, 1000)])
def test_rise_and_fall(warmup, total):
    factors = [warmup_cosine(step, warmup, total) for step in range(total + 1)]
    for step in range(warmup):
        assert factors[step] == pytest.approx((step + 1) / warmup)
    for step in range(warmup, total + 1):
        angle = math.pi * (step - warmup) / (total - warmup)
        assert factors[step] == pytest.approx((1 + math.cos(angle)) / 2)
    assert max(factors) == factors[warmup] == 1.0
    assert factors[-1] == pytest.approx(0.0)


def test_it_stays_at_zero_after_the_end():
    assert warmup_cosine(25, 4, 20) == pytest.approx(0.0)


def test_a_training_shorter_than_its_warmup_only_rises():
    factors = [warmup_cosine(step, 10, 5) for step in range(5)]
    assert factors == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
