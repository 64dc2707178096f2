"""A convolutional stem: patch embedding that learns from few clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class ConvStem(nn.Module):
    """Embeds patches by a few strided convolutions in place of one large one.

    A transformer that is trained from random weights learns in fewer steps behind it
    (Xiao et al., "Early Convolutions Help Transformers See Better", 2106.14881). Each
    layer is a 3 x 3 convolution of stride 2, batch norm and ReLU; a 1 x 1 convolution
    and a layer norm end it.

    Arguments
    ---------
    channels : sequence of int
        Width of each layer; n layers make patches with a side of ``2**n``.
    dim : int
        Width of the result.

    Example
    -------
    >>> ConvStem([8, 16, 32], 64)(torch.zeros(2, 1, 128, 128)).shape
    torch.Size([2, 16, 16, 64])
    """

    def __init__(self, channels: Sequence[int], dim: int):
        super().__init__()
        widths = [1, *channels]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                    nn.BatchNorm2d(after),
                    nn.ReLU(),
                )
                for before, after in zip(widths, widths[1:], strict=False)
            )
        )
        self.proj = nn.Conv2d(widths[-1], dim, 1)
        self.norm = nn.LayerNorm(dim)
        # the order in which a CPU convolves fastest; the maps take it from the weights
        self.to(memory_format=torch.channels_last)

    def forward(
        self, image: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds the patches.

        Arguments
        ---------
        image : torch.Tensor
            ``[batch, 1, size, size]``.
        longer : torch.Tensor, optional
            Of no account: there is nothing to fuse here.

        Returns
        -------
        torch.Tensor
            ``[batch, size / 2**n, size / 2**n, dim]``.
        """
        return self.norm(self.proj(self.layers(image)).permute(0, 2, 3, 1))
