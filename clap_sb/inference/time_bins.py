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

    Raises
    ------
    ValueError
        If the width is not more than 0.

    Example
    -------
    >>> bin_edges(1.1, 0.5).tolist()
    [0.0, 0.5, 1.0, 1.1]
    """
    if not width > 0:
        raise ValueError(f"a hop of {width:g} s cannot be: it is more than 0")
    count = max(1, round(duration / width + 0.4999))
    edges = torch.arange(count + 1, dtype=torch.float64) * width
    edges[-1] = duration
    return edges


class PieceMeans:
    """Averages, in each bin, over the pieces that cover its middle.

    Pieces come bit by bit: what is kept grows with the bins alone.

    Arguments
    ---------
    edges : torch.Tensor
        Borders of the bins, seconds, ``[bins + 1]``.
    columns : int
        Numbers that a piece has.

    Example
    -------
    >>> means = PieceMeans(bin_edges(3.0, 1.0), 1)
    >>> start = torch.tensor([0.0, 1.0], dtype=torch.float64)
    >>> pieces = WindowEmbeddings(start, start + 2, torch.zeros(2, 1))
    >>> means.add(torch.tensor([[0.0], [1.0]]), pieces)
    >>> means.result().flatten().tolist()
    [0.0, 0.5, 1.0]
    """

    def __init__(self, edges: torch.Tensor, columns: int):
        self._middle = (edges[:-1] + edges[1:]) / 2
        # of the sums and the counts, from each bin to the next
        self._change = edges.new_zeros(len(edges), columns + 1)

    def add(self, values: torch.Tensor, pieces: WindowEmbeddings) -> None:
        """Adds some pieces.

        Arguments
        ---------
        values : torch.Tensor
            ``[pieces, columns]``.
        pieces : WindowEmbeddings
            When each piece begins and ends.
        """
        first = torch.searchsorted(self._middle, pieces.start)
        last = torch.searchsorted(self._middle, pieces.end)
        weighted = torch.cat([values, values.new_ones(len(values), 1)], dim=1).double()
        self._change.index_add_(0, first, weighted).index_add_(0, last, -weighted)

    def result(self) -> torch.Tensor:
        """The means of all pieces so far.

        Returns
        -------
        torch.Tensor
            ``[bins, columns]``.
        """
        total = self._change.cumsum(0)[:-1]
        return (total[:, :-1] / total[:, -1:].clamp(min=1)).float()
