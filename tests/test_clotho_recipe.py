"""Clotho's recipe as a user runs it, all at once and stage by stage."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from recipe_table import assert_checks, error_of, name_of, results, rows
from scripts import TINY, Finished, command, run_script

TRAIN = "recipes/Clotho/train.py"
DEMO = "hparams/demo.yaml"
SHORT = {
    **TINY,
    "builtin_train_clips": 12,
    "number_of_epochs": 1,
    "batch_size": 4,
    "warmup_steps": 2,
}


@pytest.mark.parametrize("row", rows(TRAIN), ids=name_of)
def test_training(row, tmp_path):
    settings = {
        "device": "cpu",
        "output_folder": tmp_path / "run",
        "builtin_folder": tmp_path / "data",
    }
    words = command(row["Hparam_file"], settings) + shlex.split(row["test_debug_flags"])
    finished = run_script(TRAIN, words, tmp_path / "log")
    assert_checks(row, tmp_path / "run", finished)
    scores = results(tmp_path / "run", "retrieval")
    assert (scores["num_clips"], scores["num_captions"]) == (32, 160)  # two batches
    assert "builtin (synthetic)" in scores["title"]
    assert "stand in for Clotho" in finished.output


def test_stages_one_by_one(tmp_path):
    folder = tmp_path / "run"

    def run(stage: str) -> Finished:
        settings = {
            **SHORT,
            "output_folder": folder,
            "builtin_folder": tmp_path / "data",
            "stage": stage,
        }
        return run_script(TRAIN, command(DEMO, settings), tmp_path / f"{stage}.log")

    # each stage needs what the one before it leaves
    assert "Prepare the data first" in error_of(run("train"))
    finished = run("prepare")
    assert finished.code == 0, finished.output
    assert "train: 12 clips, 60 captions; valid: 100 clips, 500 " in finished.output
    assert {path.name for path in (folder / "manifests").iterdir()} == {
        "train.json",
        "valid.json",
        "test.json",
    }
    assert not (folder / "save").exists()
    assert re.search(
        "no checkpoint in .*not finished an epoch yet", error_of(run("evaluate"))
    )

    for _ in range(2):  # a stage that is done is not done again
        finished = run("train")
        assert finished.code == 0, finished.output
        assert len(json.loads((folder / "history.json").read_text())) == 1
        assert not (folder / "results").exists()
    finished = run("evaluate")
    assert finished.code == 0, finished.output
    assert "Going into epoch" not in finished.output
    assert results(folder, "retrieval")["num_captions"] == 500
    assert "choose one of all, prepare, train, evaluate" in error_of(run("tests"))


def test_without_the_lists_it_says_where_they_were_looked_for(tmp_path):
    settings = {**SHORT, "output_folder": tmp_path / "run", "data_folder": "nowhere"}
    finished = run_script(TRAIN, command(DEMO, settings), tmp_path / "log")
    assert re.search("nowhere/clotho_captions_development.csv", error_of(finished))
    assert not Path("nowhere").exists()
