"""Manifests of a run stay where another one is refused, whatever ends it."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path

import pytest

from clap_sb.config import ConfigError
from clap_sb.data.file_lock import file_lock
from clap_sb.experiment.kept_manifests import LOCK, kept_where_refused


@pytest.fixture
def manifest(tmp_path) -> Path:
    """That of a run that has a checkpoint."""
    (tmp_path / "fold_2" / "save" / "CKPT+1").mkdir(parents=True)
    return write(tmp_path / "manifests")


def write(folder: Path, text: str = "good") -> Path:
    folder.mkdir(parents=True)
    (folder / "train.json").write_text(text)
    return folder / "train.json"


def prepare(manifest: Path, error: BaseException | None = None, run: str = "fold_2"):
    """Another run's preparation, which may be refused."""
    folder = manifest.parents[1]
    runs = [folder / "fold_1", folder / run]
    with kept_where_refused(folder, runs):
        manifest.write_text("another's")
        (manifest.parent / "another.csv").touch()
        if error is not None:
            raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


@pytest.mark.parametrize("error", [ConfigError, KeyboardInterrupt, SystemExit])
def test_whatever_ends_the_preparation_the_manifests_stay(error, manifest):
    with pytest.raises(error):
        prepare(manifest, error())
    assert manifest.read_text() == "good"
    assert names(manifest.parent) == ["train.json"]
    assert names(manifest.parents[1]) == ["fold_2", "manifests"]


def test_what_is_not_refused_replaces_them(manifest):
    prepare(manifest)
    assert manifest.read_text() == "another's"
    assert names(manifest.parents[1]) == ["fold_2", "manifests"]


def test_without_a_checkpoint_there_is_nothing_to_keep(manifest):
    with pytest.raises(ConfigError):
        prepare(manifest, ConfigError(), run="fold_3")
    assert manifest.read_text() == "another's"


@pytest.mark.parametrize("there", ["another's", "nothing"])
def test_what_a_killed_process_left_is_given_back_first(there, manifest):
    """It was killed while it prepared, or between the two steps of giving back."""
    folder = manifest.parents[1]
    os.rename(folder / "manifests", folder / "manifests.before")
    write(folder / "manifests.partial", "half")
    if there != "nothing":
        write(folder / "manifests", there)
    with kept_where_refused(folder, [folder / "fold_2"]):
        assert manifest.read_text() == "good"
    assert names(folder) == ["fold_2", "manifests"]


def test_half_a_copy_is_never_given_back(manifest, monkeypatch):
    def half(source: Path, target: Path) -> None:
        write(target, "half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", half)
        with pytest.raises(KeyboardInterrupt):
            prepare(manifest)
    with pytest.raises(ConfigError):
        prepare(manifest, ConfigError())
    assert manifest.read_text() == "good"
    assert names(manifest.parents[1]) == ["fold_2", "manifests"]


def test_processes_with_one_folder_prepare_one_after_another(manifest, caplog):
    """A lock is its file's opening's, so that a thread stands in for a process."""
    folder = manifest.parents[1]
    other = threading.Thread(target=prepare, args=(manifest,))
    with file_lock(folder / LOCK, wait=False):
        other.start()
        other.join(0.3)
        assert other.is_alive() and manifest.read_text() == "good"
        assert names(folder) == ["fold_2", "manifests"]
        assert "waiting for another process" in caplog.text
    other.join()
    assert manifest.read_text() == "another's"
    assert names(folder) == ["fold_2", "manifests"]


def test_a_lock_that_is_held_is_not_waited_for_unasked(tmp_path):
    with file_lock(tmp_path / "lock", wait=False):
        with pytest.raises(BlockingIOError), file_lock(tmp_path / "lock", wait=False):
            pass
    with file_lock(tmp_path / "lock", wait=False):
        pass


def test_a_disk_without_locks_is_told_and_used(manifest, monkeypatch, caplog):
    def refuse(descriptor):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("clap_sb.data.file_lock._lock", refuse)
    prepare(manifest)
    assert "cannot be locked (No locks available)" in caplog.text
    assert manifest.read_text() == "another's"
