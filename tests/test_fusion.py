"""Fusion blocks against their equations, element by element."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clap_sb.encoders.fusion import (
    FUSIONS,
    fuse_long_clips,
    fusion_block,
    fusion_dims,
)

CHANNELS = 8
SHAPES = {1: (3, CHANNELS, 7), 2: (3, CHANNELS, 4, 5)}
WITH_BLOCK = [name for name in FUSIONS if fusion_dims(name)]


def randomised(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            drawn = torch.randn(value.shape, generator=generator)
            value.copy_(drawn.abs() + 0.5 if "running_var" in name else drawn)
    return module.eval()


def naive_attention(layers: list[nn.Module], x: torch.Tensor) -> torch.Tensor:
    """The bottleneck, place by place: convolution and norm, ReLU, and both again."""
    first, norm1, _, second, norm2 = layers
    x = x.flatten(2)
    columns = []
    for place in range(x.shape[2]):
        y = x[:, :, place]
        for conv, norm, last in ((first, norm1, False), (second, norm2, True)):
            y = y @ conv.weight.flatten(1).T + conv.bias
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            y = (y - norm.running_mean) * scale + norm.bias
            y = y if last else y.clamp(min=0)
        columns.append(y)
    return torch.stack(columns, dim=2)


def naive_fusion(name: str, block: nn.Module, x: torch.Tensor, r: torch.Tensor):
    if name.startswith("daf"):
        return x + r
    shape, x, r = x.shape, x.flatten(2), r.flatten(2)

    def weight(local: nn.Sequential, both: torch.Tensor) -> torch.Tensor:
        mean = both.mean(2, keepdim=True)
        logit = naive_attention(list(local), both)
        return torch.sigmoid(logit + naive_attention(list(block.global_att)[1:], mean))

    w = weight(block.local_att, x + r)
    if name.startswith("aff"):
        return (2 * x * w + 2 * r * (1 - w)).view(shape)
    w = weight(block.local_att2, x * w + r * (1 - w))
    return (x * w + r * (1 - w)).view(shape)


@torch.no_grad()
@pytest.mark.parametrize("name", WITH_BLOCK)
def test_blocks_equal_their_equations(name):
    block = randomised(fusion_block(name, CHANNELS))
    x, r = torch.randn(2, *SHAPES[fusion_dims(name)])
    found = block(x, r)
    torch.testing.assert_close(found, naive_fusion(name, block, x, r))
    if not name.startswith("daf"):
        assert (found - block(r, x)).abs().max() > 0.1, "the roles must matter"


@pytest.mark.parametrize("name", WITH_BLOCK)
@pytest.mark.parametrize("rows", [1, 2])
def test_a_batch_of_one_can_be_trained_on(name, rows):
    block = fusion_block(name, CHANNELS).train()
    shape = (rows, *SHAPES[fusion_dims(name)][1:])
    x = torch.randn(shape, requires_grad=True)
    fused = block(x, torch.randn(shape))
    assert fused.shape == shape
    fused.square().sum().backward()
    for parameter in [x, *block.parameters()]:
        assert parameter.grad is not None and parameter.grad.isfinite().all()


def test_no_block_holds_what_nothing_reads():
    names = set(fusion_block("iaff_2d", CHANNELS).state_dict())
    assert {name.split(".")[0] for name in names} == {
        "local_att",
        "global_att",
        "local_att2",
    }


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'aff_2d'.*not 'aff_3d'"):
        fusion_dims("aff_3d")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("longer", [[0, 0, 0], [0, 1, 0], [1, 1, 1]])
def test_only_long_clips_are_fused(training, longer):
    whole = torch.randn(3, 4, 5, requires_grad=True)
    scale = torch.ones(1, requires_grad=True)
    longer = torch.tensor(longer, dtype=torch.bool)
    fused = fuse_long_clips(
        lambda rows: whole[rows] * (scale + 1), whole, longer, training
    )
    expected = torch.where(longer[:, None, None], 2 * whole, whole)
    assert torch.equal(fused, expected)
    if training:
        fused.sum().backward()
        assert torch.allclose(scale.grad, whole[longer].sum(), atol=1e-5)
        assert torch.equal(whole.grad, 1.0 + longer[:, None, None].expand(3, 4, 5))
