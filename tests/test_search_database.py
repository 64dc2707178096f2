"""Readers beside a writer, full disks: what a database does then."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from indexes import add_to, store_of, unit

from clap_sb.search import SearchIndex, database
from clap_sb.search.errors import SearchError
from clap_sb.search.store import Store
from clap_sb.search.vectors import Vectors

DIM = 4


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "sounds.index", list(unit(20, 1, DIM)))


def test_one_can_search_while_a_large_change_is_under_way(store, monkeypatch):
    """Such as a compaction's: more than the database's cache holds."""
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)
    query = "INSERT INTO sounds VALUES (NULL, ?, 0, 1, 10, NULL, NULL)"
    with pytest.raises(KeyboardInterrupt), store.moving("vectors-2.f32") as connection:
        connection.executemany(query, ((f"{place:0100}",) for place in range(60_000)))
        index = SearchIndex(store.folder)
        assert len(index.search(np.ones(DIM), 5)) == 5
        raise KeyboardInterrupt  # and nothing of it counts
    assert store.num_rows == 20 == len(store.known_sounds())


def test_a_writer_waits_for_a_reader(store):
    reader, reads, done = Store(store.folder), threading.Event(), threading.Event()

    def read():
        with reader.snapshot():
            reader.spans()
            reads.set()
            done.wait(0.5)

    thread = threading.Thread(target=read)
    thread.start()
    reads.wait()
    add_to(store, list(unit(3, 1, DIM)))
    thread.join()
    assert Store(store.folder).num_rows == 23


def test_patience_outlasts_a_large_index(store):
    """By far more than the five seconds that Python's sqlite3 waits."""
    assert store._database.value("PRAGMA busy_timeout") >= 60_000


def test_a_reader_that_never_ends_is_told(store, monkeypatch):
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)
    writer = Store(store.folder)
    with store.snapshot():
        store.spans()
        with pytest.raises(SearchError, match="another process.*run this again"):
            writer.set_fact("folders", ["/sounds"])
    writer.set_fact("folders", ["/sounds"])
    assert store.fact("folders") == ["/sounds"]


@pytest.mark.parametrize(
    ("pragma", "message"),
    [("max_page_count = 1", "make room"), ("query_only = 1", "you may write")],
)
def test_a_disk_that_takes_nothing_is_told(pragma, message, store):
    list(store._database.rows(f"PRAGMA {pragma}"))
    before = store.known_sounds()
    with pytest.raises(SearchError, match=message):
        add_to(store, list(unit(5000, 1, DIM)))
    fresh = Store(store.folder)
    assert fresh.known_sounds() == before
    assert SearchIndex(store.folder).num_sounds == 20


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_vectors_on_a_full_disk_are_told():
    with pytest.raises(SearchError, match="No space left.*making room"):
        Vectors(Path("/dev/full"), DIM).write(0, unit(1000, DIM))


def test_ids_are_never_given_again(store):
    """Whoever was told one gets that sound or none: the page, a player's copy."""
    ids = set(store.known_sounds().values())
    with store.moving("vectors-1.f32") as connection:
        connection.execute("DELETE FROM sounds WHERE id = ?", (max(ids),))
    add_to(store, list(unit(1, 1, DIM)))
    assert max(store.known_sounds().values()) > max(ids)
