"""Projection heads: the layers and the names of the public checkpoints."""

from __future__ import annotations

import torch

from clap_sb.encoders.projection import LinearProjection, MLPProjection


def test_mlp_projection_is_linear_relu_linear():
    head, x = MLPProjection(6, 4), torch.randn(5, 6)
    state = head.state_dict()
    assert sorted(state) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    hidden = (x @ state["0.weight"].T + state["0.bias"]).clamp(min=0)
    expected = hidden @ state["2.weight"].T + state["2.bias"]
    assert state["2.weight"].shape == (4, 4)
    torch.testing.assert_close(head(x), expected)


def test_linear_projection_is_one_map():
    head, x = LinearProjection(6, 4), torch.randn(5, 6)
    torch.testing.assert_close(head(x), x @ head.weight.T + head.bias)
