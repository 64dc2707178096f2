"""The temperature starts where LAION-CLAP's does and stays in its range."""

from __future__ import annotations

import math

import pytest
import torch

from clap_sb.objectives.logit_scale import LogitScale


def test_start():
    logit_scale = LogitScale()
    assert logit_scale.log_scale.item() == pytest.approx(math.log(1 / 0.07))
    assert logit_scale().item() == pytest.approx(1 / 0.07)
    assert LogitScale(temperature=0.5)().item() == pytest.approx(2.0)


def test_it_is_learned_in_the_log_domain():
    logit_scale = LogitScale(temperature=0.1)
    logit_scale().backward()
    # d exp(t) / dt = exp(t)
    assert logit_scale.log_scale.grad.item() == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("start", "clamped"), [(-3.0, 1.0), (2.0, math.exp(2.0)), (9.0, 100.0)]
)
def test_clamp(start, clamped):
    logit_scale = LogitScale()
    with torch.no_grad():
        logit_scale.log_scale.fill_(start)
    logit_scale.clamp_()
    assert logit_scale().item() == pytest.approx(clamped, rel=1e-5)
    assert logit_scale.log_scale.requires_grad


def test_limit_can_be_chosen():
    logit_scale = LogitScale(temperature=1e-4, max_scale=30.0)
    logit_scale.clamp_()
    assert logit_scale().item() == pytest.approx(30.0, rel=1e-5)


def test_it_is_float32_whatever_the_model_is():
    assert LogitScale().to(torch.bfloat16)().dtype == torch.float32
