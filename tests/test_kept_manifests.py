"""Manifests of a run stay where another one is refused, whatever ends it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from clap_sb.config import ConfigError
from clap_sb.experiment.kept_manifests import kept_where_refused


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
    return sorted(path.name for path in folder.iterdir())


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
