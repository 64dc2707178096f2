"""What an index holds on disk: its model, the sounds, the files and their vectors."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from clap_sb.search.database import Database
from clap_sb.search.errors import SearchError
from clap_sb.search.facts import (
    believed,
    check_no_link,
    read_facts,
    read_model,
    whole_count,
)
from clap_sb.search.noted_headers import NotedHeaders
from clap_sb.search.records import FileRecord, ModelFacts, NewSound
from clap_sb.search.scan import Stamp
from clap_sb.search.schema import TABLES
from clap_sb.search.vectors import Vectors

# Raised whenever an older index cannot be read any more, or holds sounds as they were
# heard otherwise (until 3, resampled by torchaudio; until 4, the mean of channels that
# cancel, and of some formats a part).
FORMAT = 4
DATABASE = "index.sqlite"
_SET_FACT = "UPDATE facts SET value = ? WHERE name = ?"


class Store:
    """The folder of an index: a database, and the vectors beside it.

    Everything that is written appears whole or not at all, also if the process is
    killed: vectors count once the database says so, and that is one transaction.

    Arguments
    ---------
    folder : str or path-like
        The index.

    Raises
    ------
    SearchError
        If there is none, or its format is another one; by all methods, if it cannot be
        read or written.

    Attributes
    ----------
    headers : NotedHeaders
        Sample rates and channels of the sounds' files.

    Example
    -------
    >>> facts = ModelFacts("f00d", "a model", "model.pt", None, "", 2, 16000, 16000)
    >>> store = Store.create(getfixture("tmp_path") / "sounds.index", facts)
    >>> ids = store.add_sounds([NewSound("ab12", 8000, np.ones((1, 2)))])
    >>> store.set_files({"/sounds/a.wav": FileRecord(Stamp(1, 1), ids["ab12"])})
    >>> store.num_rows, list(store.files_of(ids["ab12"]))
    (1, ['/sounds/a.wav'])
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        path = self.folder / DATABASE
        if not path.is_file():
            raise SearchError(
                f"there is no index in {folder}: make one with `clap-sb index`"
            )
        check_no_link(path)
        self._database = Database(path)
        self.headers = NotedHeaders(self._database)
        facts = self._facts()
        if facts.get("format") != FORMAT:
            raise SearchError(
                f"{folder} has format {facts.get('format')}, and this version of "
                f"clap_sb reads {FORMAT}: delete its folder, and make it again with "
                "`clap-sb index` and --checkpoint"
            )

    @classmethod
    def create(cls, folder: str | os.PathLike, model: ModelFacts) -> Store:
        """Makes an empty index.

        Arguments
        ---------
        folder : str or path-like
            Where; empty or missing, or with a lock file.
        model : ModelFacts
            The model whose embeddings it will hold.

        Returns
        -------
        Store
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f"{DATABASE}.tmp"
        unfinished.unlink(missing_ok=True)
        unfinished.with_name(f"{unfinished.name}-journal").unlink(missing_ok=True)
        facts = {"format": FORMAT, "model": asdict(model), "folders": []}
        facts |= {"vectors": "vectors-1.f32", "approximate": None}
        rows = [(name, json.dumps(value)) for name, value in facts.items()]
        with contextlib.closing(Database(unfinished)) as database:
            with database.transaction() as connection:
                connection.executescript(TABLES)
                connection.executemany("INSERT INTO facts VALUES (?, ?)", rows)
        os.replace(unfinished, folder / DATABASE)
        return cls(folder)

    def _facts(self) -> dict:
        with self._believed():
            return read_facts(self._database.rows("SELECT name, value FROM facts"))

    def _believed(self) -> contextlib.AbstractContextManager[None]:
        return believed(self._database.path)

    def fact(self, name: str):
        """One of the facts.

        Arguments
        ---------
        name : str
            ``folders``, ``vectors`` or ``approximate``.

        Returns
        -------
        whatever was set
        """
        facts = self._facts()
        with self._believed():
            return facts[name]

    def set_fact(self, name: str, value) -> None:
        """Changes one of the facts.

        Arguments
        ---------
        name : str
            Its name.
        value : anything JSON can hold
            What it is from now on.
        """
        with self._database.transaction() as connection:
            connection.execute(_SET_FACT, (json.dumps(value), name))

    @property
    def model(self) -> ModelFacts:
        """The model whose embeddings these are."""
        facts = self._facts()
        with self._believed():
            return read_model(facts)

    @property
    def vectors(self) -> Vectors:
        """The vectors' file."""
        with self._believed():
            path = self.part("vectors")
            if path is None:
                raise ValueError("it names no vectors")
            return Vectors(path, self.model.dim)

    def part(self, kind: str) -> Path | None:
        """A file of the index beside its database.

        Arguments
        ---------
        kind : str
            ``vectors`` or ``approximate``.

        Returns
        -------
        Path or None
            In the folder of the index, and no link; None if it has none.
        """
        name = self.fact(kind)
        if name is None:
            return None
        check_no_link(self.folder / name)
        return self.folder / name

    @property
    def num_rows(self) -> int:
        """Vectors that count, those of sounds without a file too."""
        query = "SELECT COALESCE(MAX(first_row + windows), 0) FROM sounds"
        with self._believed():
            return whole_count(self._database.value(query))

    def files(self) -> dict[str, FileRecord]:
        """All files that were looked at.

        Returns
        -------
        dict
            Full name to record.
        """
        rows = self._database.rows(
            "SELECT path, size, mtime_ns, sound, error FROM files ORDER BY path"
        )
        with self._believed():
            return {
                os.fsdecode(path): FileRecord(
                    Stamp(size, mtime_ns),
                    sound,
                    None if error is None else os.fsdecode(error),
                )
                for path, size, mtime_ns, sound, error in rows
            }

    def set_files(self, records: dict[str, FileRecord]) -> None:
        """Notes what files hold.

        Arguments
        ---------
        records : dict
            Full name to record.
        """
        rows = [
            (os.fsencode(path), *asdict(record.stamp).values(), record.sound)
            # an error names the file
            + (None if record.error is None else os.fsencode(record.error),)
            for path, record in records.items()
        ]
        query = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)"
        with self._database.transaction() as connection:
            connection.executemany(query, rows)

    def remove_files(self, paths: Sequence[str]) -> None:
        """Forgets files; their sounds stay, for they may come back elsewhere.

        Arguments
        ---------
        paths : sequence of str
            Full names.
        """
        rows = [(os.fsencode(path),) for path in paths]
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM files WHERE path = ?", rows)

    def files_of(self, sound: int) -> dict[str, Stamp]:
        """Files that hold a sound.

        Arguments
        ---------
        sound : int
            Its id.

        Returns
        -------
        dict
            Full name to stamp, sorted; empty if there is none any more.
        """
        rows = self._database.rows(
            "SELECT path, size, mtime_ns FROM files WHERE sound = ? ORDER BY path",
            (sound,),
        )
        with self._believed():
            return {os.fsdecode(path): Stamp(*stamp) for path, *stamp in rows}

    def hash_of(self, sound: int) -> str:
        """The hash of a sound's bytes.

        Arguments
        ---------
        sound : int
            Its id; one that the index has.

        Returns
        -------
        str
        """
        query = "SELECT hash FROM sounds WHERE id = ?"
        return self._database.value(query, (sound,))

    def sound_of(self, digest: str) -> int | None:
        """The sound of some bytes.

        Arguments
        ---------
        digest : str
            Their hash.

        Returns
        -------
        int or None
            Its id; None if the index has no such sound.
        """
        query = "SELECT id FROM sounds WHERE hash = ?"
        return next((sound for (sound,) in self._database.rows(query, (digest,))), None)

    def snapshot(self) -> contextlib.AbstractContextManager[None]:
        """What is read within belongs together: nobody writes meanwhile."""
        return self._database.snapshot()

    def version(self) -> int:
        """Changes whenever another process has written."""
        return self._database.value("PRAGMA data_version")

    def known_sounds(self) -> dict[str, int]:
        """Sounds that are embedded already.

        Returns
        -------
        dict
            Hash to id.
        """
        return dict(self._database.rows("SELECT hash, id FROM sounds"))

    def add_sounds(self, sounds: Sequence[NewSound]) -> dict[str, int]:
        """Adds sounds: their vectors first, then the rows that make them count.

        Arguments
        ---------
        sounds : sequence of NewSound
            New ones.

        Returns
        -------
        dict
            Hash to id.

        Raises
        ------
        ValueError
            If an embedding is not finite.
        """
        for sound in sounds:
            if not np.isfinite(sound.embedding).all():
                raise ValueError(f"the embedding of sound {sound.hash} is not finite")
        row = self.num_rows
        self.vectors.write(row, np.concatenate([sound.embedding for sound in sounds]))
        query = "INSERT INTO sounds VALUES (NULL, ?, ?, ?, ?, NULL, ?)"
        ids = {}
        with self._database.transaction() as connection:
            for sound in sounds:
                windows = len(sound.embedding)
                remarks = json.dumps(sound.remarks) if sound.remarks else None
                values = (sound.hash, row, windows, sound.samples, remarks)
                ids[sound.hash] = connection.execute(query, values).lastrowid
                row += windows
            headers = {ids[s.hash]: s.header for s in sounds if s.header is not None}
            self.headers.write(connection, headers)
        return ids

    def remarks(self) -> dict[str, list[str]]:
        """What is worth telling about files.

        Returns
        -------
        dict
            Full name to remarks, of those that have any.
        """
        rows = self._database.rows(
            "SELECT path, remarks FROM files JOIN sounds ON sound = id "
            "WHERE remarks IS NOT NULL ORDER BY path"
        )
        with self._believed():
            return {os.fsdecode(path): json.loads(remarks) for path, remarks in rows}

    def spans(self) -> np.ndarray:
        """The sounds that some file holds.

        Returns
        -------
        np.ndarray
            ``[sounds, 4]``, int64, in the order of their vectors: id, first row,
            number of windows, samples.
        """
        return self._spans("id IN (SELECT sound FROM files)")

    def kept_spans(self, lost_before: int) -> np.ndarray:
        """The sounds that some file holds, or held not long ago.

        Arguments
        ---------
        lost_before : int
            What was lost by then is left out; in seconds since 1970.

        Returns
        -------
        np.ndarray
            Like :meth:`spans`.
        """
        return self._spans("lost_at IS NULL OR lost_at > ?", (lost_before,))

    def _spans(self, which: str, values: Sequence[int] = ()) -> np.ndarray:
        query = "SELECT id, first_row, windows, samples FROM sounds"
        rows = self._database.rows(f"{query} WHERE {which} ORDER BY first_row", values)
        with self._believed():
            spans = np.fromiter(rows, dtype=np.dtype((np.int64, 4)))
            if len(spans) and (spans.min(axis=0)[1:] < [0, 1, 1]).any():
                raise ValueError("a sound has no place among the vectors")
            return spans

    def note_lost(self, now: int) -> None:
        """Notes which sounds no file holds any more, and which are back.

        Arguments
        ---------
        now : int
            The time, in seconds since 1970.
        """
        held = "EXISTS (SELECT 1 FROM files WHERE sound = sounds.id)"
        query = "UPDATE sounds SET lost_at = ? WHERE lost_at IS"
        with self._database.transaction() as connection:
            connection.execute(f"{query} NULL AND NOT {held}", (now,))
            connection.execute(f"{query} NOT NULL AND {held}", (None,))

    @contextlib.contextmanager
    def moving(self, vectors: str) -> Iterator[sqlite3.Connection]:
        """A transaction that ends with the vectors in another file.

        Arguments
        ---------
        vectors : str
            Name of that file.

        Yields
        ------
        sqlite3.Connection
            To change the sounds' rows with.
        """
        with self._database.transaction() as connection:
            yield connection
            connection.execute(_SET_FACT, (json.dumps(vectors), "vectors"))
            connection.execute(_SET_FACT, (json.dumps(None), "approximate"))
