"""An index is data: damaged, or made by someone else, it overwrites nothing."""

from __future__ import annotations

import json
import os
import sqlite3

import numpy as np
import pytest
from builders import tiny_clap
from indexes import Counting, add_to, store_of, unit, updater, write_sound

from clap_sb.search import SearchIndex
from clap_sb.search.approximate import update_approximate
from clap_sb.search.compaction import compact
from clap_sb.search.errors import SearchError
from clap_sb.search.query import combine
from clap_sb.search.records import NewSound
from clap_sb.search.store import DATABASE, Store

DIM = 8


@pytest.fixture
def folder(tmp_path):
    return store_of(tmp_path / "sounds.index", list(unit(500, 1, DIM))).folder


def change(folder, query, *values):
    database = sqlite3.connect(folder / DATABASE)
    with database:
        database.execute(query, values)
    database.close()


def set_fact(folder, name, value):
    change(folder, "UPDATE facts SET value = ? WHERE name = ?", json.dumps(value), name)


def use_all(folder):
    """Whatever opens an index: a query, an update, what it ends with."""
    SearchIndex(folder).search(np.ones(DIM), 3)
    store = Store(folder)
    add_to(store, list(unit(1, 1, DIM)))
    update_approximate(store, 10)
    compact(store, dead_share=-1)


@pytest.mark.parametrize("kind", ["vectors", "approximate"])
@pytest.mark.parametrize(
    "name", ["{outside}", "../mine.txt", "sub/../../mine.txt", "mine.txt", "", 7, ["x"]]
)
def test_an_index_names_no_file_outside_of_it(folder, tmp_path, kind, name):
    pytest.importorskip("faiss")
    mine = [tmp_path / "mine.txt", folder / "mine.txt"]
    for path in mine:
        path.write_bytes(b"mine" * 10_000)
    if name == "{outside}":
        name = str(mine[0])
    set_fact(folder, kind, name)
    with pytest.raises(SearchError, match=rf"{kind} are said to lie in .* delete the"):
        use_all(folder)
    assert all(path.read_bytes() == b"mine" * 10_000 for path in mine)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="links are for some alone")
@pytest.mark.parametrize("part", ["vectors-1.f32", DATABASE])
def test_a_part_of_an_index_is_no_link(folder, tmp_path, part):
    mine = tmp_path / "mine"
    (folder / part).rename(mine)
    (folder / part).symlink_to(mine)
    before = mine.read_bytes()
    with pytest.raises(SearchError, match=f"{part} is a link"):
        use_all(folder)
    assert mine.read_bytes() == before


@pytest.mark.parametrize("kept", [0, 4, 499 * 4 * DIM, 500 * 4 * DIM - 1])
def test_vectors_that_are_cut_short_are_named(folder, kept):
    path = folder / "vectors-1.f32"
    path.write_bytes(path.read_bytes()[:kept])
    told = rf"vectors-1\.f32.*has {kept // (4 * DIM)} of 500 vectors; delete the folder"
    with pytest.raises(SearchError, match=told):
        SearchIndex(folder)
    for use in (
        lambda: compact(Store(folder), dead_share=-1),
        lambda: update_approximate(Store(folder), 10),
    ):
        with pytest.raises(SearchError, match=told):
            use()


