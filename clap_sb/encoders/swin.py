"""Blocks of the Swin transformer (Liu et al., 2021), as HTSAT uses them.

Parameter names are those of the public HTSAT and LAION-CLAP checkpoints.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from clap_sb.encoders.linear import Linear
from clap_sb.encoders.window_attention import (
    WindowAttention,
    from_windows,
    shift_mask,
    to_windows,
)


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
        self.fc1 = Linear(dim, hidden)
        self.fc2 = Linear(hidden, dim)

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
        self.reduction = Linear(4 * dim, 2 * dim, bias=False)

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
