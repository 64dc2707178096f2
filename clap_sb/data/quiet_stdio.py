"""Keeps libraries written in C from talking to the terminal."""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_within = 0


@contextmanager
def quiet_stdio() -> Iterator[None]:
    """Lets go unprinted what C prints to its standard error within.

    libmpg123, which libsndfile reads MP3 with, prints some lines for each damaged
    frame, and takes no wish for silence through libsndfile. Python's own standard
    error is another, and goes on, in this thread and in others. On systems without
    glibc, nothing is kept from printing.

    Example
    -------
    >>> with quiet_stdio():
    ...     print("heard")
    heard
    """
    known = _streams()
    if known is None:
        yield
        return
    stream, loud, silent = known
    global _within
    with _lock:
        _within += 1
        stream.value = silent
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if not _within:
                stream.value = loud


@functools.cache
def _streams() -> tuple[ctypes.c_void_p, int | None, int | None] | None:
    """Where glibc keeps its standard error, that, and one that leads nowhere."""
    if os.name != "posix":
        return None
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):  # of others it cannot be exchanged
        return None
    stream = ctypes.c_void_p.in_dll(libc, "stderr")
    libc.fopen.restype = ctypes.c_void_p
    silent = libc.fopen(os.devnull.encode(), b"w")
    return (stream, stream.value, silent) if silent else None
