"""A lock that is given in the order in which it was asked for."""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """A lock for the index and its model, which many ask for.

    One of :mod:`threading` goes to whoever is quickest, which is whoever has just let
    go of it: a long sound, embedded batch by batch, would have it all the time.

    Example
    -------
    >>> lock = FairLock()
    >>> with lock:
    ...     print("alone")
    alone
    """

    def __init__(self):
        self._own = threading.Lock()
        self._is_held = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> FairLock:
        """Waits until it is one's turn."""
        with self._own:
            if not self._is_held:
                self._is_held = True
                return self
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Hands it on to who has waited longest."""
        with self._own:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_held = False
