"""Transformers' ``ClapModel``: its state dict and configuration, both ways.

The port renamed LAION-CLAP's HTSAT and RoBERTa, and cut ``qkv`` into three. It has
neither class heads nor a filterbank; feature fusion is always AFF in two dimensions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from clap_sb.checkpoints.architecture import Architecture, Part, TextTower
from clap_sb.checkpoints.audio_towers import audio_part, renamed, under
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.family_models import audio_alone, projection_part, two_towers
from clap_sb.checkpoints.text_towers import bert_tower
from clap_sb.checkpoints.transformers_settings import hearing, spec_size, text_numbers
from clap_sb.checkpoints.weights_file import Weights

NAME = "transformers ClapModel"

_AUDIO = "audio_model.audio_encoder."
# of ClapAudioModel, saved by itself
_TOWER_ALONE = "audio_encoder.batch_norm."

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
_PADDING = 1
_QKV = ("query", "key", "value")


def recognise(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether it is a ``ClapModel``'s, or of one of its towers; see :class:`Family`."""
    is_clap = any(key.startswith((_AUDIO, _TOWER_ALONE)) for key in state)
    return is_clap or _is_text_alone(state)


def _is_text_alone(state: Mapping[str, torch.Tensor]) -> bool:
    return "text_projection.linear1.weight" in state and not any(
        key.startswith(_AUDIO) for key in state
    )


def describe(weights: Weights) -> Architecture:
    """Reads the architecture from names and shapes, and the rest from the folder.

    Without ``config.json`` and ``preprocessor_config.json``, heads, epsilons and front
    end are those of the published models. A ``ClapAudioModelWithProjection`` and a
    ``ClapAudioModel`` are audio towers alone, the former with its projection.

    Raises
    ------
    CheckpointError
        If it is a text tower alone, or the folder tells of what is not supported.
    """
    if _is_text_alone(weights.state):
        raise CheckpointError(
            "this is a ClapTextModelWithProjection, a text tower alone: there is "
            "nothing that hears. Give the ClapModel that it belongs to"
        )
    ours = from_transformers(weights.state, _joined_shape)
    audio = _describe_audio(weights, under(ours, "audio_encoder."))
    head = under(ours, "audio_projection.")
    text_state = under(ours, "text_encoder.model.")
    if text_state:
        text = _describe_text(weights, text_state)
        return two_towers(NAME, audio, text, head, under(ours, "text_projection."))
    alone = audio_alone(NAME, audio)
    if not head:
        return alone
    projection = projection_part(head)
    joint_dim = projection.arguments["joint_dim"]
    return replace(alone, audio_projection=projection, joint_dim=joint_dim)


def _describe_text(weights: Weights, tower: Mapping[str, torch.Tensor]) -> TextTower:
    numbers = text_numbers(weights.config)
    rows = tower["embeddings.position_embeddings.weight"].shape[0]
    # as many as there are positions, which RoBERTa counts from the padding's id on:
    # its processor cuts nothing
    max_tokens = rows - numbers.get("pad_token_id", _PADDING) - 1
    return bert_tower(tower, "pooler", max_tokens, **numbers)


def _describe_audio(weights: Weights, tower: Mapping[str, torch.Tensor]) -> Part:
    heard = hearing(weights.processor, any("fusion_model" in key for key in tower))
    patch_size = tower["patch_embed.proj.weight"].shape[2]
    return audio_part(
        tower,
        heard.front_end,
        clip_samples=heard.clip_samples,
        padding=heard.padding,
        spec_size=spec_size(weights.config, patch_size),
    )


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
    if any(key.startswith(_TOWER_ALONE) for key in state_dict):
        state_dict = {f"audio_model.{key}": value for key, value in state_dict.items()}
    for key, value in state_dict.items():
        if is_constant(key) or key == "logit_scale_t":
            continue
        if not key.startswith(_AUDIO):
            ours[renamed(key, [(b, a) for a, b in _PREFIXES])] = value
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
            theirs[renamed(key, _PREFIXES)] = value
        elif ".qkv." in key:
            for name, part in zip(_QKV, value.chunk(3), strict=True):
                # safetensors refuses tensors that share memory
                theirs[_their_audio_key(key).replace("qkv", name)] = part.clone()
        else:
            theirs[_their_audio_key(key)] = value
    if "logit_scale_a" in theirs:
        theirs["logit_scale_t"] = theirs["logit_scale_a"].clone()
    return theirs


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
