"""Which parts of a sound are no silence."""

from __future__ import annotations

import torch

from clap_sb.inference.windows import Sound

_BLOCK = 10.0  # seconds that are read at once


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
