"""Feature fusion: how the shrunk clip and its chunks become one map (2211.06687).

The blocks are those of attentional feature fusion (Dai et al., 2009.14082). Parameter
names are those of LAION's checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

REDUCTION = 4


class DAF(nn.Module):
    """Direct addition: no parameters.

    Example
    -------
    >>> DAF()(torch.ones(1, 2), torch.ones(1, 2)).tolist()
    [[2.0, 2.0]]
    """

    def forward(self, whole: torch.Tensor, chunks: torch.Tensor) -> torch.Tensor:
        """Adds two maps of one shape."""
        return whole + chunks


class AFF(nn.Module):
    """Attentional feature fusion: a weight for each channel and place.

    ``w = sigmoid(L(x + r) + G(x + r))`` with a pointwise bottleneck L and the same
    over the mean of the map, G. The output is ``2 x w + 2 r (1 - w)``: the factor 2 is
    in the code that the checkpoints were trained with, not in the paper's equation.

    Arguments
    ---------
    channels : int
        Channels of the maps.
    dims : int
        1 for maps ``[batch, channels, time]``, 2 for images.

    Example
    -------
    >>> AFF(64, dims=2)(torch.randn(1, 64, 8, 8), torch.randn(1, 64, 8, 8)).shape
    torch.Size([1, 64, 8, 8])
    """

    def __init__(self, channels: int, dims: int):
        super().__init__()
        pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)[dims - 1]
        self.local_att = nn.Sequential(*_bottleneck(channels, dims))
        self.global_att = nn.Sequential(pool(1), *_bottleneck(channels, dims))

    def forward(self, whole: torch.Tensor, chunks: torch.Tensor) -> torch.Tensor:
        """Fuses two maps of one shape, ``[batch, channels, ...]``.

        In training, a batch of one is doubled: its mean is one value a channel, and
        batch normalisation needs two.
        """
        if self.training and len(whole) == 1:
            whole, chunks = torch.cat([whole, whole]), torch.cat([chunks, chunks])
            return self._fuse(whole, chunks)[:1]
        return self._fuse(whole, chunks)

    def _fuse(self, whole: torch.Tensor, chunks: torch.Tensor) -> torch.Tensor:
        both = whole + chunks
        weight = torch.sigmoid(self.local_att(both) + self.global_att(both))
        return 2 * whole * weight + 2 * chunks * (1 - weight)


class IterativeAFF(AFF):
    """Two rounds of attention: the first one's result gives the second one's weight.

    Both rounds share ``global_att``, as in the code that the checkpoints were trained
    with; their ``global_att2`` was never used, and there is none here. No factor 2.

    Arguments
    ---------
    channels : int
        Channels of the maps.
    dims : int
        1 for maps ``[batch, channels, time]``, 2 for images.

    Example
    -------
    >>> fusion = IterativeAFF(64, dims=1).eval()
    >>> fusion(torch.randn(2, 64, 9), torch.randn(2, 64, 9)).shape
    torch.Size([2, 64, 9])
    """

    def __init__(self, channels: int, dims: int):
        super().__init__(channels, dims)
        self.local_att2 = nn.Sequential(*_bottleneck(channels, dims))

    def _fuse(self, whole: torch.Tensor, chunks: torch.Tensor) -> torch.Tensor:
        mixed = whole + chunks
        for local_att in (self.local_att, self.local_att2):
            weight = torch.sigmoid(local_att(mixed) + self.global_att(mixed))
            mixed = whole * weight + chunks * (1 - weight)
        return mixed


CHANNEL_MAP = "channel_map"
_BLOCKS = {"daf": lambda channels, dims: DAF(), "aff": AFF, "iaff": IterativeAFF}
FUSIONS = (*(f"{name}_{dims}d" for dims in (2, 1) for name in _BLOCKS), CHANNEL_MAP)


def fusion_dims(fusion: str | None) -> int:
    """Tells where a kind of fusion works.

    Arguments
    ---------
    fusion : str or None
        One of :data:`FUSIONS`, or None.

    Returns
    -------
    int
        1 for the log-mel, 2 for the first feature map, 0 where there is no block.

    Raises
    ------
    ValueError
        If there is no such kind.

    Example
    -------
    >>> fusion_dims("aff_1d"), fusion_dims("channel_map"), fusion_dims(None)
    (1, 0, 0)
    """
    if fusion is not None and fusion not in FUSIONS:
        raise ValueError(f"fusion is null or one of {list(FUSIONS)}, not {fusion!r}")
    return 0 if fusion in (None, CHANNEL_MAP) else int(fusion[-2])


def fusion_block(fusion: str, channels: int) -> nn.Module:
    """Builds the block of a kind of fusion.

    Arguments
    ---------
    fusion : str
        A kind with a block, such as ``aff_2d``.
    channels : int
        Channels of the maps.

    Returns
    -------
    nn.Module
        ``(whole, chunks) -> fused``, all of one shape.

    Example
    -------
    >>> type(fusion_block("iaff_2d", 96)).__name__
    'IterativeAFF'
    """
    name, _, _ = fusion.rpartition("_")
    return _BLOCKS[name](channels, fusion_dims(fusion))


def fuse_long_clips(
    fuse: Callable[[torch.Tensor], torch.Tensor],
    whole: torch.Tensor,
    longer: torch.Tensor,
    training: bool,
) -> torch.Tensor:
    """Replaces the maps of long clips by fused ones; those of others stay.

    In training, a batch without a long clip runs the fusion on its first clip and
    leaves the result out (LAION marks a random clip as long, and embeds it wrongly).
    So every parameter has a gradient, if a zero one, and synchronised batch
    normalisation meets on all ranks. In eval mode nothing is computed that is not used.

    Arguments
    ---------
    fuse : callable
        Places of clips in the batch, ``[rows]``, to their fused maps.
    whole : torch.Tensor
        Maps of the shrunk clips, ``[batch, ...]``.
    longer : torch.Tensor
        ``[batch]``, True for long clips.
    training : bool
        Whether gradients are needed everywhere.

    Returns
    -------
    torch.Tensor
        As ``whole``.

    Example
    -------
    >>> whole, longer = torch.ones(3, 2), torch.tensor([False, True, False])
    >>> fuse_long_clips(lambda rows: whole[rows] + 1, whole, longer, False).tolist()
    [[1.0, 1.0], [2.0, 2.0], [1.0, 1.0]]
    """
    if torch.compiler.is_exporting() and not training:  # a graph has no such choice
        rows = torch.arange(whole.shape[0], device=whole.device)
        kept = longer.view(-1, *[1] * (whole.dim() - 1))
        return torch.where(kept, fuse(rows).to(whole.dtype), whole)
    rows = longer.nonzero().flatten()
    if not len(rows):
        if not training:
            return whole
        rows = rows.new_zeros(1)
    kept = longer[rows].view(-1, *[1] * (whole.dim() - 1))
    fused = torch.where(kept, fuse(rows).to(whole.dtype), whole[rows])
    return whole.index_copy(0, rows, fused)


def _bottleneck(channels: int, dims: int) -> list[nn.Module]:
    convolution = (nn.Conv1d, nn.Conv2d)[dims - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d)[dims - 1]
    inner = channels // REDUCTION
    return [
        convolution(channels, inner, kernel_size=1),
        norm(inner),
        nn.ReLU(),
        convolution(inner, channels, kernel_size=1),
        norm(channels),
    ]
