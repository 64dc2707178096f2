"""Windows over a sound of any length, read bit by bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol, TypeVar

import torch

from clap_sb.clips import window_starts

Item = TypeVar("Item")


class Sound(Protocol):
    """What windows are cut from: an open file, or a waveform in memory."""

    @property
    def num_samples(self) -> int:
        """Length of the waveform."""

    def read(self, begin: int, end: int) -> torch.Tensor:
        """Gives a span, ``[time]``."""


def check_batch_size(count: int) -> int:
    """Refuses a batch of nothing.

    Arguments
    ---------
    count : int
        How many at once.

    Returns
    -------
    int
        The same.

    Raises
    ------
    ValueError
        If it is less than 1.

    Example
    -------
    >>> check_batch_size(0)
    Traceback (most recent call last):
    ...
    ValueError: batch_size is 0: give a whole number of at least 1
    """
    if count < 1:
        raise ValueError(f"batch_size is {count}: give a whole number of at least 1")
    return count


def read_windows(
    sound: Sound, size: int, hop: int | None = None, at_once: int = 16
) -> Iterator[torch.Tensor]:
    """Reads the windows of a sound, never more than a few at once.

    Arguments
    ---------
    sound : Sound
        Where they come from.
    size : int
        Samples in a window; a shorter sound is one window, as long as it is.
    hop : int, optional
        Samples from one window to the next; ``size`` unless given. The last window
        ends the sound.
    at_once : int
        Windows that are read together.

    Yields
    ------
    torch.Tensor
        ``[time]``.

    Example
    -------
    >>> from clap_sb.inference.audio_input import WaveformInput
    >>> sound = WaveformInput(torch.arange(25.0), 10, 10)
    >>> [window.tolist()[0] for window in read_windows(sound, 10)]
    [0.0, 10.0, 15.0]
    """
    starts = window_starts(sound.num_samples, size, hop)
    for place in range(0, len(starts), check_batch_size(at_once)):
        group = starts[place : place + at_once]
        span = sound.read(group[0], min(group[-1] + size, sound.num_samples))
        for start in group:
            yield span[start - group[0] : start - group[0] + size]


def batched(
    windows: Iterable[tuple[int, torch.Tensor]], size: int, batch_size: int
) -> Iterator[list[tuple[int, torch.Tensor]]]:
    """Groups windows; one that is longer than ``size`` goes alone.

    Arguments
    ---------
    windows : iterable of (int, torch.Tensor)
        Whose window it is, and the window, ``[time]``.
    size : int
        Samples in a window of the usual size.
    batch_size : int
        Windows in a group, at most.

    Yields
    ------
    list of (int, torch.Tensor)

    Example
    -------
    >>> windows = [(0, torch.zeros(4)), (1, torch.zeros(9)), (2, torch.zeros(4))]
    >>> [[whose for whose, _ in group] for group in batched(windows, 5, 2)]
    [[1], [0, 2]]
    """
    group: list[tuple[int, torch.Tensor]] = []
    for window in windows:
        if len(window[1]) > size:
            yield [window]
            continue
        group.append(window)
        if len(group) == batch_size:
            yield group
            group = []
    if group:
        yield group


def grouped(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Takes things by so many.

    Arguments
    ---------
    items : iterable
        Things.
    size : int
        How many make a group; the last may have fewer.

    Yields
    ------
    list

    Example
    -------
    >>> list(grouped("abc", 2))
    [['a', 'b'], ['c']]
    """
    iterator = iter(items)
    check_batch_size(size)
    while group := list(islice(iterator, size)):
        yield group
