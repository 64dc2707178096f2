"""One writer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from clap_sb.data.file_lock import file_lock
from clap_sb.search.errors import SearchError


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an index's lock; the system frees it when the process ends.

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
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(file_lock(path, wait=False))
        except BlockingIOError as error:
            raise SearchError(
                f"another process is writing to {path.parent}: wait until it is done"
            ) from error
        except OSError as error:
            raise SearchError(
                f"{path} cannot be locked ({error.strerror}): put the index on a "
                "disk that has locks, which some network disks do not"
            ) from error
        yield
