"""Sounds of an index are read in order, each from one file, several side by side."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
import torch
from builders import SAMPLE_RATE, tiny_clap
from indexes import WINDOW, Counting, updater, write_sound

from clap_sb.data import audio_file
from clap_sb.data.audio import AudioError, read_wav
from clap_sb.inference.ahead import side_by_side
from clap_sb.search import SearchIndex
from clap_sb.search.reading import read_sound

SIZE = round(WINDOW * SAMPLE_RATE)
WORKERS = 3


class Watched(audio_file.AudioFile):
    """Counts files that are open, and threads in each of them."""

    opened: Counter = Counter()
    open_now = 0
    most_open = 0
    inside: set = set()
    together = 0
    lock = threading.Lock()

    def __init__(self, source, sample_rate):
        super().__init__(source, sample_rate)
        with self.lock:
            Watched.opened[str(source)] += 1
            Watched.open_now += 1
            Watched.most_open = max(Watched.most_open, Watched.open_now)

    def __exit__(self, *error):
        super().__exit__(*error)
        with self.lock:
            Watched.open_now -= 1

    def read(self, begin, end):
        with self.lock:
            assert self not in self.inside, "two threads are in one file"
            self.inside.add(self)
            Watched.together = max(Watched.together, len(self.inside))
        time.sleep(0.01)
        try:
            return super().read(begin, end)
        finally:
            with self.lock:
                self.inside.remove(self)


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(audio_file, "AudioFile", Watched)
    Watched.opened, Watched.inside = Counter(), set()
    Watched.open_now = Watched.most_open = Watched.together = 0
    return Watched


@pytest.fixture
def sounds(tmp_path):
    """Of several parts each, but for the last ones."""
    return [
        write_sound(tmp_path / "sounds" / f"{seed}.wav", seed, seconds * WINDOW)
        for seed, seconds in enumerate([7.3, 5, 0.4, 6.6, 8, 1, 1, 1, 1, 1, 1, 1])
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_clap(tmp_path_factory.mktemp("text"))


def test_parts_have_the_bits_of_the_whole(tmp_path):
    path = write_sound(tmp_path / "a.flac", 1, 4.4 * WINDOW)
    rate = 44100  # which the resampler has to make of another one
    whole = read_wav(path, rate)
    size = round(WINDOW * rate)
    for most in (1, 2, 3, 16):
        parts = list(read_sound(str(path), "ab12", rate, size, most))
        assert [len(part.wavs) for part in parts[:-1]] == [most] * (len(parts) - 1)
        wavs = [wav for part in parts for wav in part.wavs]
        starts = [0, size, 2 * size, 3 * size, len(whole) - size]
        for wav, start in zip(wavs, starts, strict=True):
            assert torch.equal(wav, whole[start : start + size])
        assert {part.samples for part in parts} == {len(whole)}


def test_each_sound_is_opened_once_and_read_by_one_thread(sounds, model, watched):
    out = sounds[0].parent.parent / "sounds.index"
    clap = Counting(model, "tiny")
    update = updater(out, clap, batch_size=2, workers=WORKERS).run(
        [sounds[0].parent], "model.pt"
    )
    assert update.files == len(sounds)
    assert watched.opened == Counter(map(str, sounds))
    assert watched.open_now == 0
    assert watched.most_open <= 2 * WORKERS
    assert watched.together > 1, "several files are read at once"


def test_nothing_depends_on_the_number_of_threads(sounds, model):
    found = []
    for workers in (1, 5):
        out = sounds[0].parent.parent / f"{workers}.index"
        clap = Counting(model, "tiny")
        updater(out, clap, batch_size=2, workers=workers).run(
            [sounds[0].parent], "model.pt"
        )
        index = SearchIndex(out)
        rows = list(index.windows())
        found.append((rows, index.embeddings(np.array([row for *_, row in rows]))))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("taken", [0, 1, 4])
def test_files_are_closed_where_reading_is_given_up(sounds, watched, taken):
    with ThreadPoolExecutor(WORKERS) as pool:
        many = (read_sound(str(path), "ab", SAMPLE_RATE, SIZE, 1) for path in sounds)
        with closing(side_by_side(pool, many, 4)) as parts:
            for _ in range(taken):
                next(parts)
            assert watched.most_open <= 4
    assert watched.open_now == 0
    assert len(watched.opened) <= 5


def test_an_error_of_ours_stops_all_and_closes_the_files(sounds, watched):
    def broken():
        yield from read_sound(str(sounds[0]), "ab", SAMPLE_RATE, SIZE, 1)
        raise ZeroDivisionError

    def many():
        for path in sounds[1:3]:
            yield read_sound(str(path), "ab", SAMPLE_RATE, SIZE, 1)
        yield broken()
        yield from (read_sound(str(p), "ab", SAMPLE_RATE, SIZE, 1) for p in sounds[3:])

    with ThreadPoolExecutor(WORKERS) as pool, pytest.raises(ZeroDivisionError):
        list(side_by_side(pool, many(), 4))
    assert watched.open_now == 0


def test_a_file_that_breaks_off_gives_what_came_before(sounds, monkeypatch):
    read = audio_file.AudioFile.read

    def breaks(self, begin, end):
        if begin >= 4 * SIZE:
            raise AudioError(f"{self.name}: the audio data is corrupt")
        return read(self, begin, end)

    monkeypatch.setattr(audio_file.AudioFile, "read", breaks)
    parts = list(read_sound(str(sounds[0]), "ab", SAMPLE_RATE, SIZE, 2))
    assert [len(part.wavs) for part in parts] == [2, 2, 0]
    assert "corrupt" in parts[-1].error


def test_each_copy_of_a_broken_file_is_tried_and_named(sounds, model):
    folder = sounds[0].parent
    for name in ("x.wav", "y.wav"):
        (folder / name).write_bytes(b"no sound")
    out = folder.parent / "sounds.index"
    update = updater(out, Counting(model, "tiny")).run([folder], "model.pt")
    assert (update.files, update.failed) == (len(sounds), 2)
    for path in (str(folder / "x.wav"), str(folder / "y.wav")):
        assert update.errors[path].startswith(f"{path}: cannot be decoded")


def test_a_copy_is_heard_where_its_twin_fails_on_the_way(sounds, model, monkeypatch):
    """The disk fails after some windows; the twin has the embedding of the bytes."""
    folder = sounds[0].parent
    for name in ("x.wav", "y.wav"):
        write_sound(folder / name, 77, 8 * WINDOW)
    read = audio_file.AudioFile.read

    def fails(self, begin, end):
        if self.name.endswith("x.wav") and begin > 0:
            raise AudioError(f"{self.name}: cannot be read (Input/output error)")
        return read(self, begin, end)

    alone = folder.parent / "alone"
    write_sound(alone / "y.wav", 77, 8 * WINDOW)
    right = folder.parent / "right.index"
    updater(right, Counting(model, "tiny"), batch_size=2).run([alone], "model.pt")
    monkeypatch.setattr(audio_file.AudioFile, "read", fails)
    out = folder.parent / "sounds.index"
    update = updater(out, Counting(model, "tiny"), batch_size=2).run(
        [folder], "model.pt"
    )
    assert (update.files, update.failed) == (len(sounds) + 1, 1)
    assert list(update.errors) == [str(folder / "x.wav")]
    assert np.array_equal(rows_of(out, "y.wav"), rows_of(right, "y.wav"))


def rows_of(folder, name: str) -> np.ndarray:
    """The embeddings of a sound, by its file's name."""
    index = SearchIndex(folder)
    rows = [row for path, *_, row in index.windows() if path.endswith(name)]
    return index.embeddings(np.array(rows))
