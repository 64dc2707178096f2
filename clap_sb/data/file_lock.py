"""One process at a time, between those that share a folder."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.1


@contextlib.contextmanager
def file_lock(path: Path, wait: bool) -> Iterator[None]:
    """Holds a file's lock; the system frees it when the process ends, however it ends.

    Arguments
    ---------
    path : Path
        A file for this purpose; made if it is missing, and left where it is.
    wait : bool
        Whether to wait for a process that holds it, which is told.

    Yields
    ------
    None

    Raises
    ------
    BlockingIOError
        If another process holds it, and is not waited for.
    OSError
        If the disk has no locks.

    Example
    -------
    >>> with file_lock(getfixture("tmp_path") / "lock", wait=False):
    ...     print("alone")
    alone
    """
    with open(path, "ab") as file:
        if not _try(file.fileno()):
            if not wait:
                raise BlockingIOError(errno.EAGAIN, "held by another process", path)
            logger.warning("waiting for another process, which holds %s", path)
            while not _try(file.fileno()):
                time.sleep(_POLL_SECONDS)
        yield


def _try(descriptor: int) -> bool:
    """Whether the lock was free, and is ours now."""
    try:
        _lock(descriptor)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return False
    return True


if os.name == "nt":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
