"""Multi-head attention inside windows of a map (Liu et al., 2021), as HTSAT uses it.

It runs through ``scaled_dot_product_attention``; the relative position bias and the
shift mask go in as its ``attn_mask``, so that no attention map is ever kept.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.encoders.linear import Linear

# what the public checkpoints were trained with, where -inf would be the textbook value
MASKED = -100.0


def to_windows(x: torch.Tensor, window: int) -> torch.Tensor:
    """Cuts a map into windows.

    Arguments
    ---------
    x : torch.Tensor
        ``[batch, size, size, dim]``.
    window : int
        Side of a window; divides ``size``.

    Returns
    -------
    torch.Tensor
        ``[batch, windows, window * window, dim]``.

    Example
    -------
    >>> to_windows(torch.zeros(2, 8, 8, 3), 4).shape
    torch.Size([2, 4, 16, 3])
    """
    batch, size, _, dim = x.shape
    count = size // window
    x = x.view(batch, count, window, count, window, dim).transpose(2, 3)
    return x.reshape(batch, count * count, window * window, dim)


def from_windows(x: torch.Tensor, size: int) -> torch.Tensor:
    """Puts windows back together: the inverse of :func:`to_windows`.

    Arguments
    ---------
    x : torch.Tensor
        ``[batch, windows, window * window, dim]``.
    size : int
        Side of the map.

    Returns
    -------
    torch.Tensor
        ``[batch, size, size, dim]``.

    Example
    -------
    >>> x = torch.randn(2, 8, 8, 3)
    >>> bool((from_windows(to_windows(x, 4), 8) == x).all())
    True
    """
    batch, windows, _, dim = x.shape
    count = round(windows**0.5)
    window = size // count
    x = x.view(batch, count, count, window, window, dim).transpose(2, 3)
    return x.reshape(batch, size, size, dim)


def relative_position_index(window: int) -> torch.Tensor:
    """Row of the bias table for each pair of positions in a window.

    Arguments
    ---------
    window : int
        Side of the window.

    Returns
    -------
    torch.Tensor
        ``[window**2, window**2]``, int64.

    Example
    -------
    >>> relative_position_index(2).tolist()
    [[4, 3, 1, 0], [5, 4, 2, 1], [7, 6, 4, 3], [8, 7, 5, 4]]
    """
    row, column = torch.arange(window**2) // window, torch.arange(window**2) % window
    down = row[:, None] - row[None, :] + window - 1
    right = column[:, None] - column[None, :] + window - 1
    return down * (2 * window - 1) + right


def shift_mask(size: int, window: int, shift: int) -> torch.Tensor:
    """Keeps a shifted window from attending across the edge of the map.

    Arguments
    ---------
    size : int
        Side of the map.
    window : int
        Side of a window.
    shift : int
        Roll of the map, 0 < shift < window.

    Returns
    -------
    torch.Tensor
        ``[windows, window**2, window**2]``: 0 where attention is allowed, -100 else.

    Example
    -------
    >>> mask = shift_mask(8, 4, 2)
    >>> mask.shape, bool((mask[0] == 0).all()), bool((mask[3] == 0).all())
    (torch.Size([4, 16, 16]), True, False)
    """
    position = torch.arange(size)
    part = (position >= size - window).long() + (position >= size - shift).long()
    region = (part[:, None] * 3 + part[None, :]).view(1, size, size, 1)
    region = to_windows(region, window)[0, :, :, 0]
    apart = region[:, :, None] != region[:, None, :]
    return torch.where(apart, MASKED, 0.0)


class WindowAttention(nn.Module):
    """Multi-head attention inside windows, with a learned relative position bias.

    Arguments
    ---------
    dim : int
        Width.
    window : int
        Side of a window.
    num_heads : int
        Heads; divides ``dim``.

    Example
    -------
    >>> attention = WindowAttention(dim=8, window=4, num_heads=2)
    >>> attention(torch.randn(2, 4, 16, 8)).shape
    torch.Size([2, 4, 16, 8])
    """

    def __init__(self, dim: int, window: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((2 * window - 1) ** 2, num_heads)
        )
        self.register_buffer(
            "relative_position_index",
            relative_position_index(window),
            persistent=False,
        )
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)

    def forward(
        self, x: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Attends.

        Arguments
        ---------
        x : torch.Tensor
            ``[batch, windows, window**2, dim]``.
        mask : torch.Tensor, optional
            ``[windows, window**2, window**2]``, added to the logits.

        Returns
        -------
        torch.Tensor
            Same shape as ``x``.
        """
        batch, windows, tokens, dim = x.shape
        bias = self.relative_position_bias_table[self.relative_position_index]
        bias = bias.permute(2, 0, 1).unsqueeze(0)  # [1, heads, tokens, tokens]
        # the fused kernels take four dimensions: where all windows share one bias they
        # count as batch, where each has a mask of its own they count as heads
        if mask is None:
            outer, inner = batch * windows, self.num_heads
        else:
            outer, inner = batch, windows * self.num_heads
            bias = (bias + mask.unsqueeze(1)).reshape(1, inner, tokens, tokens)
        qkv = self.qkv(x).view(batch, windows, tokens, 3, self.num_heads, -1)
        qkv = qkv.permute(3, 0, 1, 4, 2, 5).reshape(3, outer, inner, tokens, -1)
        query, key, value = qkv.unbind(0)
        x = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias.to(query.dtype)
        )
        x = x.reshape(batch, windows, self.num_heads, tokens, -1).transpose(2, 3)
        return self.proj(x.reshape(batch, windows, tokens, dim))
