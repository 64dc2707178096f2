"""Transformers' ``ClapModel``: its state dict and configuration, both ways.

The port renamed LAION-CLAP's HTSAT and RoBERTa, and cut ``qkv`` into three. It has
neither class heads nor a filterbank; feature fusion is always AFF in two dimensions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.audio_towers import audio_part, under
from clap_sb.checkpoints.describing import two_towers
from clap_sb.checkpoints.front_end import LAION, LAION_FUSED
from clap_sb.checkpoints.laion import CLIP_SAMPLES, MAX_TOKENS
from clap_sb.checkpoints.reading import Weights
from clap_sb.checkpoints.text_towers import bert_tower

NAME = "transformers ClapModel"

_AUDIO = "audio_model.audio_encoder."

# ours, theirs: within the audio tower, each applied wherever it fits
_AUDIO_NAMES = (
    (".attn.proj.", ".attention.output.dense."),
    (".attn.", ".attention.self."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    ("bn0.", "batch_norm."),
)
# ours, theirs: the first that fits is applied
_PREFIXES = (
    ("text_encoder.model.", "text_model."),
    ("audio_projection.0.", "audio_projection.linear1."),
    ("audio_projection.2.", "audio_projection.linear2."),
    ("text_projection.0.", "text_projection.linear1."),
    ("text_projection.2.", "text_projection.linear2."),
    ("logit_scale.log_scale", "logit_scale_a"),
)
_CONSTANTS = re.compile(
    r".*(relative_position_index|attn_mask|position_ids|token_type_ids)$"
)
_QKV = ("query", "key", "value")


def recognise(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether a state dict is a ``ClapModel``'s.

    Arguments
    ---------
    state : mapping
        A state dict.

    Returns
    -------
    bool
    """
    return any(key.startswith(_AUDIO) for key in state)


def describe(weights: Weights) -> Architecture:
    """Reads the architecture from names and shapes, and the rest from the folder.

    Without ``config.json`` and ``preprocessor_config.json``, heads, epsilons and front
    end are those of the published models.

    Arguments
    ---------
    weights : Weights
        With a ``ClapModel``'s state dict.

    Returns
    -------
    Architecture
    """
    ours = from_transformers(weights.state, _joined_shape)
    tower = under(ours, "audio_encoder.")
    config = weights.config.get("audio_config", {})
    fused = any("fusion_model" in key for key in tower)
    audio = audio_part(
        tower,
        _front_end(weights.processor, fused),
        clip_samples=_clip_samples(weights.processor),
        spec_size=config.get("spec_size", 256),
    )
    text = bert_tower(
        under(ours, "text_encoder.model."),
        "pooler",
        MAX_TOKENS,
        **_text_numbers(weights.config.get("text_config", {})),
    )
    heads = (under(ours, f"{side}_projection.") for side in ("audio", "text"))
    return two_towers(NAME, audio, text, *heads)


def _text_numbers(config: Mapping[str, Any]) -> dict[str, Any]:
    known = ("num_attention_heads", "layer_norm_eps", "hidden_act", "pad_token_id")
    return {key: config[key] for key in known if key in config}


def _front_end(processor: Mapping[str, Any], fused: bool) -> dict[str, Any]:
    theirs = {
        "sampling_rate": "sample_rate",
        "fft_window_size": "n_fft",
        "hop_length": "hop_length",
        "feature_size": "n_mels",
        "frequency_min": "f_min",
        "frequency_max": "f_max",
    }
    own = {ours: processor[key] for key, ours in theirs.items() if key in processor}
    return {**(LAION_FUSED if fused else LAION), **own}


def _clip_samples(processor: Mapping[str, Any]) -> int:
    if "max_length_s" not in processor:
        return CLIP_SAMPLES
    return processor["max_length_s"] * processor["sampling_rate"]


