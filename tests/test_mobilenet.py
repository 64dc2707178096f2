"""MobileNetV3 against a functional twin, torchvision's, and its own promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clap_sb.encoders.mobilenet import TABLES, ConvNorm, MobileNetV3, in_eights
from clap_sb.features import LogMel
from clap_sb.inference.onnx_towers import write_audio
from clap_sb.model import CLAP

CLIP = 16000
# of the paper: parameters without the classifier, as torchvision has them
PARAMETERS = {"large": 2_971_952, "small": 927_008}


def tiny(table: str = "small", width: float = 0.25, **options) -> MobileNetV3:
    log_mel = LogMel(16000, n_fft=512, hop_length=320, n_mels=64, f_max=8000.0)
    return MobileNetV3(log_mel, CLIP, table=table, width=width, **options)


@torch.no_grad()
def randomised(tower: MobileNetV3) -> MobileNetV3:
    """Weights that make every layer matter for the output."""
    generator = torch.Generator().manual_seed(1)
    for name, value in tower.state_dict().items():
        drawn = torch.randn(value.shape, generator=generator)
        if "running_mean" in name:
            value.copy_(0.1 * drawn - (40.0 if "bn0" in name else 0.0))
        elif "running_var" in name:
            value.copy_((1 + 0.2 * drawn.square()) * (200.0 if "bn0" in name else 1.0))
        elif value.dim() > 1 and "log_mel" not in name:
            value.copy_(drawn / value[0].numel() ** 0.5)
        elif value.dim() == 1:
            value.copy_(0.3 * drawn + name.endswith("weight"))
    return tower.eval()


def assert_alike(found: torch.Tensor, expected: torch.Tensor) -> None:
    """But for rounding, measured by how much the numbers differ among themselves."""
    assert expected.std() > 0.01
    assert (found - expected).abs().max() < 1e-5 * expected.std()


def naive_norm(x: torch.Tensor, weights: dict, name: str, eps: float) -> torch.Tensor:
    shape = (1, -1, 1, 1)
    scale = weights[f"{name}.weight"] / (weights[f"{name}.running_var"] + eps).sqrt()
    centred = x - weights[f"{name}.running_mean"].view(shape)
    return centred * scale.view(shape) + weights[f"{name}.bias"].view(shape)


def naive_swish(x: torch.Tensor) -> torch.Tensor:
    return x * (x + 3).clamp(0, 6) / 6


def naive_conv(x, weights: dict, name: str, stride: int = 1) -> torch.Tensor:
    kernel = weights[f"{name}.0.weight"]
    groups = x.shape[1] if kernel.shape[1] == 1 and len(kernel) == x.shape[1] else 1
    x = F.conv2d(x, kernel, None, stride, kernel.shape[2] // 2, groups=groups)
    return naive_norm(x, weights, f"{name}.1", 0.001)


def naive_mobilenet(weights: dict, log_mel: torch.Tensor, table: str) -> torch.Tensor:
    x = naive_norm(log_mel.permute(0, 3, 2, 1), weights, "bn0", 1e-5)
    x = naive_swish(naive_conv(x.permute(0, 3, 2, 1), weights, "features.0", 2))
    for index, row in enumerate(TABLES[table], start=1):
        act = naive_swish if row.activation == "HS" else F.relu
        name, before, place = f"features.{index}.block", x, 0
        if weights[f"{name}.0.0.weight"].shape[1] > 1:  # no depthwise one: it widens
            x, place = act(naive_conv(x, weights, f"{name}.0")), 1
        x = act(naive_conv(x, weights, f"{name}.{place}", row.stride))
        if row.squeezes:
            place += 1
            se = f"{name}.{place}.conc_se_layers.0"
            mean = x.sum((2, 3)) / (x.shape[2] * x.shape[3])
            inner = mean @ weights[f"{se}.fc1.weight"].T + weights[f"{se}.fc1.bias"]
            outer = inner.clamp(min=0) @ weights[f"{se}.fc2.weight"].T
            gate = 1 / (1 + (-outer - weights[f"{se}.fc2.bias"]).exp())
            x = x * gate[:, :, None, None]
        x = naive_conv(x, weights, f"{name}.{place + 1}")
        if row.stride == 1 and x.shape == before.shape:
            x = x + before
    last = len(TABLES[table]) + 1
    x = naive_swish(naive_conv(x, weights, f"features.{last}"))
    return x.flatten(2).sum(2) / (x.shape[2] * x.shape[3])


@pytest.mark.parametrize("table", TABLES)
def test_it_equals_a_functional_twin(table: str):
    tower = randomised(tiny(table))
    wavs = 0.1 * torch.randn(2, CLIP, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = naive_mobilenet(tower.state_dict(), tower.log_mel(wavs), table)
        found = tower(wavs)
    assert_alike(found, expected)


@pytest.mark.parametrize("table", TABLES)
def test_the_table_has_the_papers_parameters(table: str):
    features = tiny(table, width=1.0).features
    first = features[0][0].weight
    # three colours of a picture in the place of one log-mel
    count = sum(p.numel() for p in features.parameters()) + 2 * first.numel()
    assert count == PARAMETERS[table]


@pytest.mark.parametrize("table", TABLES)
def test_it_equals_torchvisions_where_that_is_installed(table: str, monkeypatch):
    torchvision = pytest.importorskip("torchvision")
    name = f"mobilenet_v3_{table}"
    theirs = getattr(torchvision.models, name)(width_mult=0.5).features.eval()
    tower = randomised(tiny(table, width=0.5))
    # the paper's gate is a hard sigmoid, and pictures have three colours
    monkeypatch.setattr(torch, "sigmoid", F.hardsigmoid)
    own, state = tower.features.state_dict(), theirs.state_dict()
    for (key, value), mine in zip(state.items(), own.values(), strict=True):
        first = key == "0.0.weight"
        value.copy_(mine.expand_as(value) if first else mine.view_as(value))
    log_mel = torch.randn(2, 1, 51, 64)
    with torch.no_grad():
        # three colours with the same kernel: a third of the picture each
        expected = theirs(log_mel.expand(-1, 3, -1, -1) / 3)
        x = log_mel
        for layer in tower.features:
            x = layer(x)
    assert_alike(x, expected)


def test_weights_lie_as_the_maps_do_whatever_they_are_loaded_from():
    tower = tiny("small")
    packed = {
        k: v.clone(memory_format=torch.contiguous_format)
        for k, v in tower.state_dict().items()
    }
    tower.load_state_dict(packed)
    for part in tower.modules():
        if isinstance(part, torch.nn.Conv2d):
            assert part.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_folded_norm_gives_the_same_numbers():
    torch.manual_seed(3)
    layer = ConvNorm(4, 8, 3, 2, activation=torch.nn.ReLU())
    with torch.no_grad():
        layer[1].running_mean.normal_()
        layer[1].running_var.uniform_(0.5, 2.0)
        layer[1].weight.normal_()
        layer[1].bias.normal_()
    layer.eval()
    x = torch.randn(2, 4, 21, 16)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    torch.testing.assert_close(
        layer(x), torch.nn.Sequential.forward(layer, x), rtol=1e-5, atol=1e-5
    )
    assert all(torch.equal(layer.state_dict()[key], before[key]) for key in before)


def test_onnxruntime_gives_the_same_for_any_batch(tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    tower, none = randomised(tiny()), torch.nn.Identity()
    clap = CLAP(tower, none, none, none, none).eval()
    told = {"file": "a.onnx", "inputs": ["wavs", "lengths"], "output": "embedding"}
    # it compares batches of three, one and two, and raises where they differ
    difference = write_audio(clap, tmp_path, told)
    noise = torch.randn(CLIP, generator=torch.Generator().manual_seed(6))
    tone = torch.sin(0.3 * torch.arange(CLIP))
    with torch.no_grad():
        found = clap.encode_audio(torch.stack([0.1 * noise, noise, 0.1 * tone]))
    assert torch.pdist(found).min() > 100 * difference


def test_an_embedding_depends_on_its_clip_alone():
    tower = randomised(tiny())
    wavs = 0.1 * torch.randn(3, CLIP)
    wavs[1, CLIP // 2 :] = 0.0
    with torch.no_grad():
        together = tower(wavs, torch.tensor([1.0, 0.5, 1.0]))
        alone = tower(wavs[1:2, : CLIP // 2])
    assert_alike(together[1:2], alone)


def test_recomputing_blocks_changes_no_gradient():
    gradients = []
    for again in (False, True):
        torch.manual_seed(4)
        tower = tiny(gradient_checkpointing=again).train()
        tower(0.1 * torch.randn(2, CLIP, generator=torch.Generator().manual_seed(5)))
        tower.zero_grad()
        tower(
            0.1 * torch.randn(2, CLIP, generator=torch.Generator().manual_seed(5))
        ).square().sum().backward()
        gradients.append(tower.features[0][0].weight.grad)
    torch.testing.assert_close(*gradients)


def test_a_frozen_tower_stays_as_it_is():
    tower = tiny(freeze=True).train()
    assert not tower.training
    assert not any(p.requires_grad for p in tower.parameters())


@pytest.mark.parametrize("wrong", [{"table": "medium"}, {"width": 0.0}])
def test_what_there_is_not_is_named(wrong: dict):
    with pytest.raises(ValueError, match="large.*small.*above 0"):
        tiny(**wrong)


def test_channels_stay_multiples_of_eight():
    assert all(in_eights(channels * 0.3) % 8 == 0 for channels in range(1, 200))
