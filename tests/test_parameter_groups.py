"""Each trained parameter is in one group, with its tower's rate and its decay."""

from __future__ import annotations

import json
import types
from pathlib import Path

import pytest
import torch
from builders import CLIP_SAMPLES, tiny_clap, tiny_htsat, write_text_source
from torch import nn

from clap_sb.encoders.clip_joint_text import ClipJointText
from clap_sb.encoders.clip_text import ClipTextTransformer
from clap_sb.encoders.cnn14 import CNN14
from clap_sb.encoders.fusion import FUSIONS
from clap_sb.encoders.text import TransformersText
from clap_sb.features import LogMel
from clap_sb.objectives.info_nce import InfoNCE
from clap_sb.objectives.logit_scale import LogitScale
from clap_sb.training.optimization import parameter_groups

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


def test_a_bias_and_an_objective_have_their_place(tmp_path):
    clap = tiny_clap(tmp_path)
    before = len(parameter_groups(clap, **RATES, weight_decay=0.05))
    clap.logit_scale = LogitScale(bias=-10.0)
    assert by_name(clap)["logit_scale.bias"]["weight_decay"] == 0.0
    objective = nn.ModuleDict({"a": nn.Linear(2, 2), "frozen": nn.Linear(3, 3)})
    objective["frozen"].requires_grad_(False)
    groups = parameter_groups(clap, **RATES, weight_decay=0.05, objective=objective)
    assert [(g["base_lr"], g["weight_decay"]) for g in groups[before:]] == [
        (0.1, 0.05),
        (0.1, 0.0),
    ]
    assert [group["params"] for group in groups[before:]] == [
        [objective["a"].weight],
        [objective["a"].bias],
    ]
    groups = parameter_groups(clap, **RATES, weight_decay=0.05, objective=InfoNCE())
    assert len(groups) == before


def test_nothing_to_train_is_an_error(tmp_path):
    clap = tiny_clap(tmp_path).requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        parameter_groups(clap, **RATES, weight_decay=0.0)


# ---------------------------------------------------------------- every tower

LAYERS = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
TEXT = {
    "roberta": {},
    "bert": {**LAYERS, "hidden_size": 16},
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2},
    "bart": {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
    | {"encoder_attention_heads": 2, "encoder_ffn_dim": 32},
    "clip_text_model": {**LAYERS, "hidden_size": 16, "projection_dim": 12},
}


def cnn14(fusion: str | None) -> CNN14:
    log_mel = LogMel(8000, n_fft=256, hop_length=80, n_mels=64, f_max=4000.0)
    return CNN14(log_mel, CLIP_SAMPLES, channels=[4] * 6, fusion=fusion)


def audio_towers() -> list[nn.Module]:
    towers = [tiny_htsat(stem_channels=[4, 8]), tiny_htsat(num_classes=3)]
    for fusion in (None, *FUSIONS):
        towers += [tiny_htsat(fusion=fusion), cnn14(fusion)]
    return towers


def text_towers(folder: Path) -> list[nn.Module]:
    write_text_source(folder)
    towers = [ClipTextTransformer(folder, width=16, depth=1, num_heads=2)]
    config = json.loads((folder / "config.json").read_text())
    for kind, sizes in TEXT.items():
        if sizes:
            config = {"model_type": kind, "vocab_size": config["vocab_size"], **sizes}
            (folder / "config.json").write_text(json.dumps(config))
        towers.append(
            TransformersText(folder, pretrained=False, pooling="last", max_tokens=60)
        )
    clip = ClipJointText(
        folder, "clip", joint_dim=12, pretrained=False, max_tokens=60, freeze=False
    )
    return [*towers, clip]


def owners(module: nn.Module) -> dict[int, nn.Module]:
    return {
        id(parameter): part
        for part in module.modules()
        for parameter in part.parameters(recurse=False)
    }


def test_what_is_decayed_in_every_tower_multiplies_its_input(tmp_path):
    from transformers.pytorch_utils import Conv1D

    multiply = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.MultiheadAttention, Conv1D)
    rest = dict.fromkeys(("audio_projection", "text_projection"), nn.Identity())
    for tower in (*audio_towers(), *text_towers(tmp_path)):
        clap = types.SimpleNamespace(
            audio_encoder=tower, text_encoder=nn.Identity(), logit_scale=nn.Identity()
        )
        vars(clap).update(rest)
        owner, decayed = owners(tower), set()
        for group in parameter_groups(clap, **RATES, weight_decay=0.05):
            if group["weight_decay"]:
                decayed |= set(map(id, group["params"]))
        for name, parameter in tower.named_parameters():
            is_factor = isinstance(owner[id(parameter)], multiply)
            expected = is_factor and parameter.dim() > 1
            assert (id(parameter) in decayed) == expected, (type(tower), name)


def test_parts_that_share_a_parameter_are_named(tmp_path):
    clap = tiny_clap(tmp_path)
    with pytest.raises(ValueError, match=r"objective has .*\(audio_encoder\..*its own"):
        parameter_groups(clap, **RATES, weight_decay=0.05, objective=clap)
    clap.text_projection = clap.audio_projection
    with pytest.raises(ValueError, match="text_projection has .*audio_projection's"):
        by_name(clap)
