"""An index notes sample rates and channels, and one of an older version gets them."""

from __future__ import annotations

import contextlib
import sqlite3

import numpy as np
import pytest
import soundfile
from builders import SAMPLE_RATE, tiny_clap
from indexes import Counting, in_eight_days, updater, write_sound

from clap_sb.search import SearchIndex
from clap_sb.search.errors import SearchError
from clap_sb.search.records import Header, NewSound
from clap_sb.search.scan import Stamp
from clap_sb.search.store import DATABASE, Store
from clap_sb.serve.catalogue import Catalogue
from clap_sb.serve.wanted import Wanted

PLAIN = Header(SAMPLE_RATE, 1)
EXPECTED = {"0.wav": PLAIN, "1.wav": PLAIN, "stereo.flac": Header(44100, 2)}


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return Counting(tiny_clap(tmp_path_factory.mktemp("text")), "tiny")


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    for seed in range(2):
        write_sound(folder / f"{seed}.wav", seed)
    # its windows are several batches
    wav = np.random.default_rng(0).uniform(-0.1, 0.1, (44100 * 20, 2))
    soundfile.write(folder / "stereo.flac", wav, 44100)
    return folder


@pytest.fixture
def update(sounds, clap):
    def run(**how):
        out = sounds.parent / "sounds.index"
        return updater(out, clap, batch_size=2).run([sounds], "model.pt", **how)

    return run


@pytest.fixture
def folder(sounds, update):
    update()
    return sounds.parent / "sounds.index"


def change(folder, query):
    with contextlib.closing(sqlite3.connect(folder / DATABASE)) as database, database:
        database.execute(query)


def noted(folder) -> dict[str, Header]:
    store = Store(folder)
    headers = store.headers.all()
    return {
        path.rpartition("/")[2]: headers[record.sound]
        for path, record in store.files().items()
        if record.sound in headers
    }


def test_they_are_noted_with_each_sound(folder):
    assert noted(folder) == EXPECTED
    store = Store(folder)
    assert all(store.headers.of(s) == h for s, h in store.headers.all().items())
    catalogue = Catalogue(store)
    assert catalogue.unnoted == []
    (sound,) = catalogue.matching(Wanted(rate=44100, channels=2), {}).tolist()
    assert store.headers.of(sound) == EXPECTED["stereo.flac"]
    found = catalogue.choices({})
    assert found["read"] == found["of"] == 3
    assert found["rates"] == [
        {"name": SAMPLE_RATE, "count": 2}, {"name": 44100, "count": 1}
    ]  # fmt: skip


def test_an_index_of_an_older_version_is_used_and_gets_them(folder, update, clap):
    change(folder, "DROP TABLE headers")
    assert noted(folder) == {} and SearchIndex(folder).num_sounds == 3
    catalogue = Catalogue(Store(folder))
    assert len(catalogue.unnoted) == 3
    read = dict.fromkeys(catalogue.unnoted, PLAIN)
    assert len(catalogue.matching(Wanted(channels=1), read)) == 3
    clap.since()
    told = []

    def progress(total, about):
        told.append((total, about))
        return told.append

    update(progress=progress)
    assert noted(folder) == EXPECTED and clap.since() == 0
    assert told == [(3, "reading headers"), 1, 1, 1]
    written = (folder / DATABASE).stat().st_mtime_ns
    update(progress=progress)
    assert len(told) == 4 and (folder / DATABASE).stat().st_mtime_ns == written


def test_an_older_version_writes_to_it(folder):
    """It fills the columns that it knows of, all of them."""
    change(folder, "INSERT INTO sounds VALUES (NULL, 'ab', 9, 1, 10, NULL, NULL)")
    assert noted(folder) == EXPECTED


def test_those_of_sounds_that_are_gone_go(folder, sounds, update, monkeypatch):
    (sounds / "stereo.flac").unlink()
    update()
    in_eight_days(monkeypatch)
    update()
    assert len(Store(folder).headers.all()) == 2
    assert noted(folder) == {"0.wav": PLAIN, "1.wav": PLAIN}


def test_what_cannot_be_read_any_more_stops_nothing(folder, sounds, update):
    change(folder, "DROP TABLE headers")
    stamp = Stamp.of(sounds / "1.wav")
    (sounds / "1.wav").write_bytes(b"\0" * stamp.size)
    store = Store(folder)
    records = store.files()
    path = next(path for path in records if path.endswith("1.wav"))
    record = records[path]
    # as if it had been embedded so: a decoder of another version, say
    store.set_files({path: type(record)(Stamp.of(path), record.sound)})
    assert update().unchanged == 3
    assert noted(folder) == {n: h for n, h in EXPECTED.items() if n != "1.wav"}


@pytest.mark.parametrize("value", ["'x'", "-1", "1.5", "X'00'"])
def test_damaged_ones_are_told(folder, value):
    change(folder, f"UPDATE headers SET rate = {value} WHERE sound = 1")
    with pytest.raises(SearchError, match="it has .* where it counts.* damaged"):
        noted(folder)


def test_a_sound_without_one_is_added(folder):
    store = Store(folder)
    row = np.ones((1, store.model.dim), np.float32)
    ids = store.add_sounds([NewSound("ab12", 5, row)])
    assert store.headers.of(ids["ab12"]) is None
