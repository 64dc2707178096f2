"""Projection heads: from an encoder's embedding to the joint space."""

from __future__ import annotations

from torch import nn


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
            nn.Linear(input_dim, joint_dim),
            nn.ReLU(),
            nn.Linear(joint_dim, joint_dim),
        )


class LinearProjection(nn.Linear):
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
