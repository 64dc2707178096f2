"""Manifests are prepared aside: a command that is refused or killed changes none."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from clap_sb.config import ConfigError
from clap_sb.data.file_lock import file_lock
from clap_sb.experiment.prepared_aside import LOCK, prepared_aside


@pytest.fixture
def manifest(tmp_path) -> Path:
    """That of a run that has a checkpoint, with a list that goes with it."""
    (tmp_path / "fold_2" / "save" / "CKPT+1").mkdir(parents=True)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "train_missing.csv").write_text("good")
    return write(tmp_path / "manifests")


def write(folder: Path, text: str = "good") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.json").write_text(text)
    return folder / "train.json"


def prepare(folder: Path, error: BaseException | None = None, run: str = "fold_2"):
    """Another run's preparation, which may be refused."""
    with prepared_aside(folder, [folder / "fold_1", folder / run]) as aside:
        write(aside, "another's")
        (aside / "train_missing.csv").unlink(missing_ok=True)
        (aside / "train_remarks.csv").touch()
        if error is not None:
            raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


def is_as_it_was(folder: Path) -> bool:
    texts = {path.name: path.read_text() for path in (folder / "manifests").iterdir()}
    kept = texts == dict.fromkeys(("train.json", "train_missing.csv"), "good")
    return kept and names(folder) == ["fold_2", "manifests"]


def is_replaced(folder: Path) -> bool:
    there = names(folder / "manifests") == ["train.json", "train_remarks.csv"]
    text = (folder / "manifests" / "train.json").read_text()
    return there and text == "another's" and "manifests.new" not in names(folder)


@pytest.mark.parametrize("error", [ConfigError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_the_preparation_the_manifests_stay(error, manifest, tmp_path):
    with pytest.raises(error):
        prepare(tmp_path, error())
    assert is_as_it_was(tmp_path)


def test_nothing_is_touched_before_the_end(manifest, tmp_path):
    with prepared_aside(tmp_path, [tmp_path / "fold_2"]) as aside:
        assert (aside / "train.json").read_text() == "good"  # what is up to date
        write(aside, "another's")
        assert manifest.read_text() == "good"


def test_what_is_not_refused_replaces_them(manifest, tmp_path):
    prepare(tmp_path)
    assert is_replaced(tmp_path) and names(tmp_path) == ["fold_2", "manifests"]


def test_without_a_checkpoint_what_was_prepared_is_kept(manifest, tmp_path):
    """It takes long to look through many files; but what is refused is another's."""
    with pytest.raises(ConfigError):
        prepare(tmp_path, ConfigError(), run="fold_3")
    assert is_as_it_was(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path, KeyboardInterrupt(), run="fold_3")
    assert is_replaced(tmp_path)
    with pytest.raises(ConfigError):
        prepare(tmp_path / "new", ConfigError())
    assert is_replaced(tmp_path / "new")


def test_a_run_that_lost_its_manifests_gets_none_of_another(tmp_path):
    (tmp_path / "fold_2" / "save" / "CKPT+1").mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path, KeyboardInterrupt())
    assert names(tmp_path) == ["fold_2"]


@pytest.mark.parametrize("place", ["manifests", "manifests.before"])
def test_what_a_killed_process_left_is_cleared_first(place, manifest, tmp_path):
    """It was killed while it prepared, or between the two steps of the end."""
    os.rename(tmp_path / "manifests", tmp_path / place)
    write(tmp_path / "manifests.new", "half")
    with prepared_aside(tmp_path, [tmp_path / "fold_2"]) as aside:
        assert manifest.read_text() == "good"
        assert names(aside) == ["train.json", "train_missing.csv"]
    assert is_as_it_was(tmp_path)


def test_what_a_killed_process_replaced_is_done_away_with(manifest, tmp_path):
    write(tmp_path / "manifests.before", "older")
    with prepared_aside(tmp_path, [tmp_path / "fold_2"]):
        pass
    assert is_as_it_was(tmp_path)


def test_a_first_preparation_that_was_killed_is_gone_on_with(tmp_path):
    write(tmp_path / "manifests.new", "begun")
    with prepared_aside(tmp_path, [tmp_path]) as aside:
        assert (aside / "train.json").read_text() == "begun"
    assert names(tmp_path) == ["manifests"]


def test_what_prepares_nothing_leaves_no_folder(tmp_path):
    with prepared_aside(tmp_path, [tmp_path]):
        pass
    assert names(tmp_path) == []


def test_processes_with_one_folder_prepare_one_after_another(
    manifest, tmp_path, caplog
):
    """A lock is its file's opening's, so that a thread stands in for a process."""
    other = threading.Thread(target=prepare, args=(tmp_path,))
    with file_lock(tmp_path / LOCK, wait=False):
        other.start()
        other.join(0.3)
        assert other.is_alive() and is_as_it_was(tmp_path)
        assert "waiting for another process" in caplog.text
    other.join()
    assert is_replaced(tmp_path)


def test_a_lock_that_is_held_is_not_waited_for_unasked(tmp_path):
    with file_lock(tmp_path / "lock", wait=False):
        with pytest.raises(BlockingIOError), file_lock(tmp_path / "lock", wait=False):
            pass
    with file_lock(tmp_path / "lock", wait=False):
        pass


def test_a_disk_without_locks_is_told_and_used(manifest, tmp_path, monkeypatch, caplog):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("clap_sb.data.file_lock._lock", refuse)
    prepare(tmp_path)
    assert "cannot be locked (No locks available)" in caplog.text
    assert is_replaced(tmp_path)
