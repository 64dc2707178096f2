"""The benchmark of the starter: what it trains, and what it compares with."""

from __future__ import annotations

import importlib.util
import sys

import pytest
import torch
from scripts import ROOT
from torch import nn

from clap_sb.encoders.projection import MLPProjection
from clap_sb.objectives.logit_scale import LogitScale


@pytest.fixture(scope="module")
def benchmark():
    path = ROOT / "benchmarks" / "starter.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks for its annotations
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def hparams():
    return {
        "audio_projection": MLPProjection(12, 8),
        "text_projection": MLPProjection(6, 8),
        "logit_scale": LogitScale(0.2),
        "lr": 0.01,
        "audio_lr": 0.01,
        "text_lr": 0.01,
        "weight_decay": 0.0,
        "opt_class": torch.optim.AdamW,
        "batch_size": 8,
        "number_of_epochs": 20,
        "warmup_steps": 2,
    }


@pytest.fixture
def found(benchmark):
    """Three classes, four folds, each sound near its class's place."""
    label = torch.arange(48) % 3
    places, words = 3 * torch.randn(3, 12), torch.randn(3, 6)
    return benchmark.Embedded(
        audio=places[label] + 0.3 * torch.randn(48, 12),
        label=label,
        fold=torch.arange(48) // 12,
        captions=[word + 0.1 * torch.randn(4, 6) for word in words],
        names=["a", "b", "c"],
    )


def test_projections_learn_what_was_shown_and_the_given_ones_stay(
    benchmark, hparams, found
):
    before = hparams["audio_projection"][0].weight.clone()
    held = found.fold == 3
    clap = benchmark.fit(hparams, found, (~held).nonzero().flatten())
    assert benchmark.is_right(clap, found, held, range(3)).mean() == 1
    assert torch.equal(hparams["audio_projection"][0].weight, before)
    # among classes that are not its own, none is right
    others = benchmark.is_right(clap, found, held & (found.label == 0), [1, 2])
    assert others.sum() == 0 and len(others) == 4


def test_ridge_regression_is_the_least_of_its_squares(benchmark, found):
    rows = torch.arange(40)
    ridge = benchmark.Ridge(found, rows, penalty=5.0)
    x = ((found.audio[rows].double() - ridge.mean) / ridge.std).numpy()
    means = [nn.functional.normalize(own, dim=1).mean(0) for own in found.captions]
    y = torch.stack(means)[found.label[rows]].double() - ridge.offset

    def cost(weights):
        errors = torch.from_numpy(x) @ weights - y
        return errors.square().sum() + 5.0 * weights.square().sum()

    least = cost(ridge.map)
    for _ in range(20):
        assert cost(ridge.map + 1e-3 * torch.randn(ridge.map.shape)) > least


def test_a_mixture_holds_both_at_the_same_level(benchmark):
    quiet, loud = 0.01 * torch.randn(1000), 0.5 * torch.randn(600)
    mixed = benchmark.mix(quiet, loud)
    assert len(mixed) == 1000
    assert mixed.abs().max() == pytest.approx(0.7)
    # after 600 samples the quiet one is alone, at the level of a whole
    alone = mixed[600:].square().mean().sqrt()
    both = mixed[:600].square().mean().sqrt()
    assert 0.4 < alone / both < 0.8
