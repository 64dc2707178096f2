"""Threads that compute towers side by side, each with its share of torch's threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch

from clap_sb.inference.ahead import threads

MOST = 4
"""Threads that compute a tower side by side: each has a batch in memory."""


class _Shares:
    """How many threads have a share now, whoever asked for them."""

    def __init__(self):
        self._lock = threading.Lock()
        self._count = 0

    def take(self, num_threads: int) -> None:
        """For the thread that calls."""
        with self._lock:
            self._count += 1
            torch.set_num_threads(num_threads)

    def give_back(self, count: int, before: int) -> None:
        """For threads that have ended."""
        with self._lock:
            self._count -= count
            if count and not self._count:
                torch.set_num_threads(before)


_shares = _Shares()


@contextlib.contextmanager
def tower_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Some threads, among which those that torch may take are shared out.

    A team of threads waits for its slowest member after each step of a tower, and the
    whole team for a core that is busy with a sound. Threads with batches of their own
    wait for nothing.

    ``torch.set_num_threads`` is for the thread that calls it, but also for threads that
    begin later, and for all of them in what MKL computes. So the number is put back
    when the last thread with a share has ended. The number of the thread that asks for
    them is never another one.

    Arguments
    ---------
    count : int
        How many, at most as many as torch has.

    Yields
    ------
    ThreadPoolExecutor

    Example
    -------
    >>> before = torch.get_num_threads()
    >>> with tower_threads(1) as pool:
    ...     pool.submit(torch.get_num_threads).result() == before
    True
    """
    before = torch.get_num_threads()
    begun: list[int] = []

    def take_share() -> None:
        begun.append(threading.get_ident())
        _shares.take(before // count)

    try:
        with threads(count, take_share) as pool:
            yield pool
    finally:
        _shares.give_back(len(begun), before)
