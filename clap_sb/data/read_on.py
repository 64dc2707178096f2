"""Spans of a stream that seeks wrong, or not at all: read on, from before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from clap_sb.data.decode_limit import gets_on


class ReadOn:
    """Reads spans of a stream by decoding it in one go.

    Where decoders seek in compressed streams, what they give is not what the whole has
    there: libsndfile lands wrong in Vorbis, and in MP3 lacks what was before
    (docs/formats.md). Read on without seeking, a span has the bits of the whole. What
    was read last is kept, so that spans may overlap; one that begins before it costs
    all that lies before, unless a run-up will do.

    Arguments
    ---------
    start : callable
        Gives the blocks of the stream, ``[frames, channels]`` each, from a frame on.
    run_up : int, optional
        Frames to decode after a seek until all is as in the whole; the stream is never
        sought if None, and ``start`` is called with 0 alone.

    Example
    -------
    >>> stream = ReadOn(lambda at: iter(np.arange(10.0).reshape(5, 2, 1)))
    >>> stream.read(3, 6).ravel().tolist(), stream.read(0, 1).ravel().tolist()
    ([3.0, 4.0, 5.0], [0.0])
    """

    def __init__(
        self, start: Callable[[int], Iterator[np.ndarray]], run_up: int | None = None
    ):
        self._start, self._run_up = start, run_up
        self._restart(0)

    def _restart(self, begin: int) -> None:
        self._blocks = self._start(begin)
        self._kept: list[np.ndarray] = []
        self._begin = self._end = begin

    def read(self, begin: int, end: int) -> np.ndarray:
        """Decodes a span.

        Arguments
        ---------
        begin : int
            First frame.
        end : int
            The one after the last.

        Returns
        -------
        np.ndarray
            ``[frames, channels]``; fewer frames where the stream ends.
        """
        if self._run_up is None:
            if begin < self._begin:
                self._restart(0)
        elif not self._begin <= begin <= self._end + self._run_up:
            self._restart(max(0, begin - self._run_up))
        while self._end < end and (block := next(self._blocks, None)) is not None:
            gets_on()
            self._kept.append(block)
            self._end += len(block)
            while self._begin + len(self._kept[0]) <= min(begin, self._end - 1):
                self._begin += len(self._kept.pop(0))
        if not self._kept:
            return np.zeros((0, 1), np.float32)
        frames = np.concatenate(self._kept)[begin - self._begin :]
        self._kept, self._begin = [frames], min(begin, self._end)
        # a copy, for what is done to it must not be done to what is kept
        return frames[: max(0, end - begin)].copy()
