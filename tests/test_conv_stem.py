"""The convolutional stem of HTSAT."""

import copy

import pytest
import torch

from clap_sb.encoders.conv_stem import ConvStem
from clap_sb.encoders.htsat import HTSAT
from clap_sb.features import LogMel


def _htsat(**settings):
    return HTSAT(
        LogMel(16000, 512, 320, 64, 50, 8000),
        clip_samples=81600,
        spec_size=128,
        patch_size=8,
        window_size=4,
        embed_dim=8,
        depths=[1, 1],
        num_heads=[1, 2],
        **settings,
    )


def test_a_patch_is_where_it_was():
    stem = ConvStem([4, 8, 8], 6).eval()
    image = torch.zeros(1, 1, 64, 64)
    silent = stem(image)
    image[0, 0, 20:22, 44:46] = 5.0  # in the patch of row 2 and column 5
    changed = (stem(image) - silent).abs().sum(-1)[0]
    assert changed.argmax().item() == 2 * 8 + 5
    assert changed[5:, :4].max() == 0  # out of reach of three layers


def test_weights_and_maps_lie_channels_last_and_nothing_else_changes():
    stem = ConvStem([4, 8, 8], 6)
    plain = copy.deepcopy(stem).to(memory_format=torch.contiguous_format)
    image = torch.randn(3, 1, 64, 64)
    maps = stem.layers(image)
    assert maps.is_contiguous(memory_format=torch.channels_last)
    assert plain.layers(image).is_contiguous()
    torch.testing.assert_close(stem(image), plain(image))
    # as where a checkpoint of another layout is loaded
    stem.load_state_dict(plain.state_dict())
    weight = stem.layers[1][0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(weight, plain.layers[1][0].weight)


def test_every_parameter_of_the_stem_learns():
    tower = _htsat(stem_channels=[4, 8, 8])
    tower(torch.randn(2, 80000)).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in tower.patch_embed.layers.parameters())


def test_layers_that_do_not_fit_the_patch_are_told():
    with pytest.raises(ValueError, match="patches of 4, patch_size is 8"):
        _htsat(stem_channels=[4, 8])


@pytest.mark.parametrize("fusion", ["aff_2d", "channel_map"])
def test_two_dimensional_fusion_is_refused(fusion):
    with pytest.raises(ValueError, match="take a 1-D fusion"):
        _htsat(stem_channels=[4, 8, 8], fusion=fusion)


def test_one_dimensional_fusion_goes_with_it():
    tower = _htsat(stem_channels=[4, 8, 8], fusion="aff_1d").eval()
    assert tower(torch.randn(1, 200000)).shape == (1, 16)
