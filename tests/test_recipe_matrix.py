"""Every script of the recipes with every system, its towers made small.

Run by ``make recipes``. What the table lists runs in ``make test`` already, a script
with one system or a few.
"""

from __future__ import annotations

import csv
import functools
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from recipe_table import assert_checks, rows
from scripts import (
    CUSTOM_ZERO_SHOT,
    EVALUATE,
    SEARCH,
    TRAIN,
    ZERO_SHOT,
    Finished,
    command,
    run_script,
)

from clap_sb.data.manifest import read_manifest

SYSTEMS = [row["Hparam_file"] for row in rows(TRAIN)]
CLOTHO = "recipes/Clotho/train.py"
LABELS = "recipes/ESC-50/train.py"
OWN = "recipes/Custom/train.py"
SCORING = [EVALUATE, "recipes/Clotho/evaluate.py", ZERO_SHOT]

pytestmark = pytest.mark.full_size


def small(system: str) -> list[str]:
    """What makes a system's towers small and its training short, on any data set."""
    (row,) = (row for row in rows(TRAIN) if row["Hparam_file"] == system)
    words = shlex.split(row["test_debug_flags"])
    place = words.index("--builtin_train_clips")
    return words[:place] + words[place + 2 :]


def words_of(row: dict[str, str], system: str, settings: dict) -> list[str]:
    return command(system, settings) + shlex.split(row["test_debug_flags"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Callable[[str, str], tuple[Path, Finished]]:
    """Trains a system with a script, once, as small as the table has it."""
    place = tmp_path_factory.mktemp("matrix")

    @functools.cache
    def train(script: str, system: str) -> tuple[Path, Finished]:
        (row,) = (row for row in rows(TRAIN) if row["Hparam_file"] == system)
        name = f"{Path(script).parent.name}_{Path(system).stem}"
        settings = {
            "device": "cpu",
            "output_folder": place / name,
            "builtin_folder": place / Path(script).parent.name,
        }
        words = words_of(row, system, settings)
        return place / name, run_script(script, words, place / f"{name}.log")

    return train


@pytest.mark.parametrize("system", SYSTEMS)
def test_clotho_is_trained_on(system, trained):
    folder, finished = trained(CLOTHO, system)
    assert_checks(rows(CLOTHO)[0], folder, finished)


@pytest.mark.parametrize("script", SCORING)
@pytest.mark.parametrize("system", SYSTEMS)
def test_scores(system, script, trained, tmp_path, tmp_path_factory):
    run, finished = trained(TRAIN, system)
    assert finished.code == 0, finished.output
    row = rows(script)[0]
    settings = {
        "device": "cpu",
        "checkpoint": run,
        "output_folder": tmp_path / "out",
        "builtin_folder": tmp_path_factory.getbasetemp() / Path(script).parent.name,
    }
    finished = run_script(script, words_of(row, system, settings), tmp_path / "log")
    assert_checks(row, tmp_path / "out", finished)


@pytest.mark.parametrize("system", SYSTEMS)
def test_search(system, trained, tmp_path):
    run, finished = trained(TRAIN, system)
    assert finished.code == 0, finished.output
    words = ["a dog barks", "--checkpoint", run, "--device", "cpu"]
    assert_checks(rows(SEARCH)[0], run, run_script(SEARCH, words, tmp_path / "log"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_labels_are_trained_on(system, tmp_path, tmp_path_factory):
    settings = {
        "device": "cpu",
        "output_folder": tmp_path / "out",
        "builtin_folder": tmp_path_factory.getbasetemp() / "labels",
        "builtin_clips_per_class": 5,
        "num_resamples": 20,
        "fold": 5,
    }
    words = command(system, settings) + small(system)
    finished = run_script(LABELS, words, tmp_path / "log")
    assert finished.code == 0, finished.output
    for name in ("model.yaml", "history.json", "results/zero_shot.json"):
        assert (tmp_path / "out" / "fold_5" / name).is_file()


def listed(run: Path, path: Path) -> Path:
    """Some test clips of a run as a user's list, with two classes and with captions."""
    clips = read_manifest(run / "manifests" / "test.json")[:24]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "caption"])
        for place, clip in enumerate(clips):
            writer.writerow([clip.path, "ab"[place % 2], clip.captions[0]])
    return path


@pytest.mark.parametrize("system", SYSTEMS)
def test_own_clips_are_scored(system, trained, tmp_path):
    run, finished = trained(TRAIN, system)
    assert finished.code == 0, finished.output
    settings = {
        "device": "cpu",
        "checkpoint": run,
        "csv": listed(run, tmp_path / "my.csv"),
        "output_folder": tmp_path / "out",
    }
    words = words_of(rows(CUSTOM_ZERO_SHOT)[0], system, settings)
    finished = run_script(CUSTOM_ZERO_SHOT, words, tmp_path / "log")
    assert_checks(rows(CUSTOM_ZERO_SHOT)[0], tmp_path / "out", finished)


@pytest.mark.parametrize("system", SYSTEMS)
def test_own_clips_are_trained_on(system, trained, tmp_path):
    run, finished = trained(TRAIN, system)
    assert finished.code == 0, finished.output
    settings = {
        "device": "cpu",
        "init": run,
        "train_csv": listed(run, tmp_path / "my.csv"),
        "output_folder": tmp_path / "out",
    }
    words = words_of(rows(OWN)[0], system, settings)
    finished = run_script(OWN, words, tmp_path / "log")
    assert_checks(rows(OWN)[0], tmp_path / "out", finished)
