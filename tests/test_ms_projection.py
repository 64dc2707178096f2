"""MS-CLAP's projection against its equations."""

from __future__ import annotations

import math

import torch

from clap_sb.encoders.projection import MSProjection


@torch.no_grad()
def test_equals_its_equations():
    head = MSProjection(6, 5).eval()
    for parameter in head.parameters():
        parameter.copy_(torch.randn(parameter.shape))
    x = torch.randn(3, 6)
    first = x @ head.linear1.weight.T
    gelu = first * 0.5 * (1 + torch.erf(first / math.sqrt(2)))
    both = first + gelu @ head.linear2.weight.T
    centred = both - both.mean(1, keepdim=True)
    scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    expected = scaled * head.layer_norm.weight + head.layer_norm.bias
    torch.testing.assert_close(head(x), expected)


def test_dropout_is_of_training_only():
    head, x = MSProjection(6, 8), torch.randn(3, 6)
    assert not torch.equal(head.train()(x), head(x))
    assert torch.equal(head.eval()(x), head(x))
