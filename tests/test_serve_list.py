"""What the list of the page is made of: rows, filters, further hits, favourites."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from builders import CAPTIONS, SAMPLE_RATE
from indexes import WINDOW
from serving import NAMES, write_index

from clap_sb.search.own_folders import Heard
from clap_sb.search.searcher import Searcher
from clap_sb.serve.catalogue import Catalogue, FolderNames
from clap_sb.serve.examples import Sent
from clap_sb.serve.excerpt import excerpt_wav
from clap_sb.serve.headers import Headers
from clap_sb.serve.service import Service
from clap_sb.serve.wanted import Wanted

OTHERS = {f"many/{place:02}.wav": (50 + place, 1.2) for place in range(30)}
OTHERS |= {"many/below/twin.wav": (50, 1.3)}
TEXT = Wanted(text=CAPTIONS[0], k=100)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return write_index(tmp_path_factory.mktemp("list"), OTHERS)


@pytest.fixture(scope="module")
def searcher(index):
    return Searcher.open(index)


@pytest.fixture
def service(searcher, tmp_path):
    return Service(searcher, tmp_path)


def names(answer) -> list[str]:
    return [hit["name"] for hit in answer["hits"]]


def wanted(**words) -> Wanted:
    return Wanted(**{"text": CAPTIONS[0], "k": 100, **words})


def test_further_hits_follow_the_first_ones(service):
    every = service.search(TEXT)
    assert len(every["hits"]) == len(NAMES) + len(OTHERS) and not every["more"]
    parts = [service.search(wanted(first=first, k=10)) for first in (0, 10, 20, 30)]
    assert sum((names(part) for part in parts), []) == names(every)
    assert [part["more"] for part in parts] == [True, True, True, False]
    assert service.search(wanted(first=50))["hits"] == []


def test_a_row_tells_where_the_file_is_and_what_is_in_it(service, index):
    rows = {hit["name"]: hit for hit in service.search(TEXT)["hits"]}
    long = rows["long.flac"]
    assert long["header"] == {"rate": SAMPLE_RATE, "channels": 1}
    assert (long["folder"], long["format"]) == ("deep", "FLAC")
    assert long["path"] == str(index.parent / "sounds" / "deep" / "long.flac")
    assert (
        rows["twin.wav"]["folder"] == "many/below" and rows["wave.wav"]["folder"] == ""
    )
    marks = long["marks"]
    assert [mark["window"] for mark in marks] == [0, 1, 2]
    starts = [mark["start"] for mark in marks]
    assert starts == pytest.approx([0, WINDOW, 2 * WINDOW])
    assert long["score"] == pytest.approx(max(mark["score"] for mark in marks))
    best = max(marks, key=lambda mark: mark["score"])
    assert (long["window"], long["start"]) == (best["window"], best["start"])


def test_of_many_windows_the_nearest_are_marked(searcher):
    from clap_sb.serve.rows import row_of

    vectors = np.eye(20, dtype=np.float32)
    query = np.arange(20, dtype=np.float32)[::-1]
    opened = SimpleNamespace(
        windows_of=lambda sound: [(row, float(row), row + 1.0) for row in range(20)],
        embeddings=lambda rows: vectors[rows],
        store=SimpleNamespace(
            hash_of=lambda sound: "ab", headers=SimpleNamespace(of=lambda sound: None)
        ),
    )
    hit = searcher.index.hit(int(searcher.index.sounds[0]), 0)
    row = row_of(hit, opened, FolderNames([]), Heard([], []), query)
    assert [mark["window"] for mark in row["marks"]] == list(range(12))
    assert row["score"] is None


def test_near_duplicates_keep_their_times(service):
    plain = {hit["name"]: hit for hit in service.search(TEXT)["hits"]}
    rows = service.search(wanted(fold=True))["hits"]
    folded = {hit["name"]: hit for row in rows for hit in row["similar"]}
    shown = {row["name"]: row for row in rows}
    assert folded and folded.keys() | shown.keys() == plain.keys()
    assert not folded.keys() & shown.keys()
    for name, hit in folded.items():
        for key in ("start", "end", "duration", "sound", "window", "score"):
            assert hit[key] == pytest.approx(plain[name][key]), (name, key)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"folder": "deep"}, {"long.flac"}),
        ({"folder": "many"}, {name.rpartition("/")[2] for name in OTHERS}),
        ({"folder": "many/below"}, {"twin.wav"}),
        ({"folder": "man"}, set()),
        ({"format": "m4a"}, {"phone.m4a"}),
        ({"shortest": 2 * WINDOW}, {"long.flac"}),
        ({"longest": 1.25, "folder": "many/below"}, set()),
        (
            {"longest": 1.25, "format": "wav"},
            {f"{place:02}.wav" for place in range(30)},
        ),
        ({"channels": 2}, set()),
        ({"rate": SAMPLE_RATE, "format": "aiff"}, {"old.aiff"}),
    ],
)
def test_filters_leave_what_fits(filters, expected, service):
    answer = service.search(wanted(**filters))
    assert set(names(answer)) == expected and answer["among"] == len(expected)
    assert answer["unread"] == 0
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)


def test_the_lowest_score_ends_the_list(service):
    scores = [hit["score"] for hit in service.search(TEXT)["hits"]]
    lowest = (scores[4] + scores[5]) / 2
    answer = service.search(wanted(lowest=lowest, k=3))
    assert len(answer["hits"]) == 3 and answer["more"]
    answer = service.search(wanted(lowest=lowest, first=3, k=3))
    assert [h["score"] for h in answer["hits"]] == pytest.approx(scores[3:5])
    assert not answer["more"]


def test_words_are_left_out(service, searcher):
    one, other = searcher.clap.encode_text([CAPTIONS[0], CAPTIONS[3]]).numpy()
    query = one - 0.5 * other
    expected = searcher.index.search(query / np.linalg.norm(query), 100)
    answer = service.search(wanted(without=CAPTIONS[3]))
    assert [h["sound"] for h in answer["hits"]] == [hit.sound for hit in expected]
    assert [h["score"] for h in answer["hits"]] == pytest.approx(
        [hit.score for hit in expected], abs=1e-6
    )


def test_what_there_is_to_choose_from_is_counted(service):
    found = service.choices()
    assert found["read"] == found["of"] == len(NAMES) + len(OTHERS)
    assert found["folders"] == [
        {"name": "deep", "count": 1},
        {"name": "many", "count": len(OTHERS)},
        {"name": "many/below", "count": 1},
    ]
    formats = {choice["name"]: choice["count"] for choice in found["formats"]}
    assert formats == {
        "wav": 1 + len(OTHERS), "mp3": 2, "flac": 1, "aiff": 1, "ogg": 1, "m4a": 1
    }  # fmt: skip
    assert found["formats"][0]["name"] == "wav"
    assert found["longest"] == pytest.approx(3 * WINDOW)
    assert [choice["name"] for choice in found["channels"]] == [1]
    assert sum(choice["count"] for choice in found["rates"]) == found["of"]


def test_an_index_of_an_older_version_has_its_headers_read(index, tmp_path):
    old = shutil.copytree(index, tmp_path / "old.index")
    with contextlib.closing(sqlite3.connect(old / "index.sqlite")) as database:
        database.execute("DROP TABLE headers")
    service = Service(Searcher.open(old), tmp_path)
    found = service.choices(reads=False)
    assert found["read"] == 0 and found["rates"] == []
    rows = service.search(TEXT)["hits"]
    assert {row["header"] for row in rows} == {None}
    answer = service.search(wanted(rate=SAMPLE_RATE, channels=1))
    assert names(answer) == [row["name"] for row in rows] and answer["unread"] == 0
    found = service.choices()
    assert found["read"] == found["of"] == len(rows)


def test_headers_are_read_once_and_by_the_way(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((10, 2)), 44100)
    asked = []

    def path_of(sound):
        asked.append(sound)
        if sound == 2:
            raise FileNotFoundError("gone")
        return path

    headers = Headers(path_of)
    assert headers.read_all([1, 2, 3], patience=60.0) == 0
    assert asked == [1, 2, 3]
    assert vars(headers.of(1)) == {"rate": 44100, "channels": 2}
    assert headers.read_all([1, 2, 3]) == 0 and asked == [1, 2, 3]
    assert headers.known()[2] is headers.of(2) is None
    assert asked == [1, 2, 3, 2], "what is back is not seen"


def test_folders_of_several_roots_have_their_names():
    folders = FolderNames(["/a/sounds", "/a/sounds/more", "/b"])
    assert folders("/a/sounds/x.wav") == "sounds"
    assert folders("/a/sounds/more/deep/x.wav") == "more/deep"
    assert folders("/b/c/x.wav") == "b/c"
    assert folders("/elsewhere/x.wav") == "/elsewhere"


def test_the_catalogue_follows_the_index(service, searcher):
    first = service._current_catalogue()
    assert service._current_catalogue() is first
    searcher.index = type(searcher.index)(searcher.index.store.folder)
    again = service._current_catalogue()
    assert again is not first and isinstance(again, Catalogue)


def test_some_sounds_are_from_all_over_the_index(service, searcher):
    some = service.some(6)["hits"]
    assert len({hit["sound"] for hit in some}) == 6
    ids = searcher.index.sounds.tolist()
    assert some[0]["sound"] == ids[0] and some[-1]["sound"] == ids[-1]
    assert {hit["score"] for hit in some} == {None}
    assert len(service.some(1000)["hits"]) == len(ids)


def test_some_sounds_are_of_those_that_pass_the_filters(service):
    answer = service.some(6, Wanted(folder="many", format="wav"))
    assert answer["among"] == len(OTHERS) and answer["unread"] == 0
    assert len(answer["hits"]) == 6
    assert {hit["folder"].partition("/")[0] for hit in answer["hits"]} == {"many"}
    assert names(service.some(6, Wanted(folder="deep"))) == ["long.flac"]
    assert service.some(6, Wanted(folder="nowhere"))["hits"] == []


def test_favourites_are_known_by_what_is_in_them(service, index):
    rows = {hit["name"]: hit for hit in service.search(TEXT)["hits"]}
    long, old = rows["long.flac"], rows["old.aiff"]
    noted = [(long["digest"], 2), (old["digest"], 0), ("0" * 64, 0), (old["digest"], 7)]
    again = service.chosen(noted)["hits"]
    assert [(hit["name"], hit["window"]) for hit in again] == [
        ("long.flac", 2), ("old.aiff", 0)
    ]  # fmt: skip
    lines = service.playlist(noted).splitlines()
    assert lines[:3] == [
        "#EXTM3U",
        f"#EXTVLCOPT:start-time={2 * WINDOW:.3f}",
        f"#EXTVLCOPT:stop-time={3 * WINDOW:.3f}",
    ]
    sounds = index.parent / "sounds"
    paths = [line for line in lines if not line.startswith("#")]
    assert paths == [str(sounds / "deep" / "long.flac"), str(sounds / "old.aiff")]


def test_what_was_sent_can_be_asked_by_again(service, index):
    content = (index.parent / "sounds" / "old.aiff").read_bytes()
    sent = service.search(Wanted(k=5), Sent(content, "mine.aiff"))
    again = service.search(Wanted(k=5, example=sent["example"]))
    assert again["hits"] == sent["hits"] and names(again)[0] == "old.aiff"
    follow = service.search(Wanted(k=2, first=5, example=sent["example"]))
    assert not set(names(follow)) & set(names(sent))


def test_a_window_is_cut_out_as_it_is_in_the_file(service, tmp_path):
    path = tmp_path / "stereo.wav"
    wav = np.random.default_rng(0).uniform(-1, 1, (48000, 2))
    soundfile.write(path, wav, 24000, subtype="PCM_24")
    cut = io.BytesIO(excerpt_wav(path, 0.5, 9.0))
    with soundfile.SoundFile(cut) as file:
        assert (file.samplerate, file.subtype, file.format) == (24000, "PCM_24", "WAV")
        np.testing.assert_array_equal(file.read(), soundfile.read(path)[0][12000:])
    rows = {hit["name"]: hit for hit in service.search(TEXT)["hits"]}
    name, content = service.sounds.excerpt(rows["long.flac"]["sound"], 1)
    assert name == f"long {WINDOW:.1f}-{2 * WINDOW:.1f} s.wav"
    assert soundfile.info(io.BytesIO(content)).duration == pytest.approx(WINDOW)


def test_answers_are_json(service):
    for answer in (
        service.search(wanted(fold=True)),
        service.some(3),
        service.choices(),
    ):
        json.dumps(answer, allow_nan=False)
