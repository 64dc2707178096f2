"""A run whose text tower came from a folder that is gone: go on, test and use it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from builders import write_text_source
from recipe_table import error_of, results
from scripts import TINY, TRAIN, Finished, command, run_script

from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.data.builtin import write_audiocaps

SETTINGS = {
    **{key: value for key, value in TINY.items() if key != "text_config"},
    "pretrained_text": True,
    "number_of_epochs": 1,
    "batch_size": 4,
    "warmup_steps": 2,
}
LATER = "log.txt", "env.log"  # of each command


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pretrained")


@pytest.fixture(scope="module")
def roberta(place) -> Path:
    """A small RoBERTa, as save_pretrained writes it, and its tokenizer."""
    from transformers import AutoConfig, AutoModel

    folder = write_text_source(place / "roberta")
    AutoModel.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    assert (folder / "model.safetensors").is_file()
    return folder


def go(place: Path, roberta: Path, **settings: object) -> Finished:
    folders = {"data_folder": place / "data", "output_folder": place / "run"}
    words = {**SETTINGS, **folders, "text_source": roberta, **settings}
    return run_script(TRAIN, command("hparams/demo.yaml", words), place / "log")


@pytest.fixture(scope="module")
def run(place, roberta) -> Path:
    """A finished run; what its text tower started from is deleted."""
    write_audiocaps(place / "data", 12, 4, 4, seed=3)
    finished = go(place, roberta)
    assert finished.code == 0, finished.output
    assert f"text tower: {roberta}, pretrained" in finished.output
    shutil.rmtree(roberta)
    return place / "run"


def files(run: Path) -> dict[str, bytes]:
    paths = [path for path in run.rglob("*") if path.is_file()]
    kept = [path for path in paths if path.name not in LATER]
    return {str(path.relative_to(run)): path.read_bytes() for path in kept}


def test_another_tower_is_refused_and_every_file_stays(run, place, roberta):
    before = files(run)
    error = error_of(go(place, roberta, pretrained_text=False, lr=0.5))
    assert "pretrained_text (True there, False here)" in error
    assert files(run) == before


def test_it_is_tested_and_gone_on_with_by_what_it_kept(run, place, roberta):
    scores, settings = results(run, "retrieval"), (run / "hyperparams.yaml").read_text()
    (run / "results" / "retrieval.json").unlink()
    finished = go(place, roberta, test_only=None, lr=0.5)
    assert finished.code == 0, finished.output
    assert results(run, "retrieval") == scores
    assert scores["card"]["text_tower_origin"] == f"{roberta}, pretrained"
    assert (run / "hyperparams.yaml").read_text() == settings

    first = open_checkpoint(run)
    finished = go(place, roberta, number_of_epochs=2, gradient_checkpointing=True)
    assert finished.code == 0, finished.output
    assert finished.output.count("Going into epoch") == 1
    assert "number_of_epochs: 2" in (run / "hyperparams.yaml").read_text()
    last = max((run / "save").glob("CKPT+*"), key=lambda path: path.stat().st_mtime)
    assert yaml.safe_load((last / "CKPT.yaml").read_text())["epoch"] == 2
    later = open_checkpoint(last)
    assert later.text_tower_origin == first.text_tower_origin
    captions = ["a dog barks", "rain"]
    tokens = [model.clap.text_encoder.tokenize(captions) for model in (first, later)]
    assert torch.equal(tokens[0]["input_ids"], tokens[1]["input_ids"])
