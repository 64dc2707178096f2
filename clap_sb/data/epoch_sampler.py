"""Order of the training clips, a function of (seed, epoch) and split over the ranks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from clap_sb.data.keys import generator_for


class EpochSampler(Sampler):
    """Yields ``(epoch, index)`` for each clip of this rank, shuffled.

    The epoch travels with the index, so a worker that was started long ago draws for
    the right epoch. All ranks get equally many; up to ``ranks - 1`` clips are left out
    of an epoch, other ones each time.

    Arguments
    ---------
    size : int
        Number of clips.
    seed : int
        Seed of the order.
    rank : int
        This process.
    num_ranks : int
        Number of processes.

    Example
    -------
    >>> parts = [EpochSampler(5, seed=1, rank=rank, num_ranks=2) for rank in (0, 1)]
    >>> for part in parts:
    ...     part.set_epoch(3)
    >>> first, second = map(list, parts)
    >>> len(first), len(second), set(first) & set(second)
    (2, 2, set())
    """

    def __init__(self, size: int, seed: int, rank: int = 0, num_ranks: int = 1):
        self.size = size
        self.seed = seed
        self.rank = rank
        self.num_ranks = num_ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch; SpeechBrain calls it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Clips an epoch for this rank."""
        return self.size // self.num_ranks

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yields the pairs of this epoch."""
        generator = generator_for(self.seed, self.epoch, "order")
        order = torch.randperm(self.size, generator=generator).tolist()
        stop = len(self) * self.num_ranks
        for index in order[self.rank : stop : self.num_ranks]:
            yield self.epoch, index
