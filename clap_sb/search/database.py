"""The database of an index: patient with other processes, and clear about mistakes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clap_sb.search.errors import SearchError, remake

# A reader that opens a large index, or an update that gives back much room, takes a
# while, and the others wait for it.
PATIENCE_SECONDS = 60

_AGAIN = "and run this again: nothing that was finished is lost"
_REMAKE = "it is no index, or damaged: {remake}"
# What SQLite says, in part, and what to do about it.
_REMEDIES = {
    "locked": f"another process has held it for long: wait until it is done, {_AGAIN}",
    "full": f"make room on the disk, {_AGAIN}",
    "readonly": f"see that you may write to its folder, {_AGAIN}",
    "unable to open": f"see that you may read and write its folder, {_AGAIN}",
    "disk I/O error": f"see that its disk is mounted and has room, {_AGAIN}",
}


class Database:
    """An SQLite file.

    It has the plain rollback journal: a write-ahead log would let readers and a writer
    go on side by side, but does not work on network disks, and readers would have to
    write. Only committing a change keeps readers out, however large the change is.

    Arguments
    ---------
    path : Path
        The file; made if it is missing.

    Raises
    ------
    SearchError
        By all methods, if the file cannot be read or written.

    Example
    -------
    >>> database = Database(getfixture("tmp_path") / "index.sqlite")
    >>> with database.transaction() as connection:
    ...     _ = connection.execute("CREATE TABLE facts (name TEXT)")
    ...     _ = connection.execute("INSERT INTO facts VALUES ('format')")
    >>> list(database.rows("SELECT name FROM facts"))
    [('format',)]
    """

    def __init__(self, path: Path):
        self.path = path
        with self._explained():
            # a server answers from several threads, one after the other
            self._connection = sqlite3.connect(
                path, timeout=PATIENCE_SECONDS, check_same_thread=False
            )
            # a change that outgrows the cache would lock the file before its end
            self._connection.execute("PRAGMA cache_spill = OFF")

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple]:
        """Reads.

        Arguments
        ---------
        query : str
            In SQL.
        values : sequence
            Its parameters.

        Yields
        ------
        tuple
            Each row of the answer.
        """
        with self._explained():
            yield from self._connection.execute(query, values)

    def value(self, query: str, values: Sequence[Any] = ()) -> Any:
        """Reads the first value of the first row.

        Arguments
        ---------
        query : str
            In SQL.
        values : sequence
            Its parameters.

        Returns
        -------
        whatever it is
        """
        with self._explained():
            return self._connection.execute(query, values).fetchone()[0]

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """What is written within is there as a whole, or not at all.

        Yields
        ------
        sqlite3.Connection
            To write with.
        """
        with self._explained(), self._connection:
            yield self._connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read within belongs together: nobody writes meanwhile."""
        with self._explained():
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            remedy = _REMAKE  # whatever else there is to say
            for part, known in _REMEDIES.items():
                if part in str(error):
                    remedy = known
                    break
            remedy = remedy.format(remake=remake(self.path.parent))
            raise SearchError(f"{self.path}: {error}: {remedy}") from error
