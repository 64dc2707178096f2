"""One writer at a time."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from clap_sb.search.errors import SearchError


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a file's lock; the system frees it when the process ends, however it ends.

    Arguments
    ---------
    path : Path
        A file for this purpose; made if it is missing.

    Raises
    ------
    SearchError
        If another process holds it, or the disk has no locks.

    Example
    -------
    >>> with locked(getfixture("tmp_path") / "lock"):
    ...     print("alone")
    alone
    """
    with open(path, "ab") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise SearchError(
                    f"{path} cannot be locked ({error.strerror}): put the index on a "
                    "disk that has locks, which some network disks do not"
                ) from error
            raise SearchError(
                f"another process is writing to {path.parent}: wait until it is done"
            ) from error
        yield


if os.name == "nt":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
