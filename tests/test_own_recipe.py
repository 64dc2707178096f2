"""A data set with its recipe: preparation, YAML and script of docs/extending.md."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scripts import ROOT, command, run_script

from clap_sb.data.builtin import write_audiocaps
from clap_sb.inference import CLAP

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## A data set with its recipe\n")[2].partition("\n## ")[0]
AUDIOCAPS = "recipes/AudioCaps/train.py"
SIZES = {"train": 8, "valid": 3, "test": 3}
SETTINGS = {"batch_size": 4, "device": "cpu", "number_of_epochs": 1, "warmup_steps": 1}
RATE = 16000


@pytest.fixture(scope="module")
def recipes(tmp_path_factory) -> Path:
    """The recipes' folder of a clone, with the page's files in it."""
    folder = tmp_path_factory.mktemp("clone") / "recipes"
    folder.mkdir()
    for path in (ROOT / "recipes").glob("*.yaml"):
        shutil.copy(path, folder)
    code = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    (own := folder / "Foxes").mkdir()
    for name, text in zip(("foxes_prepare.py", "train.py"), code, strict=True):
        (own / name).write_text(text, encoding="utf-8")
    settings, _ = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    (own / "recipe.yaml").write_text(settings, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def foxes(tmp_path_factory) -> Path:
    """The set: noises and what is said of them; one file is no sound."""
    folder = tmp_path_factory.mktemp("data") / "Foxes"
    (folder / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, size in SIZES.items():
        rows = [("file", "caption")]
        for number in range(size + 1):
            name = f"{split}_{number}"
            path = folder / "audio" / f"{name}.wav"
            soundfile.write(path, 0.1 * rng.normal(size=RATE), RATE)
            rows.append((name, f"fox {number} of {split} barks"))
        path.write_bytes(b"no sound")  # the last one of each
        with open(folder / f"{split}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def run(recipes, foxes, tmp_path_factory) -> Path:
    """A run of two steps."""
    folder = tmp_path_factory.mktemp("run")
    finished = trained(recipes, foxes, folder)
    assert finished.code == 0, finished.output
    assert "test: retrieval" in finished.output
    return folder


def trained(recipes: Path, data: Path, folder: Path, **settings: object):
    settings = SETTINGS | {"data_folder": data, "output_folder": folder} | settings
    words = command("hparams/demo.yaml", settings)
    return run_script(str(recipes / "Foxes" / "train.py"), words, folder.parent / "log")


def weights(run: Path) -> dict[str, torch.Tensor]:
    (saved,) = (run / "save").glob("CKPT*")
    return torch.load(saved / "audio_projection.ckpt", weights_only=True)


def test_it_is_trained_tested_exported_and_loaded(run, foxes):
    report = (run / "results" / "retrieval.md").read_text(encoding="utf-8")
    assert "demo on Foxes, test" in report and "1 of" in report
    clap = CLAP.from_hparams(run / "export")
    sounds = sorted((foxes / "audio").glob("test_[0-2].wav"))
    assert clap.encode_audio([str(path) for path in sounds]).shape == (3, 128)


def test_it_is_gone_on_with(run, recipes, foxes, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    settings = {"number_of_epochs": 2, "stage": "train"}
    finished = trained(recipes, foxes, tmp_path / "run", **settings)
    assert finished.code == 0, finished.output
    history = json.loads((tmp_path / "run" / "history.json").read_text("utf-8"))
    assert [row["epoch"] for row in history] == [1, 2]


def test_its_settings_run_again_and_give_the_same_bits(run, recipes, foxes, tmp_path):
    words = [str(run / "hyperparams.yaml"), "--output_folder", str(tmp_path / "again")]
    script = str(recipes / "Foxes" / "train.py")
    finished = run_script(script, words, tmp_path / "log")
    assert finished.code == 0, finished.output
    for key, value in weights(run).items():
        assert torch.equal(weights(tmp_path / "again")[key], value)


def test_another_recipe_trains_on_it_too(recipes, foxes, tmp_path):
    data = write_audiocaps(tmp_path / "AudioCaps", 4, 2, 2, seed=1)
    known = re.search(r"    (Foxes: \{.*\})", SECTION)[1]
    own = known.replace("Foxes/foxes", f"{recipes}/Foxes/foxes")
    settings = {"stage": "prepare", "output_folder": tmp_path / "run"}
    settings |= {"data_folder": data, "train_sets": "[AudioCaps, Foxes]"}
    settings |= {"preparations": f"{{{own}}}", "set_folders": f"{{Foxes: {foxes}}}"}
    words = command("hparams/demo.yaml", settings)
    finished = run_script(AUDIOCAPS, words, tmp_path / "log")
    assert finished.code == 0, finished.output
    assert f"train: {4 + SIZES['train']} clips" in finished.output


def test_evaluation_alone(run, recipes, foxes, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    finished = trained(recipes, foxes, tmp_path / "run", stage="evaluate")
    assert finished.code == 0, finished.output
    assert "test: retrieval" in finished.output


def test_the_package_imports_no_recipe():
    """The arrow points from a recipe to the package alone."""
    for path in (ROOT / "clap_sb").rglob("*.py"):
        code = path.read_text("utf-8")
        assert not re.search(r"^\s*(from|import) \w+_prepare\b", code, re.M), path
