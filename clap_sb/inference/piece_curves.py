"""Curves over time from pieces of a sound that overlap."""

from __future__ import annotations

import torch

from clap_sb.inference.window_embeddings import WindowEmbeddings


def bin_edges(duration: float, width: float) -> torch.Tensor:
    """Borders of equal bins over a sound; the last may be narrower.

    Arguments
    ---------
    duration : float
        Seconds.
    width : float
        Seconds.

    Returns
    -------
    torch.Tensor
        ``[bins + 1]``, float64.

    Example
    -------
    >>> bin_edges(1.1, 0.5).tolist()
    [0.0, 0.5, 1.0, 1.1]
    """
    count = max(1, round(duration / width + 0.4999))
    edges = torch.arange(count + 1, dtype=torch.float64) * width
    edges[-1] = duration
    return edges


def mean_over_pieces(
    values: torch.Tensor, pieces: WindowEmbeddings, edges: torch.Tensor
) -> torch.Tensor:
    """Averages, in each bin, over the pieces that cover its middle.

    Arguments
    ---------
    values : torch.Tensor
        ``[pieces, columns]``.
    pieces : WindowEmbeddings
        When each piece begins and ends.
    edges : torch.Tensor
        Borders of the bins, seconds, ``[bins + 1]``.

    Returns
    -------
    torch.Tensor
        ``[bins, columns]``.

    Example
    -------
    >>> start = torch.tensor([0.0, 1.0], dtype=torch.float64)
    >>> pieces = WindowEmbeddings(start, start + 2, torch.zeros(2, 1))
    >>> edges = bin_edges(3.0, 1.0)
    >>> mean_over_pieces(torch.tensor([[0.0], [1.0]]), pieces, edges).flatten().tolist()
    [0.0, 0.5, 1.0]
    """
    middle = (edges[:-1] + edges[1:]) / 2
    first = torch.searchsorted(middle, pieces.start)
    last = torch.searchsorted(middle, pieces.end)
    change = values.new_zeros(len(middle) + 1, values.shape[1] + 1).double()
    weighted = torch.cat([values, values.new_ones(len(values), 1)], dim=1).double()
    change.index_add_(0, first, weighted).index_add_(0, last, -weighted)
    total = change.cumsum(0)[:-1]
    return (total[:, :-1] / total[:, -1:].clamp(min=1)).float()
