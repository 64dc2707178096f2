"""A limit on how long a decoder may stand still; its file is left alone then."""

from __future__ import annotations

import functools
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from clap_sb.data.audio_source import AudioError, source_name

_Result = TypeVar("_Result")

SECONDS = 120.0
"""That a decoder may take for a block, of the tenth of a second or half a minute."""

_local = threading.local()


class _Helper:
    """A thread that decodes for another one, which can leave it behind."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._began = [0.0]  # with the block that is decoded now
        self._calls: queue.SimpleQueue = queue.SimpleQueue()
        self._results: queue.SimpleQueue = queue.SimpleQueue()
        parts = self._calls, self._results, self._began
        threading.Thread(target=_serve, args=parts, daemon=True, name="decoder").start()

    def __del__(self) -> None:
        self._calls.put(None)

    def run(self, call: Callable[[], _Result]) -> _Result:
        """Has it called; `queue.Empty` where it stands still."""
        self._began[0] = time.monotonic()
        self._calls.put(call)
        while True:
            left = self._began[0] + SECONDS - time.monotonic()
            try:
                result, error = self._results.get(timeout=max(0.0, left))
            except queue.Empty:
                if time.monotonic() < self._began[0] + SECONDS:
                    continue  # it has got on meanwhile
                raise
            if error is not None:
                raise error
            return result


def _serve(calls: queue.SimpleQueue, results: queue.SimpleQueue, began: list) -> None:
    _local.began = began
    while (call := calls.get()) is not None:
        try:
            results.put((call(), None))
        except BaseException as error:
            results.put((None, error))
        del call


def limited(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Has a function that decodes a file end, with the file named, if it stands still.

    C cannot be interrupted: the decoder is left to itself, in a thread that is not
    waited for, and whoever reads goes on with other files.

    Arguments
    ---------
    function : callable
        Takes a file, or an open decoder, and whatever else.

    Returns
    -------
    callable
        Does the same; an :class:`~clap_sb.data.audio_source.AudioError` if no block is
        decoded within :data:`SECONDS`.

    Example
    -------
    >>> limited(lambda path: f"read {path}")("a.wav")
    'read a.wav'
    """

    @functools.wraps(function)
    def call(source: Any, *arguments: Any, **options: Any) -> _Result:
        if hasattr(_local, "began"):  # in such a thread already
            gets_on()
            return function(source, *arguments, **options)
        helper = getattr(_local, "helper", None)
        if helper is None or helper.process != os.getpid():
            helper = _Helper()
        _local.helper = None  # one that is left behind is not used again
        try:
            result = helper.run(
                functools.partial(function, source, *arguments, **options)
            )
        except queue.Empty:
            name = source_name(source)
            if hasattr(source, "source"):  # an open decoder, which is still in use
                name, source.close = source_name(source.source), _leave_open
            raise AudioError(
                f"{name}: its decoder has stood still for {SECONDS:g} s, and is left "
                "to itself: take the file away, or make it anew"
            ) from None
        except Exception:
            _local.helper = helper
            raise
        _local.helper = helper
        return result

    return call


def _leave_open() -> None:
    """In place of what would free what a decoder still works with."""


def gets_on() -> None:
    """Tells that a block was decoded: the limit is counted anew.

    Example
    -------
    >>> gets_on()
    """
    if hasattr(_local, "began"):
        _local.began[0] = time.monotonic()
