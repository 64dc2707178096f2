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


class TurnedProjection(nn.Module):
    """A projection, and a linear map of what it gives: a rotation, or its first axes.

    A rotation changes no cosine. Where it has the axes of the widest spread first
    (:func:`principal_axes`), the first numbers of an embedding say most of it, and a
    model that gives those alone has small embeddings.

    Arguments
    ---------
    projection : nn.Module
        ``[batch, width]`` to ``[batch, input_dim]``.
    input_dim : int
        Numbers that it gives.
    joint_dim : int
        Numbers that are kept: at most ``input_dim``. At first, those in front.

    Raises
    ------
    ValueError
        If more are to be kept than there are.

    Example
    -------
    >>> import torch
    >>> TurnedProjection(MLPProjection(768, 512), 512, 64)(torch.randn(2, 768)).shape
    torch.Size([2, 64])
    """

    def __init__(self, projection: nn.Module, input_dim: int, joint_dim: int):
        super().__init__()
        if not 0 < joint_dim <= input_dim:
            raise ValueError(
                f"of embeddings of {input_dim} numbers, 1 to {input_dim} can be kept, "
                f"not {joint_dim}"
            )
        self.projection = projection
        self.register_buffer("axes", torch.eye(input_dim)[:joint_dim].clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, width]`` to ``[batch, joint_dim]``."""
        return self.projection(x) @ self.axes.T


def principal_axes(embeddings: torch.Tensor) -> torch.Tensor:
    """Orthogonal axes of some embeddings, that of the largest mean square first.

    Arguments
    ---------
    embeddings : torch.Tensor
        ``[clips, dim]``; not centred, since cosines are not either.

    Returns
    -------
    torch.Tensor
        ``[dim, dim]``, float32, one axis a row; the largest number of each is positive.

    Example
    -------
    >>> import torch
    >>> principal_axes(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))[0].tolist()
    [0.0, 1.0]
    """
    rows = embeddings.double()
    axes = torch.linalg.eigh(rows.T @ rows).eigenvectors.flip(1).T
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return (axes * largest.sign()).float()
