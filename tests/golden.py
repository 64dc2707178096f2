"""The golden figures: what the peers' own classes give for synthetic weights.

Weights are drawn for each name of the peer's state dict, so that a figure can be
reproduced without the peer.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from small_checkpoints import stft_kernels

from clap_sb.checkpoints.front_end import LAION, MS_2022, MS_2023, PANNS, filters_of

# front ends of the models that are no LAION-CLAP
FRONT_ENDS = defaultdict(
    lambda: LAION, msclap_2022=MS_2022, msclap_2023=MS_2023, panns=PANNS
)
# what a peer's class builds for itself
CONSTANTS = ("spectrogram_", "logmel_", "attn_mask", "position_index", "tracked")
FIGURES = Path(__file__).parent / "fixtures" / "golden_families.json"


def figures() -> dict[str, dict]:
    return json.loads(FIGURES.read_text(encoding="utf-8"))


def drawn_weight(key: str, value: torch.Tensor) -> torch.Tensor:
    """The weight that a figure was computed with, by its name in the peer."""
    count, in_bn0 = value.numel(), "bn0" in key
    seed = zlib.crc32(key.encode()) & 0x7FFFFFFF
    r = np.random.RandomState(seed).standard_normal(count)
    if "running_var" in key:
        r = (1 + 0.25 * r * r) * (200 if in_bn0 else 1)
    elif "running_mean" in key:
        r = 0.1 * r - (25 if in_bn0 else 0)
    elif value.dim() <= 1:
        r = 0.1 * r + key.endswith("weight")
    elif "relative_position_bias_table" in key:
        r = 0.5 * r
    elif any(n in key for n in ("embeddings.", "token_emb", "positional_emb")):
        r = 0.1 * r
    else:
        r = 1.4 * r / math.sqrt(count / value.shape[0])
    return torch.from_numpy(r.astype(np.float32)).view(value.shape)


_INTEGERS = ("num_batches_tracked", "relative_position_index", "position_ids")


def filled(
    shapes: Mapping[str, tuple[int, ...]], front_end: Mapping[str, object]
) -> dict[str, torch.Tensor]:
    """The state dict that figures were computed with, from its names and shapes.

    STFT kernels and filterbank are the family's own; masks and indices, which a model
    builds for itself, are zeros.
    """
    constants = {
        "logmel_extractor.melW": lambda: filters_of(front_end),
        "stft.conv_real.weight": lambda: stft_kernels()[0],
        "stft.conv_imag.weight": lambda: stft_kernels()[1],
    }
    state = {}
    for key, shape in shapes.items():
        dtype = torch.int64 if key.endswith(_INTEGERS) else torch.float32
        value = torch.zeros(shape, dtype=dtype)
        found = [make for ending, make in constants.items() if key.endswith(ending)]
        if found:
            value = found[0]()
        elif "logit_scale" in key:
            value = torch.tensor(math.log(1 / 0.07))
        elif dtype.is_floating_point and "attn_mask" not in key:
            value = drawn_weight(key, value)
        state[key] = value
    if "text_branch.shared.weight" in state:  # tied: the last one drawn holds
        words = state["text_branch.decoder.embed_tokens.weight"]
        state["text_branch.encoder.embed_tokens.weight"] = words
    return state


@torch.no_grad()
def fill_by_name(module: torch.nn.Module, prefixes: dict[str, str]) -> torch.nn.Module:
    """Draws all weights of a module of ours; ``prefixes`` gives the peer's names."""
    for key, value in module.state_dict().items():
        if key.endswith("num_batches_tracked") or "mel_filters" in key:
            continue
        ours = max((p for p in prefixes if key.startswith(p)), key=len)
        value.copy_(drawn_weight(prefixes[ours] + key.removeprefix(ours), value))
    return module.eval()


def signal(num_samples: int, sample_rate: int, int16: bool) -> torch.Tensor:
    """Two tones and a chirp; LAION's own path rounds them to 16 bits."""
    t = np.arange(num_samples) / sample_rate
    x = 0.5 * np.sin(2 * np.pi * 440 * t) + 0.05 * np.sin(2 * np.pi * 9000 * t)
    x = x + 0.25 * np.sin(2 * np.pi * 3000 * t * (1 + 0.02 * t))
    x = x.astype(np.float32)
    if int16:
        x = (np.clip(x, -1, 1) * 32767.0).astype(np.int16).astype(np.float32) / 32767.0
    return torch.from_numpy(x.astype(np.float32))[None]


def difference(found: torch.Tensor, figure: dict) -> float:
    """Largest difference from the first and last values that are stored.

    The norm, which all values enter, must agree to a part in 100,000.
    """
    row = found[0].double()
    assert row.numel() == figure["numel"]
    assert abs(row.norm().item() / figure["norm"] - 1) < 1e-5
    stored = torch.tensor(figure["first8"] + figure["last4"], dtype=torch.float64)
    return float((torch.cat([row[:8], row[-4:]]) - stored).abs().max())
