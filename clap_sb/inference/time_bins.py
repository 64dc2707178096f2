"""Bins over a sound: what pieces that overlap say of each, and which are silent."""

from __future__ import annotations

import torch

from clap_sb.inference.window_embeddings import WindowEmbeddings
from clap_sb.inference.windows import Sound

_BLOCK = 10.0  # seconds that are read at once


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


class Audible:
    """Knows of each bin of a sound whether it is louder than silence.

    Where nothing sounds, a model still has cosines with all labels: those of the words
    that it learned from recordings that were filled up with zeros.

    Arguments
    ---------
    sound : Sound
        Open; it is read bit by bit.
    sample_rate : int
        Its rate, Hz.
    edges : torch.Tensor
        Borders of the bins, seconds, ``[bins + 1]``, float64.
    silence_db : float
        Root mean square below which a bin is silent, dB of full scale; minus infinity
        for none.

    Example
    -------
    >>> from clap_sb.inference.audio_input import WaveformInput
    >>> wav = torch.cat([torch.zeros(10), torch.ones(20), torch.zeros(10)])
    >>> edges = torch.arange(5, dtype=torch.float64)
    >>> audible = Audible(WaveformInput(wav, 10, 10), 10, edges, -70.0)
    >>> audible.bins.tolist()
    [False, True, True, False]
    >>> audible.seconds(torch.tensor([0.0, 2.5]), torch.tensor([1.5, 4.0])).tolist()
    [0.5, 0.5]
    """

    def __init__(
        self, sound: Sound, sample_rate: int, edges: torch.Tensor, silence_db: float
    ):
        self._edges = edges
        borders = (edges * sample_rate).round().long().tolist()
        borders[-1] = sound.num_samples
        at_once = max(1, round(_BLOCK / (edges[1] - edges[0]).item()))
        levels = []
        for place in range(0, len(borders) - 1, at_once):
            group = borders[place : place + at_once + 1]
            span = sound.read(group[0], group[-1])
            sizes = torch.tensor(group).diff().tolist()
            levels += [part.square().mean() for part in span.split(sizes)]
        self.bins = 10 * torch.stack(levels).log10() >= silence_db
        lasting = edges.diff() * self.bins
        self._until = torch.nn.functional.pad(lasting.cumsum(0), (1, 0))

    def seconds(self, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        """How long something sounds within stretches of time.

        Arguments
        ---------
        start : torch.Tensor
            Where each begins, seconds, of any shape.
        end : torch.Tensor
            Where each ends, seconds, of that shape.

        Returns
        -------
        torch.Tensor
            Seconds, float64; 0 where a stretch ends before it begins.
        """
        return (self._before(end) - self._before(start)).clamp(min=0)

    def _before(self, time: torch.Tensor) -> torch.Tensor:
        time = time.double().clamp(0, self._edges[-1].item())
        place = torch.searchsorted(self._edges, time, right=True) - 1
        place = place.clamp(max=len(self.bins) - 1)
        return self._until[place] + (time - self._edges[place]) * self.bins[place]
