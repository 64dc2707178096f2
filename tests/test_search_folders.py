"""Folders that move, vanish, or cannot be read: nothing is deleted by chance."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from builders import tiny_clap
from indexes import Counting, in_eight_days, updater, write_sound

from clap_sb.search import SearchIndex
from clap_sb.search.errors import SearchError
from clap_sb.search.store import Store

NUM = 3


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_clap(tmp_path_factory.mktemp("text"))


@pytest.fixture
def clap(model):
    return Counting(model, "tiny")


@pytest.fixture
def sounds(tmp_path):
    for seed in range(NUM):
        path = write_sound(tmp_path / "sounds" / f"{seed}.wav", seed)
    return path.parent


@pytest.fixture
def update(clap, tmp_path):
    """Runs updates, and tells how many windows each embedded."""
    checkpoint = tmp_path / "model.pt"
    checkpoint.write_bytes(b"weights")

    def run(*folders, **options):
        clap.since()
        return updater(tmp_path / "sounds.index", clap).run(
            folders, str(checkpoint), **options
        )

    return run


@pytest.fixture
def paths(tmp_path):
    """All paths in the index."""
    return lambda: set(Store(tmp_path / "sounds.index").files())


def refuse(monkeypatch, folder, error: OSError) -> None:
    """Lists no such folder from now on."""
    listed = os.scandir

    def scandir(path):
        if str(path) == str(folder):
            raise error
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)


# --- moved ---


def test_a_folder_that_was_moved_can_be_forgotten(sounds, update, clap, tmp_path):
    update(sounds)
    archive = sounds.rename(tmp_path / "zarchive")
    update(archive)
    assert clap.since() == 0
    with pytest.raises(SearchError, match="sounds does not exist.*--forget"):
        update()
    done = update(forget=[sounds])
    assert (done.removed, done.files, done.unchanged) == (NUM, NUM, NUM)
    assert clap.since() == 0 and update().unchanged == NUM


def test_moved_and_forgotten_at_once(sounds, update, clap, paths, tmp_path):
    update(sounds)
    archive = sounds.rename(tmp_path / "zarchive")
    done = update(archive, forget=[sounds])
    assert (done.recognised, done.removed, done.files) == (NUM, NUM, NUM)
    assert clap.since() == 0
    assert paths() == {str(archive / f"{seed}.wav") for seed in range(NUM)}


def test_a_hit_is_where_the_file_is_now(sounds, update, clap, tmp_path):
    update(sounds)
    archive = sounds.rename(tmp_path / "zarchive")
    update(archive)
    query = clap.embed_files([archive / "1.wav"])[0].numpy()
    hit = SearchIndex(tmp_path / "sounds.index").search(query, 1)[0]
    assert hit.path == str(archive / "1.wav")
    assert hit.copies == (str(sounds / "1.wav"),)


def test_what_a_link_points_to_is_not_forgotten_with_it(
    sounds, update, paths, tmp_path
):
    update(sounds)
    archive = sounds.rename(tmp_path / "zarchive")
    sounds.symlink_to(archive)
    update(archive, forget=[sounds])
    assert paths() == {str(archive / f"{seed}.wav") for seed in range(NUM)}


def test_the_last_folder_can_be_forgotten(sounds, update, paths):
    update(sounds)
    assert update(forget=[sounds]).files == 0 and not paths()
    with pytest.raises(SearchError, match="no folder yet"):
        update()


def test_only_folders_of_the_index_are_forgotten(sounds, update, paths, tmp_path):
    update(sounds)
    with pytest.raises(SearchError, match=r"other is no folder of.*sounds"):
        update(forget=[tmp_path / "other"])
    assert len(paths()) == NUM


# --- empty ---


def test_an_empty_mount_point_is_no_folder_of_deleted_files(
    sounds, update, clap, paths, tmp_path
):
    update(sounds)
    sounds.rename(tmp_path / "disk")
    sounds.mkdir()
    for folders in ([sounds], []):
        with pytest.raises(SearchError, match="no sound any more.*--allow-empty"):
            update(*folders)
    assert len(paths()) == NUM
    assert update(allow_empty=True).removed == NUM
    # and even then nothing is embedded again when they are back
    shutil.copytree(tmp_path / "disk", sounds, dirs_exist_ok=True)
    assert update().recognised == NUM and clap.since() == 0


def test_what_came_back_is_not_dropped_later(
    sounds, update, clap, tmp_path, monkeypatch
):
    update(sounds)
    (sounds / "0.wav").rename(tmp_path / "0.wav")
    update()
    (tmp_path / "0.wav").rename(sounds / "0.wav")
    update()
    (sounds / "1.wav").unlink()
    update()
    in_eight_days(monkeypatch)
    update()
    store = Store(tmp_path / "sounds.index")
    assert store.num_rows == NUM - 1
    assert SearchIndex(store.folder).num_sounds == NUM - 1
    clap.since()
    assert update().unchanged == NUM - 1 and clap.since() == 0


def test_a_new_folder_may_be_empty(sounds, update, tmp_path):
    update(sounds)
    (tmp_path / "new").mkdir()
    assert update(tmp_path / "new").files == NUM


# --- unreadable ---


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied"), FileNotFoundError(2, "Gone")]
)
def test_what_cannot_be_listed_is_told_and_kept(
    error, sounds, update, paths, monkeypatch
):
    deep = write_sound(sounds / "lost+found" / "deep" / "a.wav", 7)
    update(sounds)
    known = paths()
    refuse(monkeypatch, sounds / "lost+found", error)
    write_sound(sounds / "new.wav", 8)
    (sounds / "0.wav").unlink()
    done = update()
    assert done.unseen == {str(sounds / "lost+found"): error.strerror}
    assert (done.embedded, done.removed) == (1, 1)
    assert paths() == known - {str(sounds / "0.wav")} | {str(sounds / "new.wav")}
    assert str(deep) in paths()


def test_an_unreadable_folder_is_not_an_empty_one(sounds, update, paths, monkeypatch):
    update(sounds)
    refuse(monkeypatch, sounds, PermissionError(13, "Permission denied"))
    assert update().unseen == {str(sounds): "Permission denied"}
    assert len(paths()) == NUM


def test_a_link_to_itself_stops_nothing(sounds, update):
    (sounds / "loop.wav").symlink_to(sounds / "loop.wav")
    done = update(sounds)
    assert done.embedded == NUM and list(done.unseen) == [str(sounds / "loop.wav")]


def test_the_vectors_of_what_is_kept_are_the_same(sounds, update, tmp_path):
    update(sounds)
    before = SearchIndex(tmp_path / "sounds.index").embeddings(np.arange(NUM))
    shutil.copytree(sounds, tmp_path / "more")
    update(tmp_path / "more")
    update(forget=[sounds])
    index = SearchIndex(tmp_path / "sounds.index")
    assert np.array_equal(index.embeddings(np.arange(NUM)), before)
    assert {path for path, *_ in index.windows()} == {
        str(tmp_path / "more" / f"{seed}.wav") for seed in range(NUM)
    }


def test_one_folder_is_forgotten_while_another_is_away(sounds, update, paths, tmp_path):
    other = write_sound(tmp_path / "disk" / "9.wav", 9)
    update(sounds, other.parent)
    shutil.rmtree(sounds)
    other.parent.rename(tmp_path / "unplugged")
    update(forget=[sounds])
    assert paths() == {str(other)}
    with pytest.raises(SearchError, match="disk does not exist"):
        update()


def test_what_a_killed_beginning_left_is_no_obstacle(sounds, update, paths, tmp_path):
    index = tmp_path / "sounds.index"
    index.mkdir()
    for name in ("index.sqlite.tmp", "index.sqlite.tmp-journal"):
        (index / name).write_bytes(b"half of it")
    update(sounds)
    assert len(paths()) == NUM
