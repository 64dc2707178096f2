"""Two processes train as one does with the joint batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from distributed_worker import CASES, train
from scripts import ROOT, TINY, TRAIN, command

from audiocaps_prepare import prepare_audiocaps
from clap_sb.data.builtin import write_audiocaps
from clap_sb.data.manifest import read_manifest

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_gloo_available(), reason="gloo is not available"
)


def torchrun(*words: object) -> str:
    """Runs a script in two processes; a deadlock is an error after five minutes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    finished = subprocess.run(
        [*command, "--nproc-per-node", "2", *map(str, words)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("distributed") / "data"
    return write_audiocaps(folder, 24, 6, 6, seed=1)


@pytest.fixture(scope="module")
def clips(data):
    manifests = prepare_audiocaps(data_folder=data, save_folder=data / "manifests")
    return read_manifest(manifests["train"])


@pytest.fixture(scope="module")
def ranks(data, clips) -> Path:
    """A folder with what each rank ended with."""
    worker = "tests/distributed_worker.py"
    torchrun(worker, data / "manifests" / "train.json", data)
    return data


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_equal_one_process_with_the_joint_batch(name, ranks, clips, tmp_path):
    first, second = (
        torch.load(ranks / f"{name} {rank}.pt", weights_only=True) for rank in (0, 1)
    )
    start, alone = train(clips, CASES[name], 1, tmp_path / "text")
    # a sigmoid's first gradients are small, and AdamW scales their rounding up
    atol = 1e-4 if name == "bias" else 1e-5
    for key, tensor in alone.items():
        assert torch.equal(first[key], second[key]), key
        assert torch.allclose(first[key], tensor, rtol=0, atol=atol), key
        error, moved = (first[key] - tensor).abs(), (tensor - start[key]).abs()
        # no parameter moved so little that the line above says nothing of it
        assert error.max() <= 0.01 * moved.max() + 2e-7, key
    for key in alone:  # the scale, a bias, and what an objective learns
        if key.startswith(("clap.logit_scale", "objective")):
            assert (first[key] - start[key]).abs().max() > 0.001, key
    learned = {"bias": "clap.logit_scale.bias"}
    learned |= {"objective that learns": "objective.predict.weight"}
    assert learned.get(name, "clap.logit_scale.log_scale") in alone


def test_what_an_objective_learns_is_the_same_on_each_rank(ranks):
    """Whatever is drawn there: DDP averages its gradients."""
    first, second = (
        torch.load(ranks / f"guessing {rank}.pt", weights_only=True) for rank in (0, 1)
    )
    assert first["objective.layer.weight"].abs() > 0
    for key, tensor in first.items():
        assert torch.equal(tensor, second[key]), key


def test_the_recipe_runs_on_two_ranks_and_writes_its_results_once(data, tmp_path):
    folder = tmp_path / "run"
    settings = {
        **TINY,
        "distributed_backend": "gloo",
        "data_folder": data,
        "output_folder": folder,
        "number_of_epochs": 2,
        "batch_size": 4,
        "warmup_steps": 2,
        "grad_accumulation_factor": 2,
        "ckpt_interval_minutes": 0,
        "ckpt_interval_steps": 1,
    }
    output = torchrun(TRAIN, *command("hparams/demo.yaml", settings))
    assert output.count("test: retrieval") == 1
    history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    assert [row["epoch"] for row in history] == [1, 2]
    log = (folder / "train_log.txt").read_text(encoding="utf-8")
    assert log.count("epoch: 1 ") == log.count("epoch: 2 ") == 1
    scores = json.loads((folder / "results" / "retrieval.json").read_text("utf-8"))
    assert scores["num_clips"] == 6
