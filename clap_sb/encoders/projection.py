"""Projection heads: from an encoder's embedding to the joint space."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.encoders.linear import Linear


class MLPProjection(nn.Sequential):
    """Linear, ReLU, Linear: the head of LAION-CLAP's code and checkpoints.

    The paper's table (2211.06687) shows one arrow, the released models have two
    layers with a bias each.

    Arguments
    ---------
    input_dim : int
        Width of the encoder's embedding.
    joint_dim : int
        Width of the joint space, and of the layer between.

    Example
    -------
    >>> import torch
    >>> MLPProjection(768, 512)(torch.randn(2, 768)).shape
    torch.Size([2, 512])
    """

    def __init__(self, input_dim: int, joint_dim: int):
        super().__init__(
            Linear(input_dim, joint_dim),
            nn.ReLU(),
            Linear(joint_dim, joint_dim),
        )


class LinearProjection(Linear):
    """One linear map, as the equations of 2211.06687 and 2206.04769 have it.

    Arguments
    ---------
    input_dim : int
        Width of the encoder's embedding.
    joint_dim : int
        Width of the joint space.

    Example
    -------
    >>> import torch
    >>> LinearProjection(768, 512)(torch.randn(2, 768)).shape
    torch.Size([2, 512])
    """

    def __init__(self, input_dim: int, joint_dim: int):
        super().__init__(input_dim, joint_dim)


class MSProjection(nn.Module):
    """Residual block with GELU and LayerNorm: the head of MS-CLAP's code (2206.04769).

    ``LayerNorm(e + dropout(W2 gelu(e)))`` with ``e = W1 x``, no biases. The paper calls
    it a linear projection.

    Arguments
    ---------
    input_dim : int
        Width of the encoder's embedding.
    joint_dim : int
        Width of the joint space.
    dropout : float
        Dropout of the branch.

    Example
    -------
    >>> import torch
    >>> MSProjection(2048, 1024)(torch.randn(2, 2048)).shape
    torch.Size([2, 1024])
    """

    def __init__(self, input_dim: int, joint_dim: int, dropout: float = 0.5):
        super().__init__()
        self.linear1 = Linear(input_dim, joint_dim, bias=False)
        self.linear2 = Linear(joint_dim, joint_dim, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.layer_norm = nn.LayerNorm(joint_dim)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """``[batch, input_dim]`` to ``[batch, joint_dim]``, not normalised."""
        first = self.linear1(embedding)
        second = self.dropout(self.linear2(F.gelu(first)))
        return self.layer_norm(first + second)
