"""Each trained parameter is in one group, with its tower's rate and its decay."""

from __future__ import annotations

import pytest
import torch
from builders import tiny_clap, tiny_htsat

from clap_sb.training.parameter_groups import parameter_groups

RATES = {"lr": 0.1, "audio_lr": 0.2, "text_lr": 0.3}
TOWERS = {"audio_encoder": 0.2, "text_encoder": 0.3}


def by_name(clap) -> dict[str, dict]:
    names = {id(parameter): name for name, parameter in clap.named_parameters()}
    found = {}
    for group in parameter_groups(clap, **RATES, weight_decay=0.05):
        assert group["lr"] == group["base_lr"]
        for parameter in group["params"]:
            name = names[id(parameter)]
            assert name not in found, f"{name} is in two groups"
            found[name] = group
    return found


def test_every_parameter_is_in_one_group_with_its_towers_rate(tmp_path):
    clap = tiny_clap(tmp_path)
    groups = by_name(clap)
    assert set(groups) == {name for name, _ in clap.named_parameters()}
    for name, group in groups.items():
        assert group["lr"] == TOWERS.get(name.split(".")[0], 0.1), name


def test_weight_decay_falls_on_matrices_and_kernels_alone(tmp_path):
    groups = by_name(tiny_clap(tmp_path))
    decayed = {name for name, group in groups.items() if group["weight_decay"] == 0.05}
    plain = {name for name, group in groups.items() if group["weight_decay"] == 0.0}
    assert decayed | plain == set(groups)
    for name in decayed:
        assert name.endswith("weight") and "norm" not in name.lower(), name
        assert "bn0" not in name and "embeddings" not in name, name
    for name in (
        "audio_encoder.patch_embed.proj.weight",
        "audio_encoder.layers.0.blocks.1.attn.qkv.weight",
        "audio_encoder.layers.0.downsample.reduction.weight",
        "text_encoder.model.encoder.layer.0.output.dense.weight",
        "text_encoder.model.pooler.dense.weight",
        "audio_projection.0.weight",
        "text_projection.2.weight",
    ):
        assert name in decayed, name
    for name in (
        "audio_encoder.layers.0.blocks.1.attn.relative_position_bias_table",
        "audio_encoder.bn0.weight",
        "text_encoder.model.embeddings.word_embeddings.weight",
        "text_encoder.model.embeddings.position_embeddings.weight",
        "audio_projection.0.bias",
        "logit_scale.log_scale",
    ):
        assert name in plain, name


def test_frozen_towers_are_left_out(tmp_path):
    clap = tiny_clap(tmp_path, tiny_htsat(freeze=True))
    assert not any(name.startswith("audio_encoder") for name in by_name(clap))
    assert any(name.startswith("audio_projection") for name in by_name(clap))


def test_an_optimizer_takes_them(tmp_path):
    clap = tiny_clap(tmp_path)
    groups = parameter_groups(clap, **RATES, weight_decay=0.05)
    optimizer = torch.optim.AdamW(groups)
    assert {group["base_lr"] for group in optimizer.param_groups} == {0.1, 0.2, 0.3}


def test_nothing_to_train_is_an_error(tmp_path):
    clap = tiny_clap(tmp_path).requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        parameter_groups(clap, **RATES, weight_decay=0.0)
