"""The benchmark of a training step takes a whole one, and times each part."""

from __future__ import annotations

import copy
import functools
import importlib.util
import os
from pathlib import Path

import pytest
import torch
from builders import tiny_clap

import clap_sb.experiment
from clap_sb.objectives.info_nce import InfoNCE

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "training_step.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("training_step", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("variant", ["fp32", "bf16"])
def test_each_part_takes_time_and_the_model_is_trained(benchmark, variant, tmp_path):
    clap = tiny_clap(tmp_path)
    before = copy.deepcopy(clap)
    hparams = {
        "clap": clap,
        "objective": InfoNCE(),
        "opt_class": functools.partial(torch.optim.SGD, momentum=0.9),
    }
    clips = benchmark.builtin_clips(tmp_path / "data", 3)
    assert len(clips) == 3
    taken = benchmark.measure(hparams, clips, variant, 1, torch.device("cpu"))
    assert tuple(taken) == benchmark.PARTS
    assert min(taken.values()) > 0
    start = dict(before.named_parameters())
    for name in ("audio_encoder.norm.weight", "text_projection.0.weight"):
        assert not torch.equal(clap.get_parameter(name), start[name]), name


def test_a_system_is_built_with_a_text_tower_of_its_own(benchmark, tmp_path):
    clips = benchmark.builtin_clips(tmp_path / "data", 4)
    config = benchmark.settings(
        SCRIPT.parents[1] / "hparams" / "demo.yaml", clips, tmp_path
    )
    assert config.values()["system"] == "demo"
    assert Path(config.values()["text_source"]).parent == tmp_path


@pytest.mark.parametrize(("given", "found"), [(None, "1"), ("0", "0")])
def test_a_recipe_takes_large_tensors_from_huge_pages_unless_told_otherwise(
    given, found, monkeypatch
):
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", given or "")
    if given is None:
        monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    importlib.reload(clap_sb.experiment)
    assert os.environ["THP_MEM_ALLOC_ENABLE"] == found
