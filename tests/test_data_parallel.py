"""DDP around a model: synchronised batch norm where it can be, the same weights."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_clap, tiny_htsat
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from clap_sb.checkpoints.run_folder import PARTS
from clap_sb.training import loader_brain
from clap_sb.training.checkpointer import AtomicCheckpointer


class Wrapped:
    """Stands in for DDP, which wants a process group and the device."""

    def __init__(self, module, **options):
        self.module, self.options = module, options


@pytest.fixture
def wrap(monkeypatch):
    monkeypatch.setattr(loader_brain, "DistributedDataParallel", Wrapped)
    return loader_brain.wrap


@pytest.fixture
def clap(tmp_path):
    return tiny_clap(tmp_path, tiny_htsat(stem_channels=[4, 8]))


def norms(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, _BatchNorm)]


def test_batch_norm_is_synchronised_on_a_gpu_with_the_same_weights(
    wrap, clap, tmp_path
):
    weights, count = dict(clap.named_parameters()), len(norms(clap))
    statistics = {name: value.clone() for name, value in clap.named_buffers()}
    parts = {name: getattr(clap, name) for name in PARTS}
    checkpointer = AtomicCheckpointer(tmp_path / "save", parts)
    ddp = wrap(clap, "cuda:0")
    assert ddp.options == {"device_ids": ["cuda:0"]}
    model = loader_brain.unwrap(ddp)
    assert len(norms(model)) == count == 3
    assert all(isinstance(part, nn.SyncBatchNorm) for part in norms(model))
    after = dict(model.named_parameters())
    assert after.keys() == weights.keys()
    assert all(after[name] is value for name, value in weights.items())
    for name, value in model.named_buffers():
        assert torch.equal(value, statistics[name]), name
    # what is saved, and loaded into, is what is trained
    for name, part in checkpointer.recoverables.items():
        assert part is getattr(model, name)
    saved = [p for part in parts.values() for p in norms(part)]
    assert list(map(id, saved)) == list(map(id, norms(model)))


def test_batch_norm_stays_as_it_is_on_a_cpu(wrap, clap):
    ddp = wrap(clap, "cpu")
    assert ddp.options == {"device_ids": None}
    assert len(norms(ddp.module)) == 3
    assert not any(isinstance(part, nn.SyncBatchNorm) for part in norms(ddp.module))


@pytest.mark.parametrize(
    ("options", "message"),
    [((True, False), "torchrun --nproc-per-node"), ((False, True), "temperature")],
)
def test_ways_that_would_fail_in_the_first_step_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        loader_brain.check_run_options(*options)
