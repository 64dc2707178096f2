"""Small models and signals that several test modules build."""

from __future__ import annotations

import copy
import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.projection import MLPProjection
from clap_sb.encoders.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
    train_sentencepiece,
)
from clap_sb.encoders.text import TransformersText
from clap_sb.features import LogMel
from clap_sb.model import CLAP
from clap_sb.objectives.logit_scale import LogitScale

FIXTURES = Path(__file__).parent / "fixtures"
SAMPLE_RATE = 8000
CLIP_SAMPLES = 20000  # 251 frames, stretched to the 256 of the image

CAPTIONS = [
    "a dog barks",
    "rain falls on a tin roof",
    "two men talk while a car passes by in the far distance",
    "birds sing",
    "a siren wails, then stops",
    "water drips slowly into a bucket",
]

# The front ends whose torchlibrosa figures are stored in fixtures/log_mel.json.
FAMILIES = {
    "laion": {"sample_rate": 48000, "hop_length": 480},
    "msclap_2022": {"sample_rate": 44100, "hop_length": 320},
    "wavcaps": {"sample_rate": 32000, "hop_length": 320},
}


def fixture(name: str) -> dict:
    return json.loads((FIXTURES / name).read_text(encoding="utf-8"))


def figure_signal(sample_rate: int) -> torch.Tensor:
    """Half a second of noise, of a chirp in faint noise, and of near-silence.

    The faint noise keeps every band within 70 dB of the chirp: farther down, float32
    itself is off by more than the 0.001 dB that are asked for, in any implementation.
    """
    t = np.arange(sample_rate // 2) / sample_rate
    noise = np.random.RandomState(7).standard_normal((3, len(t)))
    chirp = 0.5 * np.sin(2 * np.pi * (200 * t + 12000 * t**2))
    parts = [0.1 * noise[0], chirp + 1e-2 * noise[1], 1e-4 * noise[2]]
    return torch.tensor(np.concatenate(parts), dtype=torch.float32)


def tiny_log_mel() -> LogMel:
    return LogMel(
        SAMPLE_RATE, n_fft=256, hop_length=80, n_mels=16, f_min=50.0, f_max=4000.0
    )


def tiny_htsat(**options) -> HTSAT:
    """Two stages, both with shifted windows; some milliseconds a clip."""
    settings = {
        "clip_samples": CLIP_SAMPLES,
        "spec_size": 64,
        "window_size": 4,
        "embed_dim": 16,
        "depths": [2, 2],
        "num_heads": [2, 4],
    }
    return HTSAT(tiny_log_mel(), **{**settings, **options})


def write_text_source(folder: Path, **config) -> Path:
    """Writes a SentencePiece model and the ``config.json`` of a small RoBERTa."""
    train_sentencepiece(CAPTIONS, folder, 60)
    settings = {
        "model_type": "roberta",
        "vocab_size": len(SentencePieceTokenizer(folder)),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 80,
        "type_vocab_size": 1,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    (folder / "config.json").write_text(json.dumps({**settings, **config}))
    return folder


def tiny_text(folder: Path, **options) -> TransformersText:
    source = write_text_source(folder)
    return TransformersText(source, **{"pretrained": False, **options})


def tiny_clap(folder: Path, audio: HTSAT | None = None, **text) -> CLAP:
    """A whole model, amplified, in eval mode."""
    audio = tiny_htsat() if audio is None else audio
    clap = CLAP(
        audio,
        tiny_text(folder, **text),
        MLPProjection(audio.embedding_dim, 12),
        MLPProjection(16, 12),
        LogitScale(),
    )
    return amplify(clap).eval()


@torch.no_grad()
def amplify(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Draws weights that make every part of a model matter for its output.

    Fresh weights are so small that a model without its shift masks differs from a
    right one by less than rounding.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        if not value.is_floating_point() or "mel_filters" in name:
            continue
        drawn = torch.randn(value.shape, generator=generator)
        if "log_scale" in name:
            continue
        elif name.endswith("running_mean"):
            value.copy_(5.0 * drawn - 40.0)
        elif name.endswith("running_var"):
            value.copy_(200.0 * (1.0 + 0.25 * drawn.square()))
        elif name.endswith("relative_position_bias_table"):
            value.copy_(drawn)
        elif value.dim() < 2:
            value.copy_(0.1 * drawn + (1.0 if name.endswith("weight") else 0.0))
        else:
            value.copy_(1.5 * drawn / math.sqrt(value[0].numel()))
    return module


def mutated(module: torch.nn.Module, change) -> torch.nn.Module:
    """A copy of a model with something broken in each of its parts."""
    module = copy.deepcopy(module)
    for part in module.modules():
        change(part)
    return module


_FROM_TRANSFORMERS = (
    ("audio_encoder.", ""),
    ("batch_norm.", "bn0."),
    ("attention.output.dense", "attn.proj"),
    ("attention.self.", "attn."),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
    ("layernorm_before", "norm1"),
    ("layernorm_after", "norm2"),
)


def from_transformers(
    state_dict: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Weights of transformers' ``ClapAudioModel`` under the names of ``HTSAT``."""
    ours = {}
    for key, value in state_dict.items():
        if key.endswith("relative_position_index"):
            continue
        for old, new in _FROM_TRANSFORMERS:
            key = key.replace(old, new)
        ours[key] = value
    for key in [key for key in ours if ".attn.query." in key]:
        names = [key.replace("query", part) for part in ("query", "key", "value")]
        ours[key.replace("query", "qkv")] = torch.cat([ours.pop(n) for n in names])
    return ours


def filled_by_rule(key: str, value: torch.Tensor) -> torch.Tensor:
    """The synthetic weight that the golden figures of LAION-CLAP were computed with."""
    count = value.numel()
    seed = zlib.crc32(key.encode()) & 0x7FFFFFFF
    drawn = np.random.RandomState(seed).standard_normal(count)
    in_bn0 = "bn0" in key
    if "running_var" in key:
        drawn = (1 + 0.25 * drawn * drawn) * (200 if in_bn0 else 1)
    elif "running_mean" in key:
        drawn = 0.1 * drawn - (25 if in_bn0 else 0)
    elif value.dim() <= 1:
        drawn = 0.1 * drawn + key.endswith("weight")
    elif "relative_position_bias_table" in key:
        drawn *= 0.5
    elif "embeddings." in key:
        drawn *= 0.1
    else:
        drawn *= 1.4 / math.sqrt(count / value.shape[0])
    return torch.from_numpy(drawn.astype(np.float32)).view(value.shape)
