"""Segments: what sounds from when to when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

# seconds that an annotation may be longer than its recording
_ROUNDING = 0.5


@dataclass(frozen=True)
class Segment:
    """A stretch of time with a label.

    Arguments
    ---------
    label : str
        What sounds.
    start : float
        From when on, seconds.
    end : float
        Until when, seconds.
    score : float
        How sure that is: the mean probability within.

    Example
    -------
    >>> Segment("dog", 1.0, 3.0, 0.9).overlap(Segment("dog", 2.0, 4.0, 0.5))
    0.3333333333333333
    """

    label: str
    start: float
    end: float
    score: float = 1.0

    def overlap(self, other: Segment) -> float:
        """Intersection over union of the two stretches, whatever their labels.

        Arguments
        ---------
        other : Segment
            Another one.

        Returns
        -------
        float
            From 0 to 1.
        """
        both = min(self.end, other.end) - max(self.start, other.start)
        either = max(self.end, other.end) - min(self.start, other.start)
        return max(0.0, both) / either if either > 0 else 0.0

    def check_within(self, duration: float, where: str) -> None:
        """Makes sure that it is a stretch of a recording.

        Arguments
        ---------
        duration : float
            Of the recording, seconds.
        where : str
            The row or the file that says so, for the error.

        Raises
        ------
        ValueError
            If it begins before or after the recording, or ends before it begins, or
            more than half a second after the recording: so much does rounding to whole
            seconds add.

        Example
        -------
        >>> Segment("dog", 0.0, 4.0).check_within(3.98, "a.csv, line 2")
        >>> try:
        ...     Segment("dog", 0.0, 4000.0).check_within(3.98, "a.csv, line 2")
        ... except ValueError as error:
        ...     print(str(error).partition(":")[0])
        a.csv, line 2
        """
        begins_within = 0 <= self.start < min(self.end, duration)
        if not begins_within or self.end > duration + _ROUNDING:
            raise ValueError(
                f"{where}: {self.label!r} is annotated from {self.start:g} to "
                f"{self.end:g} s in a recording of {duration:.3f} s. Times are in "
                "seconds from its beginning: are these in another unit, or of another "
                "file?"
            )


def find_segments(
    probability: torch.Tensor,
    edges: torch.Tensor,
    labels: Sequence[str],
    threshold: float = 0.5,
    min_duration: float = 0.0,
    max_gap: float = 0.0,
) -> list[Segment]:
    """Finds the stretches in which a label is likely.

    Arguments
    ---------
    probability : torch.Tensor
        ``[bins, labels]``.
    edges : torch.Tensor
        Borders of the bins, seconds, ``[bins + 1]``.
    labels : sequence of str
        Names.
    threshold : float
        A bin belongs to a label if its probability is higher than this.
    min_duration : float
        Shorter segments are dropped, seconds.
    max_gap : float
        Gaps of at most this length within a segment are closed first, seconds.

    Returns
    -------
    list of Segment
        By start, then by label.

    Example
    -------
    >>> probability = torch.tensor([[0.9], [0.1], [0.7], [0.0]])
    >>> find_segments(probability, torch.arange(5.0), ["dog"], max_gap=1.0)
    [Segment(label='dog', start=0.0, end=3.0, score=0.567)]
    """
    found = []
    for column, label in zip(probability.T, labels, strict=True):
        for first, last in _closed(_runs(column > threshold), edges, max_gap):
            start, end = edges[first].item(), edges[last].item()
            if end - start >= min_duration:
                score = round(column[first:last].mean().item(), 3)
                found.append(Segment(label, start, end, score))
    return sorted(found, key=lambda segment: (segment.start, segment.label))


def _runs(active: torch.Tensor) -> list[tuple[int, int]]:
    """First bin, and the one after the last, of each stretch that is True."""
    padded = torch.nn.functional.pad(active.int(), (1, 1))
    change = padded.diff()
    starts = (change == 1).nonzero().flatten().tolist()
    ends = (change == -1).nonzero().flatten().tolist()
    return list(zip(starts, ends, strict=True))


def _closed(
    runs: list[tuple[int, int]], edges: torch.Tensor, max_gap: float
) -> list[tuple[int, int]]:
    """Runs with the short gaps between them closed."""
    closed: list[tuple[int, int]] = []
    for first, last in runs:
        if closed and (edges[first] - edges[closed[-1][1]]).item() <= max_gap + 1e-9:
            closed[-1] = (closed[-1][0], last)
        else:
            closed.append((first, last))
    return closed
