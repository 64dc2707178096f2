"""Patch embedding of HTSAT, with or without feature fusion of long clips."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.encoders.fusion import (
    CHANNEL_MAP,
    fuse_long_clips,
    fusion_block,
    fusion_dims,
)
from clap_sb.fusion_views import NUM_CHUNKS


class PatchEmbed(nn.Module):
    """Cuts the image into patches and embeds each.

    With 2-D fusion, the chunks of long clips go through a convolution of their own
    whose patches are three times as long, so that the three of them, side by side,
    are as large as the patches of the whole clip that they are fused with. With
    ``channel_map`` the four images are the channels of one.

    Arguments
    ---------
    patch : int
        Side of a patch.
    dim : int
        Width of the result.
    fusion : str, optional
        One of :data:`clap_sb.encoders.fusion.FUSIONS`; the 1-D ones are not done here.

    Example
    -------
    >>> PatchEmbed(4, 96)(torch.zeros(1, 1, 256, 256)).shape
    torch.Size([1, 64, 64, 96])
    >>> embed = PatchEmbed(4, 96, fusion="aff_2d")
    >>> embed(torch.zeros(2, 4, 256, 256), torch.tensor([False, True])).shape
    torch.Size([2, 64, 64, 96])
    """

    def __init__(self, patch: int, dim: int, fusion: str | None = None):
        super().__init__()
        channels = 1 + NUM_CHUNKS if fusion == CHANNEL_MAP else 1
        self.proj = nn.Conv2d(channels, dim, patch, stride=patch)
        self.norm = nn.LayerNorm(dim)
        self.fuses = fusion_dims(fusion) == 2
        if self.fuses:
            long_patch = (patch, NUM_CHUNKS * patch)
            self.mel_conv2d = nn.Conv2d(1, dim, long_patch, stride=long_patch)
            self.fusion_model = fusion_block(fusion, dim)

    def forward(
        self, image: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds the patches.

        Arguments
        ---------
        image : torch.Tensor
            ``[batch, channels, size, size]``: 4 channels with 2-D fusion and
            ``channel_map``, else 1.
        longer : torch.Tensor, optional
            ``[batch]``, True for clips to be fused.

        Returns
        -------
        torch.Tensor
            ``[batch, size/patch, size/patch, dim]``.
        """
        if not self.fuses:
            return self.norm(self.proj(image).permute(0, 2, 3, 1))
        whole = self.proj(image[:, :1])

        def fuse(rows: torch.Tensor) -> torch.Tensor:
            chunks = self.mel_conv2d(image[rows, 1:].flatten(0, 1).unsqueeze(1))
            chunks = chunks.unflatten(0, (-1, NUM_CHUNKS)).permute(0, 2, 3, 1, 4)
            chunks = chunks.flatten(3)
            missing = whole.shape[3] - chunks.shape[3]
            return self.fusion_model(whole[rows], F.pad(chunks, (0, missing)))

        fused = fuse_long_clips(fuse, whole, longer, self.training)
        return self.norm(fused.permute(0, 2, 3, 1))
