"""The recipe that takes our encoder into a classifier of SpeechBrain's kind."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest
import torch
from builders import amplify
from hyperpyyaml import resolve_references
from ruamel.yaml import YAML
from scripts import ROOT, command, run_script

from clap_sb.encoders.cnn14 import CNN14
from clap_sb.features import LogMel

SCRIPT = "recipes/ESC-50/classification_with_clap_encoder/train.py"
CHANNELS = [4, 4, 8, 8, 16]


def row() -> dict[str, str]:
    table = ROOT / "tests" / "recipes" / "ESC-50.csv"
    with open(table, encoding="utf-8", newline="") as file:
        (found,) = (r for r in csv.DictReader(file) if r["Script_file"] == SCRIPT)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("classification")


@pytest.fixture(scope="module")
def export(place) -> Path:
    """A folder with an encoder's weights, as an export has them."""
    log_mel = LogMel(32000, n_fft=1024, hop_length=1024)
    encoder = amplify(
        CNN14(log_mel, clip_samples=128000, channels=CHANNELS, with_fc1=False)
    )
    (place / "export").mkdir()
    torch.save(encoder.state_dict(), place / "export" / "audio_encoder.ckpt")
    return place / "export"


def run(place: Path, name: str, **settings: object):
    folders = {"output_folder": place / name, "builtin_folder": place / "data"}
    words = command(row()["Hparam_file"], {"device": "cpu", **folders, **settings})
    words += shlex.split(row()["test_debug_flags"])
    return run_script(SCRIPT, words, place / f"{name}.log"), place / name


def saved(folder: Path, part: str) -> dict[str, torch.Tensor]:
    (path,) = (folder / "save").glob(f"CKPT+*/{part}.ckpt")
    return torch.load(path, weights_only=True)


def test_from_random_weights(place):
    finished, folder = run(place, "random")
    assert finished.code == 0, finished.output
    listed = re.fullmatch(r"file_exists=\[(.*)\]", row()["test_debug_checks"]).group(1)
    assert [n for n in listed.split(",") if not (folder / n).is_file()] == []
    assert re.search(r"test accuracy: [\d.]+ % of 16 clips", finished.output)
    classifier = saved(folder, "classifier")
    assert classifier["weight"].shape == (16, 16), "as many classes as the data has"


def test_every_variant_has_a_folder_of_its_own():
    variants = [{}, {"seed": 2}, {"test_fold": 4}, {"clap_export": "/some/export"}]
    variants += [{"freeze_encoder": False}, {"lora_rank": 8}]
    folders = set()
    for overrides in variants:
        with open(ROOT / row()["Hparam_file"], encoding="utf-8") as file:
            text = resolve_references(file, overrides)
        folders.add(str(YAML().load(text)["output_folder"]))
    assert len(folders) == len(variants)


def test_the_folder_of_another_run_is_refused(place, export):
    """Else its finished checkpoint would be scored, whatever was asked for."""
    _, folder = run(place, "again")
    before = (folder / "train_log.txt").read_text()
    finished, _ = run(place, "again", clap_export=export)
    assert finished.code != 0
    assert "again holds a run with other settings" in finished.output
    assert f"clap_export: {export}" in finished.output
    assert "test accuracy" not in finished.output
    assert (folder / "train_log.txt").read_text() == before
    finished, _ = run(place, "again")
    assert finished.code == 0 and "test accuracy" in finished.output


def test_adapters_are_for_a_frozen_encoder(place):
    settings = {"lora_rank": 2, "freeze_encoder": False}
    finished, folder = run(place, "both", **settings)
    assert finished.code != 0 and not (folder / "train_log.txt").exists()
    assert "adapters are for a frozen encoder" in finished.output
    assert "--freeze_encoder False, or --lora_rank" in finished.output


def test_a_frozen_encoder_stays_what_it_was(place, export):
    finished, folder = run(place, "frozen", clap_export=export)
    assert finished.code == 0, finished.output
    before = torch.load(export / "audio_encoder.ckpt", weights_only=True)
    after = saved(folder, "encoder")
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_an_encoder_that_is_trained_along_starts_from_the_export(place, export):
    settings = {"clap_export": export, "freeze_encoder": False, "lr": 1e-5}
    finished, folder = run(place, "whole", **settings)
    assert finished.code == 0, finished.output
    before = torch.load(export / "audio_encoder.ckpt", weights_only=True)
    after = saved(folder, "encoder")
    key = "conv_block1.conv1.weight"
    change = (after[key] - before[key]).abs().max()
    assert 0 < change < 1e-3


def test_adapters_alone_are_trained_and_saved(place, export):
    settings = {"clap_export": export, "lora_rank": 2}
    finished, folder = run(place, "lora", **settings)
    assert finished.code == 0, finished.output
    trained = saved(folder, "encoder")
    assert trained and all("adapter_" in key for key in trained)
    up = [value for key, value in trained.items() if "up_proj" in key]
    assert len(up) == 10 and all(value.abs().max() > 0 for value in up)


def test_weights_of_another_encoder_are_refused(place, tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "audio_encoder.ckpt")
    finished, _ = run(place, "wrong", clap_export=tmp_path)
    assert finished.code != 0
    assert re.search("does not fit its architecture: missing", finished.output)
