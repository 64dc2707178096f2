"""Sample rates and channels of files: read from them, and noted in an index."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from clap_sb.search.database import Database
from clap_sb.search.facts import believed, whole_count
from clap_sb.search.records import Header
from clap_sb.search.schema import HEADERS

if TYPE_CHECKING:
    from clap_sb.search.store import Store

_AT_ONCE = 500


class NotedHeaders:
    """The table of an index that holds them; an index of an older version has none.

    Arguments
    ---------
    database : Database
        The index's.

    Example
    -------
    >>> noted = NotedHeaders(Database(getfixture("tmp_path") / "index.sqlite"))
    >>> noted.all()
    {}
    >>> noted.add({7: Header(48000, 2)})
    >>> noted.of(7)
    Header(rate=48000, channels=2)
    """

    def __init__(self, database: Database):
        self._database = database

    def all(self) -> dict[int, Header]:
        """Gives those that are noted.

        Returns
        -------
        dict
            Id of a sound to its header.
        """
        return self._read("")

    def of(self, sound: int) -> Header | None:
        """Gives that of one sound.

        Arguments
        ---------
        sound : int
            Its id.

        Returns
        -------
        Header or None
            None if it is not noted.
        """
        return self._read("WHERE sound = ?", sound).get(sound)

    def add(self, headers: Mapping[int, Header]) -> None:
        """Notes some.

        Arguments
        ---------
        headers : mapping
            Id of a sound to its header.
        """
        with self._database.transaction() as connection:
            self.write(connection, headers)

    @staticmethod
    def write(connection: sqlite3.Connection, headers: Mapping[int, Header]) -> None:
        """Notes some, as a part of a transaction.

        Arguments
        ---------
        connection : sqlite3.Connection
            Of that transaction.
        headers : mapping
            As of :meth:`add`.
        """
        connection.execute(HEADERS)
        connection.executemany(
            "INSERT OR REPLACE INTO headers VALUES (?, ?, ?)",
            [(sound, *vars(header).values()) for sound, header in headers.items()],
        )

    @staticmethod
    def forget(connection: sqlite3.Connection) -> None:
        """Takes those of sounds away that the index has no more.

        Arguments
        ---------
        connection : sqlite3.Connection
            Of the transaction that took the sounds away.
        """
        connection.execute(HEADERS)
        connection.execute(
            "DELETE FROM headers WHERE sound NOT IN (SELECT id FROM sounds)"
        )

    def _read(self, which: str, *values: int) -> dict[int, Header]:
        tables = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'headers'"
        if not self._database.value(tables):
            return {}
        query = f"SELECT sound, rate, channels FROM headers {which}"
        with believed(self._database.path):
            return {
                whole_count(sound): Header(whole_count(rate), whole_count(channels))
                for sound, rate, channels in self._database.rows(query, values)
            }


def read_header(path: str) -> Header | None:
    """Reads the header of a file.

    Arguments
    ---------
    path : str
        The file.

    Returns
    -------
    Header or None
        None if it is gone, or cannot be read any more.
    """
    from clap_sb.data.audio_source import AudioError
    from clap_sb.data.decoders import choose_decoder

    try:
        decoder = choose_decoder(path)(path)
    except (AudioError, OSError):
        return None
    decoder.close()
    return Header(decoder.sample_rate, decoder.num_channels)


def note_missing(
    store: Store,
    files: Mapping[str, object],
    begin: Callable[[int], Callable[[int], object]] | None = None,
) -> None:
    """Notes what an index of an older version does not have.

    Arguments
    ---------
    store : Store
        The index, locked.
    files : mapping
        Full names of those that are there, as they were when they were embedded.
    begin : callable, optional
        Called with the number of files to read, if there is one; gives what is called
        with each number of files that were read.
    """
    noted = store.headers.all()
    missing = {
        record.sound: path
        for path, record in store.files().items()
        if record.sound is not None and record.sound not in noted and path in files
    }
    report = begin(len(missing)) if begin and missing else lambda files: None
    todo = list(missing.items())
    for first in range(0, len(todo), _AT_ONCE):
        read = {}
        for sound, path in todo[first : first + _AT_ONCE]:
            read[sound] = read_header(path)
            report(1)
        store.headers.add({s: header for s, header in read.items() if header})
