"""Names of files as they are, wherever a machine reads them."""

from __future__ import annotations

import json
import os
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from indexes import unit

from clap_sb.cli.search import _print
from clap_sb.search import SearchIndex
from clap_sb.search.export import export
from clap_sb.search.formats import as_data, as_m3u, as_table
from clap_sb.search.records import FileRecord, ModelFacts, NewSound
from clap_sb.search.scan import Stamp
from clap_sb.search.store import Store

DIM = 8
UNICODE = [
    "/sounds/no\u00a0break.wav",
    "/sounds/10\u202fkHz.wav",
    "/sounds/\u3000wide.wav",
    "/sounds/\U0001f468\u200d\U0001f33e.wav",
]
BYTES = os.fsdecode(b"/sounds/\xff latin.wav")
BROKEN = "/sounds/two\nlines\r.wav"


@pytest.fixture
def index_of(tmp_path):
    def make(paths: list[str]) -> SearchIndex:
        facts = ModelFacts("f00d", "none", "model.pt", None, "", DIM, 10, 10)
        store = Store.create(tmp_path / "sounds.index", facts)
        rows = unit(len(paths), 1, DIM)
        names = {path: f"{place}" for place, path in enumerate(paths)}
        ids = store.add_sounds(
            [NewSound(name, 10, rows[int(name)]) for name in names.values()]
        )
        store.set_files(
            {path: FileRecord(Stamp(1, 1), ids[names[path]]) for path in paths}
        )
        return SearchIndex(store.folder)

    return make


def hits_of(index):
    return index.search(np.ones(DIM), 10)


def test_a_playlist_names_the_files(index_of, capfdbinary):
    paths = [*UNICODE, BYTES]
    _print(as_m3u(hits_of(index_of(paths))))
    lines = capfdbinary.readouterr().out.split(b"\n")
    names = {line for line in lines if line and not line.startswith(b"#")}
    assert names == {os.fsencode(path) for path in paths}


def test_a_name_with_line_breaks_is_one_line_of_a_playlist(index_of):
    lines = as_m3u(hits_of(index_of([BROKEN]))).splitlines()
    assert len(lines) == 5 and lines[-1].startswith("file://")
    path = unquote_to_bytes(lines[-1].removeprefix("file://"))
    assert path == os.fsencode(BROKEN)


def test_json_names_the_files(index_of):
    paths = [*UNICODE, BYTES, BROKEN]
    found = json.loads(json.dumps([as_data(hit) for hit in hits_of(index_of(paths))]))
    assert {hit["path"] for hit in found} == set(paths)


def test_a_table_is_for_the_eye(index_of):
    paths = [*UNICODE, BYTES, BROKEN]
    lines = as_table(hits_of(index_of(paths))).split("\n")
    assert len(lines) == 1 + len(paths) and all(line.isprintable() for line in lines)


def test_npz_names_the_files(index_of, tmp_path):
    paths = sorted([*UNICODE, BYTES, BROKEN])
    export(index_of(paths), tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz", allow_pickle=False) as table:
        assert table["path"].tolist() == paths


@pytest.mark.parametrize("extra", [[], [BYTES]])
def test_parquet_names_the_files(extra, index_of, tmp_path):
    """As text; as bytes, all of them, where one is no text."""
    parquet = pytest.importorskip("pyarrow.parquet")
    paths = sorted([*UNICODE, BROKEN, *extra])
    export(index_of(paths), tmp_path / "all.parquet")
    found = parquet.read_table(tmp_path / "all.parquet")["path"].to_pylist()
    assert found == ([os.fsencode(path) for path in paths] if extra else paths)
