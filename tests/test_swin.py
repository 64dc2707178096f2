"""The parts of the Swin transformer, each against the textbook's loop."""

from __future__ import annotations

import pytest
import torch
from builders import amplify

from clap_sb.encoders.swin import DropPath, PatchMerging, SwinBlock, SwinStage
from clap_sb.encoders.window_attention import (
    WindowAttention,
    from_windows,
    relative_position_index,
    shift_mask,
    to_windows,
)


def test_windows_hold_what_lies_together():
    x = torch.randn(2, 12, 12, 3)
    windows = to_windows(x, 4)
    assert torch.equal(windows[1, 5].view(4, 4, 3), x[1, 4:8, 8:12])
    assert torch.equal(from_windows(windows, 12), x)


@pytest.mark.parametrize("window", [2, 3, 8])
def test_relative_position_index(window):
    index = relative_position_index(window)
    for i in range(window**2):
        for j in range(window**2):
            down = i // window - j // window + window - 1
            right = i % window - j % window + window - 1
            assert index[i, j] == down * (2 * window - 1) + right


@pytest.mark.parametrize(("size", "window", "shift"), [(8, 4, 2), (12, 4, 1)])
def test_shift_mask_separates_what_was_not_together(size, window, shift):
    """After the roll, two places may meet if they were neighbours before it."""
    mask = shift_mask(size, window, shift)
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    place = torch.stack([row, column], -1)[None]
    place = to_windows(place.roll((-shift, -shift), dims=(1, 2)), window)[0]
    far = (place[:, :, None] - place[:, None, :]).abs().amax(-1) >= window
    assert torch.equal(mask == -100.0, far)
    assert torch.equal(mask == 0.0, ~far)


@pytest.mark.parametrize("masked", [False, True])
def test_window_attention_equals_a_loop(masked):
    attention = amplify(WindowAttention(dim=8, window=2, num_heads=2))
    x = torch.randn(3, 4, 4, 8)
    mask = shift_mask(4, 2, 1) if masked else None
    expected = torch.empty_like(x)
    table = attention.relative_position_bias_table
    index = relative_position_index(2)
    for clip in range(3):
        for window in range(4):
            query, key, value = attention.qkv(x[clip, window]).chunk(3, dim=-1)
            heads = []
            for head in range(2):
                part = slice(4 * head, 4 * head + 4)
                logits = query[:, part] @ key[:, part].T / 2.0 + table[index, head]
                if masked:
                    logits = logits + mask[window]
                heads.append(logits.softmax(-1) @ value[:, part])
            expected[clip, window] = attention.proj(torch.cat(heads, dim=-1))
    torch.testing.assert_close(attention(x, mask), expected, atol=1e-5, rtol=1e-5)


def test_blocks_alternate_and_a_map_of_one_window_is_not_shifted():
    stage = SwinStage(8, 8, 3, 2, 4, 4.0, [0.0] * 3, downsample=False)
    assert [block.shift for block in stage.blocks] == [0, 2, 0]
    single = SwinBlock(dim=8, size=4, num_heads=2, window=4, shift=2)
    assert single.shift == 0 and single.attn_mask is None


def test_a_shifted_block_does_not_see_across_the_edge():
    """A change in one corner may reach windows beside it, not the far corner."""
    block = amplify(SwinBlock(dim=8, size=8, num_heads=2, window=4, shift=2))
    x = torch.randn(1, 8, 8, 8)
    changed = x.clone()
    changed[0, 0, 0] = torch.randn(8)
    moved = (block(x) - block(changed)).abs().amax(-1)[0]
    assert (moved[:2, :2] > 1e-4).all()
    assert moved[2:].max() < 1e-6 and moved[:, 2:].max() < 1e-6


def test_patch_merging_takes_the_corners_in_the_checkpoints_order():
    merging = amplify(PatchMerging(2))
    x = torch.randn(1, 4, 4, 2)
    corners = [x[0, 2, 0], x[0, 3, 0], x[0, 2, 1], x[0, 3, 1]]
    expected = merging.reduction(merging.norm(torch.cat(corners)))
    torch.testing.assert_close(merging(x)[0, 1, 0], expected)


def test_drop_path_drops_whole_clips_and_keeps_the_expectation():
    torch.manual_seed(0)
    drop, x = DropPath(0.3).train(), torch.ones(20000, 3, 2)
    dropped = drop(x)
    scaled = torch.tensor(1 / 0.7)
    whole = dropped.flatten(1)
    assert torch.equal(whole, whole[:, :1].expand_as(whole))
    assert set(whole[:, 0].tolist()) == {0.0, scaled.item()}
    # 5 standard errors
    assert abs(dropped[:, 0, 0].mean() - 1.0) < 5 * (0.3 / 0.7 / 20000) ** 0.5
    assert torch.equal(drop.eval()(x), x)
    assert torch.equal(DropPath(0.0).train()(x), x)
