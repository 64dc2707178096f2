"""LAION-CLAP's layout: every published name is known, and the figures come out.

The weights of the golden figures are synthetic (``builders.filled_by_rule``); the
figures are those of LAION's own classes on them.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from builders import filled_by_rule, fixture, tiny_clap, write_text_source

from clap_sb.checkpoints.laion import from_laion, to_laion_key
from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.projection import MLPProjection
from clap_sb.encoders.text import TransformersText
from clap_sb.features import LogMel
from clap_sb.model import CLAP
from clap_sb.objectives.logit_scale import LogitScale

GOLDEN = fixture("golden.json")
LAION_KEYS = fixture("laion_keys.json")  # HTSAT-tiny with RoBERTa: names and shapes
SIZES = {"tiny": (96, [2, 2, 6, 2]), "base": (128, [2, 2, 12, 2])}
AS_BUILT = re.compile(r"melW$|num_batches_tracked$|logit_scale")
ROBERTA_BASE = {
    "vocab_size": 50265,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
    "layer_norm_eps": 1e-5,
}


@pytest.fixture(scope="module")
def text_tower(tmp_path_factory):
    source = write_text_source(tmp_path_factory.mktemp("roberta"), **ROBERTA_BASE)
    return TransformersText(source, pretrained=False)


@pytest.fixture(scope="module")
def filled():
    """Fills a weight; the text tower's are the same in every case."""
    kept = {}

    def fill(key: str, value: torch.Tensor) -> torch.Tensor:
        if AS_BUILT.search(key):
            return value
        if not key.startswith("text_"):
            return filled_by_rule(key, value)
        if key not in kept:
            kept[key] = filled_by_rule(key, value)
        return kept[key]

    return fill


def build(size: str, text_tower: TransformersText) -> CLAP:
    embed_dim, depths = SIZES[size]
    audio = HTSAT(LogMel(), embed_dim=embed_dim, depths=depths)
    heads = MLPProjection(audio.embedding_dim, 512), MLPProjection(768, 512)
    return CLAP(audio, text_tower, *heads, LogitScale()).eval()


def golden_wav(samples: int) -> torch.Tensor:
    """Three tones, through LAION's 16-bit integers and back."""
    t = np.arange(samples) / 48000
    wav = 0.5 * np.sin(2 * np.pi * 440 * t)
    wav += 0.25 * np.sin(2 * np.pi * 3000 * t * (1 + 0.02 * t))
    wav += 0.05 * np.sin(2 * np.pi * 9000 * t)
    integers = (np.clip(wav.astype(np.float32), -1, 1) * 32767.0).astype(np.int16)
    return torch.from_numpy(integers.astype(np.float32) / np.float32(32767.0))[None]


def off_by(found: torch.Tensor, figures: dict) -> float:
    """Largest difference to the values that are stored."""
    (found,) = found.double()
    stored = torch.tensor([*figures["first8"], *figures["last4"]], dtype=torch.float64)
    assert found.norm().item() == pytest.approx(figures["norm"], abs=1e-3)
    assert found.sum().item() == pytest.approx(figures["sum"], abs=5e-3)
    return (torch.cat([found[:8], found[-4:]]) - stored).abs().max().item()


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES)
def test_golden_figures(size, text_tower, filled):
    clap, figures = build(size, text_tower), GOLDEN[size]
    state = {to_laion_key(key): value for key, value in clap.state_dict().items()}
    theirs = {f"module.{key}": filled(key, value) for key, value in state.items()}
    clap.load_state_dict(from_laion(theirs), strict=True)

    wav = golden_wav(figures["samples"])
    assert off_by(clap.audio_encoder(wav), figures["embedding"]) <= 1e-4
    assert off_by(clap.encode_audio(wav), figures["projected_l2"]) <= 1e-5
    ids = torch.tensor([[0, 713, 16, 10, 2182, 9, 2335, 2]])
    tokens = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    assert off_by(clap.encode_text(tokens), figures["text_l2"]) <= 1e-5


@torch.no_grad()
def test_golden_classes(filled):
    """The token-semantic head, which a CLAP checkpoint carries along unused."""
    encoder = HTSAT(LogMel(), num_classes=527).eval()
    weights = {
        key: filled(f"audio_branch.{key}".replace("log_mel.mel_filters", "melW"), value)
        for key, value in encoder.state_dict().items()
    }
    encoder.load_state_dict(weights, strict=True)
    scores = encoder.classify(golden_wav(GOLDEN["tiny"]["samples"])).sigmoid()
    assert off_by(scores, GOLDEN["tiny"]["clipwise"]) <= 1e-5


def test_every_published_name_is_known(text_tower):
    """Neither a name too many nor one too few, and each of the right shape."""
    published = {
        f"module.{key}": torch.empty(shape, device="meta")
        for key, shape in LAION_KEYS.items()
    }
    # older files hold two buffers that transformers no longer saves
    published["module.text_branch.embeddings.position_ids"] = torch.empty(1, 514)
    published["module.text_branch.embeddings.token_type_ids"] = torch.empty(1, 514)
    expected = build("tiny", text_tower).state_dict()
    found = from_laion(published)
    assert {key: value.shape for key, value in found.items()} == {
        key: value.shape for key, value in expected.items()
    }


def test_names_go_there_and_back(tmp_path):
    state = tiny_clap(tmp_path).state_dict()
    theirs = {to_laion_key(key): value for key, value in state.items()}
    assert len(theirs) == len(state)
    assert all(key.startswith(("audio_", "text_", "logit_scale_a")) for key in theirs)
    for prefix in ("", "module."):
        back = from_laion({prefix + key: value for key, value in theirs.items()})
        assert back.keys() == state.keys()
        assert all(back[key] is state[key] for key in state)


def test_fused_checkpoints_are_not_taken_for_unfused_ones(tmp_path):
    clap = tiny_clap(tmp_path)
    theirs = {to_laion_key(key): value for key, value in clap.state_dict().items()}
    theirs["audio_branch.patch_embed.mel_conv2d.weight"] = torch.zeros(96, 1, 4, 12)
    with pytest.raises(RuntimeError, match="mel_conv2d"):
        clap.load_state_dict(from_laion(theirs), strict=True)