def test_vectors_that_are_missing_are_named(folder):
    (folder / "vectors-1.f32").unlink()
    with pytest.raises(SearchError, match=r"vectors-1\.f32.*No such.*delete the"):
        SearchIndex(folder)


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "end", "another"])
def test_a_damaged_approximate_part_is_made_again(folder, damage):
    faiss = pytest.importorskip("faiss")
    store = Store(folder)
    update_approximate(store, 10)
    path = store.part("approximate")
    whole = path.read_bytes()
    query = unit(DIM, seed=3)
    before = [hit.row for hit in SearchIndex(folder).search(query, 5)]
    if damage == "missing":
        path.unlink()
    elif damage == "another":
        flat = faiss.IndexFlatIP(DIM)
        flat.add(unit(500, DIM))
        faiss.write_index(flat, str(path))
    else:
        kept = {"empty": 0, "half": len(whole) // 2, "end": len(whole) - 10}[damage]
        path.write_bytes(whole[:kept])
    with pytest.raises(SearchError, match=r"approximate part.*clap-sb index --out"):
        SearchIndex(folder)
    update_approximate(store, 10)  # as clap-sb index does
    index = SearchIndex(folder)
    assert not index.is_exact
    assert [hit.row for hit in index.search(query, 5)] == before


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("UPDATE facts SET value = ? WHERE name = 'model'", "{"),
        ("UPDATE facts SET value = ? WHERE name = 'model'", "[]"),
        ("UPDATE facts SET value = ? WHERE name = 'model'", '{"dim": 8}'),
        ("UPDATE facts SET value = ? WHERE name = 'folders'", "[7]"),
        ("UPDATE facts SET name = ? WHERE name = 'vectors'", "lost"),
        ("UPDATE facts SET value = ? WHERE name = 'model'", "[" * 100_000),
        ("UPDATE sounds SET first_row = ? WHERE id = 1", -5),
        ("UPDATE sounds SET windows = ? WHERE id = 1", "many"),
        ("UPDATE sounds SET windows = ? WHERE id = 500", 2**62),
        ("UPDATE sounds SET samples = ? WHERE id = 1", 0),
        ("UPDATE files SET path = ? WHERE sound = 1", 7),
    ],
)
def test_a_database_that_holds_nonsense_is_named(folder, query, value):
    change(folder, query, value)
    with pytest.raises(SearchError, match=r"sounds\.index.*delete the folder"):
        SearchIndex(folder).search(unit(DIM, seed=0), 500)
        Store(folder).files()


@pytest.mark.parametrize("dim", [0, -8, 2**40, "8", 8.0, None, True])
def test_a_model_of_no_dimension_is_named(folder, dim):
    facts = Store(folder).fact("model")
    set_fact(folder, "model", {**facts, "dim": dim})
    with pytest.raises(SearchError, match=r"model's dim is said to be"):
        SearchIndex(folder)


def test_a_database_that_is_damaged_anywhere_is_named(folder):
    """Whatever bytes of it are others: one error, or an index that can be used."""
    whole = (folder / DATABASE).read_bytes()
    generator = np.random.default_rng(0)
    errors = 0
    for _ in range(60):
        damaged = bytearray(whole)
        at = int(generator.integers(0, len(whole) - 600))
        damaged[at : at + 600] = generator.bytes(600)
        (folder / DATABASE).write_bytes(damaged)
        try:
            SearchIndex(folder).search(np.ones(DIM), 600)
            Store(folder).files()
        except SearchError as error:
            errors += 1
            assert DATABASE in str(error) or "vectors" in str(error)
    assert errors > 10


def test_nothing_that_is_not_finite_is_stored(folder):
    store = Store(folder)
    with pytest.raises(ValueError, match="sound nan is not finite"):
        store.add_sounds([NewSound("nan", 10, np.full((1, DIM), np.nan))])
    assert store.num_rows == 500
    assert (folder / "vectors-1.f32").stat().st_size == 500 * 4 * DIM


def test_a_file_without_a_finite_embedding_is_told(tmp_path):
    class Broken(Counting):
        """Of every second sound, the embedding is not finite."""

        sizes = []

        def hear(self, windows):
            self.sizes.append([len(wav) for wav in windows])
            return super().hear(windows)

        def encode_heard(self, heard):
            rows = super().encode_heard(heard)
            for row, size in zip(rows, self.sizes.pop(0), strict=True):
                row[0] = np.nan if size == 8000 else row[0]
            return rows

    clap = Broken(tiny_clap(tmp_path), "tiny")
    for seed, seconds in enumerate((0.5, 1.0, 0.5, 1.0)):
        write_sound(tmp_path / "sounds" / f"{seed}.wav", seed, seconds)
    write_sound(tmp_path / "sounds" / "copy.wav", 1, 1.0)
    out = tmp_path / "sounds.index"
    update = updater(out, clap).run([tmp_path / "sounds"], "model.pt")
    assert (update.embedded, update.failed) == (2, 3)
    assert {os.path.basename(path) for path in update.errors} == {
        "1.wav", "3.wav", "copy.wav"
    }  # fmt: skip
    assert all("1.wav: the model's" in e for p, e in update.errors.items() if "1." in p)
    index = SearchIndex(out)
    assert np.isfinite(index.embeddings(np.arange(index.num_windows))).all()


@pytest.mark.parametrize("weights", [[1.0, np.nan], [np.inf, 1.0], [3e38, 3e38]])
def test_queries_whose_sum_is_not_finite_are_told(weights):
    rows = np.ones((2, DIM), dtype=np.float32)
    with pytest.raises(SearchError, match="sum of the queries is not finite"):
        combine(rows, weights)
