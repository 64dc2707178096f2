"""The same seed gives the same bits: on a GPU, too, where that is asked for."""

# ruff: noqa: F811  (fixtures that come from another module)

from __future__ import annotations

import copy
import os

import pytest
import torch
from scripts import ROOT, command
from test_brain import clips, loader_options, make_brain, model, pairs  # noqa: F401

from clap_sb.encoders.htsat import _stretched
from clap_sb.experiment import run
from clap_sb.experiment.command_line import set_deterministic

FILES = [ROOT / "recipes" / name for name in ("common.yaml", "training.yaml")]
FILES += [ROOT / "recipes" / "captions.yaml"]
FILES += [ROOT / "recipes" / "AudioCaps" / "recipe.yaml"]


@pytest.fixture
def as_before(monkeypatch):
    """Nothing is deterministic that was not, and afterwards neither."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    filled = torch.utils.deterministic.fill_uninitialized_memory
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = filled


@pytest.mark.parametrize("asked", [True, False])
def test_what_a_gpu_needs_is_set_before_it_is_used(asked, as_before, monkeypatch):
    seen = []

    def join(_backend):  # the first that touches one
        seen.append(os.environ.get("CUBLAS_WORKSPACE_CONFIG"))
        seen.append(torch.are_deterministic_algorithms_enabled())
        seen.append(torch.backends.cudnn.benchmark)

    monkeypatch.setattr(run, "join_ranks", join)
    settings = {"deterministic": asked, "data_folder": "builtin"}
    words = command(str(ROOT / "hparams" / "demo.yaml"), settings)
    run.parse_arguments(words, FILES)
    assert seen == ([":4096:8", True, False] if asked else [None, False, True])


def test_a_variable_that_is_set_stays(as_before, monkeypatch):
    from clap_sb.config import Config

    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    set_deterministic(Config("deterministic: True"))
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_frames_are_stretched_in_the_same_way(as_before):
    mel = torch.randn(2, 3, 251, 16, dtype=torch.float64)
    plain = _stretched(mel, 256)
    torch.use_deterministic_algorithms(True)
    assert torch.allclose(_stretched(mel, 256), plain, rtol=0, atol=1e-12)
    product = _stretched(mel.float(), 256)
    torch.use_deterministic_algorithms(False)
    assert torch.allclose(product, _stretched(mel.float(), 256), rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
@pytest.mark.skipif(os.name == "nt", reason="workers are not forked there")
def test_the_number_of_workers_changes_no_bit(model, clips, tmp_path):
    """Nor do four of them, which are more than there are batches."""
    ends = []
    for workers in (0, 1, 2, 4):
        folder = tmp_path / str(workers)
        rates = dict.fromkeys(("lr", "audio_lr", "text_lr"), 0.1)
        brain = make_brain(
            copy.deepcopy(model), folder, best_metric="epoch", epochs=2, **rates
        )
        options = loader_options(brain, num_workers=workers)
        dataset = pairs(brain, clips)
        counter = brain.hparams.epoch_counter
        brain.fit(counter, dataset, train_loader_kwargs=options)
        ends.append(brain.clap.state_dict())
    for end in ends[1:]:
        assert all(torch.equal(end[name], ends[0][name]) for name in end)
    before = model.state_dict()
    assert any(not torch.equal(ends[0][name], before[name]) for name in before)
