"""A checkpoint is used without torchaudio and SpeechBrain: the numbers are the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from all_uses import ABSENT
from small_checkpoints import clap_model, laion_state, write_tokenizer
from small_clip import write_clip
from small_run import write_run

from clap_sb.checkpoints.run_export import export_run

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Checkpoints of each kind, and sounds of rates that no model has."""
    folder = tmp_path_factory.mktemp("uses")
    for name in ("run", "source", "sounds"):
        (folder / name).mkdir()
    write_run(folder / "run", folder / "source", {1: 20.0})
    export_run(folder / "run")
    write_tokenizer(folder / "tokenizer")
    torch.save(laion_state(), folder / "laion.pt")
    clap_model().save_pretrained(folder / "transformers")
    write_clip(folder / "clip")
    for rate in (44100, 22050, 11127):
        noise = 0.1 * torch.randn(
            4 * rate, generator=torch.Generator().manual_seed(rate)
        )
        soundfile.write(folder / "sounds" / f"{rate}.wav", noise.numpy(), rate)
    return folder


@pytest.fixture(scope="module")
def told(folder):
    """What a process tells without, and one with both packages."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    processes = {}
    for how in ("hidden", "there"):
        words = [sys.executable, "tests/all_uses.py", folder, folder / how, how]
        pipe = subprocess.PIPE
        processes[how] = subprocess.Popen(
            words, cwd=ROOT, env=environment, stderr=pipe, text=True
        )
    found = {}
    for how, process in processes.items():
        errors = process.communicate()[1]
        assert process.returncode == 0, errors
        found[how] = json.loads((folder / how).read_text())
    return found


def test_neither_package_is_even_tried(told):
    assert told["hidden"]["tried"] == told["hidden"]["imported"] == []
    assert told["there"]["imported"] == sorted(ABSENT), "the other process has no power"


def test_the_numbers_are_the_same_with_them(told):
    hidden, there = (told[how]["found"] for how in ("hidden", "there"))
    assert hidden.keys() == there.keys()
    for use in hidden:
        assert hidden[use] == there[use], use


def test_who_resamples_with_transformers_gets_torchaudio_itself(told):
    if told["there"]["torchaudio"] is None:
        pytest.skip("this transformers does not resample with it")
    assert "Could not load this library" in told["hidden"]["torchaudio"]
    assert told["there"]["torchaudio"] == "torchaudio.functional"
