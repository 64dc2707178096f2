"""The temperature starts where LAION-CLAP's does and stays in its range."""

from __future__ import annotations

import math

import pytest
import torch

from clap_sb.objectives.logit_scale import LogitScale


def test_start():
    logit_scale = LogitScale()
    assert logit_scale.log_scale.item() == pytest.approx(math.log(1 / 0.07))
    assert logit_scale.scale().item() == pytest.approx(1 / 0.07)
    assert LogitScale(temperature=0.5).scale().item() == pytest.approx(2.0)


def test_it_is_learned_in_the_log_domain():
    logit_scale = LogitScale(temperature=0.1)
    logit_scale.scale().backward()
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
    assert logit_scale.scale().item() == pytest.approx(clamped, rel=1e-5)
    assert logit_scale.log_scale.requires_grad


def test_limit_can_be_chosen():
    logit_scale = LogitScale(temperature=1e-4, max_scale=30.0)
    logit_scale.clamp_()
    assert logit_scale.scale().item() == pytest.approx(30.0, rel=1e-5)


def test_logits_of_pairs_are_to_the_bit_what_they_were_without_a_bias():
    audio, text = torch.nn.functional.normalize(torch.randn(2, 9, 33), dim=2)
    logit_scale = LogitScale()
    with torch.autocast("cpu", torch.bfloat16):
        found = logit_scale.of_pairs(audio, text)
    assert torch.equal(found, logit_scale.log_scale.exp() * audio @ text.T)
    assert torch.allclose(found, logit_scale(audio @ text.T), atol=1e-5)


def test_a_bias_is_added_after_the_scale():
    audio, text = torch.nn.functional.normalize(torch.randn(2, 9, 33), dim=2)
    logit_scale = LogitScale(temperature=0.1, bias=-10)
    expected = 10.0 * audio @ text.T - 10.0
    for found in (logit_scale.of_pairs(audio, text), logit_scale(audio @ text.T)):
        assert torch.allclose(found, expected, atol=1e-5)
    found.sum().backward()
    assert logit_scale.bias.grad.item() == 81.0
    logit_scale.clamp_()
    assert logit_scale.bias.item() == -10.0


def test_a_bias_is_in_a_checkpoint_only_where_one_is_asked_for():
    assert list(LogitScale().state_dict()) == ["log_scale"]
    assert list(LogitScale(bias=0.0).state_dict()) == ["log_scale", "bias"]
    with pytest.raises(RuntimeError, match='Missing key.*"bias"'):
        LogitScale(bias=0.0).load_state_dict(LogitScale().state_dict())
    with pytest.raises(RuntimeError, match='Unexpected key.*"bias"'):
        LogitScale().load_state_dict(LogitScale(bias=0.0).state_dict())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_similarities_may_be_on_another_device():
    logit_scale = LogitScale(bias=-1.0).to("cuda")
    assert logit_scale(torch.ones(2)).device.type == "cpu"


def test_it_is_float32_whatever_the_model_is():
    assert LogitScale().to(torch.bfloat16).scale().dtype == torch.float32
