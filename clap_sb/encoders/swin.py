"""Blocks of the Swin transformer (Liu et al., 2021), as HTSAT uses them.

Parameter names are those of the public HTSAT and LAION-CLAP checkpoints. Attention
runs through ``scaled_dot_product_attention``; the relative position bias and the
shift mask go in as its ``attn_mask``, so that no attention map is ever kept.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

# what the public checkpoints were trained with, where -inf would be the textbook value
MASKED = -100.0


class DropPath(nn.Module):
    """Stochastic depth (Huang et al., 2016): drops a residual branch for a whole clip.

    Arguments
    ---------
    p : float
        Probability of dropping, in [0, 1).

    Example
    -------
    >>> drop = DropPath(0.5).eval()
    >>> bool((drop(torch.ones(8, 2)) == 1).all())
    True
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scales the clips that are kept by ``1 / (1 - p)``, zeroes the others."""
        if not self.training or self.p == 0.0:
            return x
        shape = (x.shape[0],) + (1,) * (x.dim() - 1)
        keep = torch.rand(shape, device=x.device) >= self.p
        return x * keep.to(x.dtype) / (1.0 - self.p)


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
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

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


class Mlp(nn.Module):
    """Linear, GELU (exact), Linear.

    Arguments
    ---------
    dim : int
        Width.
    hidden : int
        Inner width.

    Example
    -------
    >>> Mlp(4, 16)(torch.randn(2, 4)).shape
    torch.Size([2, 4])
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[..., dim]`` to ``[..., dim]``."""
        return self.fc2(F.gelu(self.fc1(x)))


class SwinBlock(nn.Module):
    """Pre-norm block: windowed attention, then an MLP, each behind drop-path.

    Arguments
    ---------
    dim : int
        Width.
    size : int
        Side of the map.
    num_heads : int
        Heads.
    window : int
        Side of a window; a map that is no larger is one window, and is not shifted.
    shift : int
        Roll of the map before it is cut into windows.
    mlp_ratio : float
        Inner width of the MLP over ``dim``.
    drop_path : float
        Probability of dropping a branch.

    Example
    -------
    >>> block = SwinBlock(dim=8, size=8, num_heads=2, window=4, shift=2)
    >>> block(torch.randn(2, 8, 8, 8)).shape
    torch.Size([2, 8, 8, 8])
    """

    def __init__(
        self,
        dim: int,
        size: int,
        num_heads: int,
        window: int = 8,
        shift: int = 0,
        mlp_ratio: float = 4.0,
        drop_path: float = 0.0,
    ):
        super().__init__()
        self.size = size
        self.window = min(window, size)
        self.shift = shift if size > window else 0
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, self.window, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path)
        mask = shift_mask(size, self.window, self.shift) if self.shift else None
        self.register_buffer("attn_mask", mask, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, size, size, dim]`` to the same."""
        x = x + self.drop_path(self._attend(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: torch.Tensor) -> torch.Tensor:
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), dims=(1, 2))
        x = self.attn(to_windows(x, self.window), self.attn_mask)
        x = from_windows(x, self.size)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), dims=(1, 2))
        return x


class PatchMerging(nn.Module):
    """Halves the side of a map and doubles its width.

    Arguments
    ---------
    dim : int
        Width of the input.

    Example
    -------
    >>> PatchMerging(4)(torch.randn(2, 8, 8, 4)).shape
    torch.Size([2, 4, 4, 8])
    """

    def __init__(self, dim: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, size, size, dim]`` to ``[batch, size/2, size/2, 2 dim]``."""
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class SwinStage(nn.Module):
    """Blocks at one resolution, every second one shifted by half a window.

    Arguments
    ---------
    dim : int
        Width.
    size : int
        Side of the map.
    depth : int
        Number of blocks.
    num_heads : int
        Heads.
    window : int
        Side of a window.
    mlp_ratio : float
        Inner width of the MLP over ``dim``.
    drop_path : sequence of float
        Drop-path probability of each block.
    downsample : bool
        Whether the stage ends with :class:`PatchMerging`.

    Example
    -------
    >>> stage = SwinStage(8, 8, 2, 2, 4, 4.0, [0.0, 0.1], downsample=True)
    >>> stage(torch.randn(1, 8, 8, 8)).shape
    torch.Size([1, 4, 4, 16])
    """

    def __init__(
        self,
        dim: int,
        size: int,
        depth: int,
        num_heads: int,
        window: int,
        mlp_ratio: float,
        drop_path: list[float],
        downsample: bool,
    ):
        super().__init__()
        self.blocks = nn.ModuleList(
            SwinBlock(
                dim,
                size,
                num_heads,
                window=window,
                shift=window // 2 if index % 2 else 0,
                mlp_ratio=mlp_ratio,
                drop_path=drop_path[index],
            )
            for index in range(depth)
        )
        self.downsample = PatchMerging(dim) if downsample else None

    def forward(
        self, x: torch.Tensor, gradient_checkpointing: bool = False
    ) -> torch.Tensor:
        """``[batch, size, size, dim]`` to the same, or merged at the end."""
        for block in self.blocks:
            if gradient_checkpointing:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        return x if self.downsample is None else self.downsample(x)
