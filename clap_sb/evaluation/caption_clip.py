"""Captions and the clips they belong to, as index tensors."""

from __future__ import annotations

import torch
from torch import Tensor


def position_within_clip(clip: Tensor, key: Tensor) -> Tensor:
    """Orders the captions of each clip.

    Arguments
    ---------
    clip : torch.Tensor
        Index of the clip of each caption ``[num_captions]``.
    key : torch.Tensor
        What they are ordered by, rising ``[num_captions]``; equal ones keep their
        order.

    Returns
    -------
    torch.Tensor
        0-based position of each caption among those of its clip ``[num_captions]``.

    Example
    -------
    >>> position_within_clip(torch.tensor([0, 1, 0]), torch.tensor([5, 1, 3])).tolist()
    [1, 0, 0]
    """
    by_key = torch.argsort(key, stable=True)
    order = by_key[torch.argsort(clip[by_key], stable=True)]
    num_captions = torch.bincount(clip)
    first = num_captions.cumsum(0) - num_captions
    position = torch.empty_like(clip)
    position[order] = torch.arange(len(clip), device=clip.device) - first[clip[order]]
    return position


def check_clips(caption_clip: Tensor, num_clips: int, num_captions: int) -> None:
    """Makes sure that each caption has a clip, and each clip a caption.

    Arguments
    ---------
    caption_clip : torch.Tensor
        Index of the clip of each caption.
    num_clips : int
        Clips in the pool.
    num_captions : int
        Captions in the pool.

    Raises
    ------
    ValueError
        If that is not so.
    """
    if caption_clip.is_floating_point() or caption_clip.shape != (num_captions,):
        raise ValueError(
            f"caption_clip: expected {num_captions} clip indices, one a caption, got "
            f"{caption_clip.dtype} of shape {tuple(caption_clip.shape)}"
        )
    low, high = int(caption_clip.min()), int(caption_clip.max())
    if low < 0 or high >= num_clips:
        raise ValueError(
            f"caption_clip: indices go from {low} to {high}, but there are "
            f"{num_clips} clips (0 to {num_clips - 1})"
        )
    counts = torch.bincount(caption_clip, minlength=num_clips)
    silent = (counts == 0).nonzero().flatten().tolist()
    if silent:
        raise ValueError(
            f"{len(silent)} clips have no caption, first clip {silent[0]}; leave them "
            "out of the pool, or give them captions"
        )