def is_constant(key: str) -> bool:
    """Whether a tensor of a ``ClapModel`` is no weight, and follows from its sizes.

    Arguments
    ---------
    key : str
        Its name.

    Returns
    -------
    bool

    Example
    -------
    >>> is_constant("text_model.embeddings.position_ids")
    True
    """
    return _CONSTANTS.match(key) is not None


def _joined_shape(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """What ``torch.cat`` would give, where the shape alone is asked for."""
    rows = sum(len(part) for part in parts)
    return parts[0].new_empty(()).expand(rows, *parts[0].shape[1:])


def from_transformers(
    state_dict: Mapping[str, torch.Tensor],
    join: Callable[[Sequence[torch.Tensor]], torch.Tensor] = torch.cat,
) -> dict[str, torch.Tensor]:
    """Converts a ``ClapModel``'s state dict into ours.

    Arguments
    ---------
    state_dict : mapping
        State dict of a ``ClapModel``.
    join : callable
        Makes one tensor of queries, keys and values.

    Returns
    -------
    dict
        Ours, without the filterbank, which transformers keeps outside the model.

    Example
    -------
    >>> query = "audio_model.audio_encoder.layers.0.blocks.0.attention.self.query.bias"
    >>> theirs = {query.replace("query", name): torch.zeros(2) for name in _QKV}
    >>> {key: value.shape for key, value in from_transformers(theirs).items()}
    {'audio_encoder.layers.0.blocks.0.attn.qkv.bias': torch.Size([6])}
    """
    ours: dict[str, torch.Tensor] = {}
    for key, value in state_dict.items():
        if is_constant(key) or key == "logit_scale_t":
            continue
        if not key.startswith(_AUDIO):
            ours[_swap_prefix(key, [(b, a) for a, b in _PREFIXES])] = value
        elif ".query." in key:
            parts = [state_dict[key.replace("query", name)] for name in _QKV]
            ours[_our_audio_key(key).replace("query", "qkv")] = join(parts)
        elif ".key." not in key and ".value." not in key:
            ours[_our_audio_key(key)] = value
    return ours


def to_transformers(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Converts our state dict into a ``ClapModel``'s.

    Arguments
    ---------
    state_dict : mapping
        State dict of a CLAP of HTSAT, RoBERTa and MLP projections.

    Returns
    -------
    dict
        What ``ClapModel.load_state_dict`` takes. The port's second scale, which
        multiplies the same cosines, gets the value of the first.

    Example
    -------
    >>> ours = {"audio_encoder.layers.0.blocks.0.attn.qkv.bias": torch.arange(3)}
    >>> theirs = to_transformers(ours)
    >>> len(theirs), [int(value) for value in theirs.values()]
    (3, [0, 1, 2])
    """
    theirs: dict[str, torch.Tensor] = {}
    for key, value in state_dict.items():
        if key.endswith("log_mel.mel_filters"):
            continue
        if not key.startswith("audio_encoder."):
            theirs[_swap_prefix(key, _PREFIXES)] = value
        elif ".qkv." in key:
            for name, part in zip(_QKV, value.chunk(3), strict=True):
                # safetensors refuses tensors that share memory
                theirs[_their_audio_key(key).replace("qkv", name)] = part.clone()
        else:
            theirs[_their_audio_key(key)] = value
    if "logit_scale_a" in theirs:
        theirs["logit_scale_t"] = theirs["logit_scale_a"].clone()
    return theirs


def _swap_prefix(key: str, prefixes) -> str:
    for old, new in prefixes:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key


def _our_audio_key(key: str) -> str:
    key = key.removeprefix(_AUDIO)
    for ours, theirs in _AUDIO_NAMES:
        key = key.replace(theirs, ours)
    return f"audio_encoder.{key}"


def _their_audio_key(key: str) -> str:
    key = key.removeprefix("audio_encoder.")
    for ours, theirs in _AUDIO_NAMES:
        key = key.replace(ours, theirs)
    return f"{_AUDIO}{key}"
