"""LAION-CLAP's state dicts (2211.06687): all of its towers, with and without fusion."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from clap_sb.checkpoints.architecture import Architecture, TextTower
from clap_sb.checkpoints.audio_towers import (
    audio_part,
    audio_state,
    fusion_of,
    renamed,
    under,
)
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.family_models import two_towers
from clap_sb.checkpoints.front_end import LAION, LAION_FUSED
from clap_sb.checkpoints.text_towers import (
    bart_tower,
    bert_tower,
    clip_tower,
    is_bart,
    is_bert,
    is_clip,
)
from clap_sb.checkpoints.weights_file import Weights

NAME = "LAION-CLAP"
CLIP_SAMPLES = 480000
MAX_TOKENS = 77

_AUDIO = "audio_branch."

# ours, theirs; the first that matches is applied
_PREFIXES = (
    ("audio_encoder.log_mel.mel_filters", "audio_branch.logmel_extractor.melW"),
    ("audio_encoder.", _AUDIO),
    ("text_encoder.transformer.resblocks.", "text_branch.resblocks."),
    ("text_encoder.token_embedding.", "token_embedding."),
    ("text_encoder.positional_embedding", "positional_embedding"),
    ("text_encoder.ln_final.", "ln_final."),
    # BART's encoder stands by itself with us
    ("text_encoder.model.layers.", "text_branch.encoder.layers."),
    ("text_encoder.model.embed_", "text_branch.encoder.embed_"),
    ("text_encoder.model.layernorm_emb", "text_branch.encoder.layernorm_emb"),
    ("text_encoder.model.", "text_branch."),
    ("logit_scale.log_scale", "logit_scale_a"),
)

# of no use to an embedding: buffers that are rebuilt, the text-side scale and the extra
# MLPs that only LAION's unused loss trains, and what of BART is not its encoder
_UNUSED = re.compile(
    r"attn_mask$|.*position_ids$|.*token_type_ids$|logit_scale_t$|"
    r"(audio|text)_transform\.|text_branch\.(shared|decoder)\."
)


def recognise(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether a state dict is LAION-CLAP's; see :class:`Family`."""
    return any(key.startswith(_AUDIO) for key in state)


def describe(weights: Weights) -> Architecture:
    """Reads the architecture from names and shapes; see :class:`Family`."""
    tower = under(weights.state, _AUDIO)
    front_end = LAION if fusion_of(tower) is None else LAION_FUSED
    audio = audio_part(tower, front_end, clip_samples=CLIP_SAMPLES)
    text = _describe_text(weights.state)
    heads = (under(weights.state, f"{side}_projection.") for side in ("audio", "text"))
    return two_towers(NAME, audio, text, *heads)


def _describe_text(state: Mapping[str, torch.Tensor]) -> TextTower:
    tower = under(state, "text_branch.")
    if is_bert(tower):
        return bert_tower(tower, "pooler", MAX_TOKENS)
    if is_bart(tower):
        return bart_tower(tower, MAX_TOKENS)
    if is_clip(tower):
        return clip_tower(tower, state["token_embedding.weight"])
    raise CheckpointError(
        "the text tower is none of BERT, RoBERTa, BART and CLIP's transformer: this "
        "kind of encoder is not known here"
    )


def to_laion_key(key: str) -> str:
    """Name of one of our parameters in LAION's layout.

    Arguments
    ---------
    key : str
        A key of ``CLAP.state_dict()``.

    Returns
    -------
    str

    Example
    -------
    >>> to_laion_key("audio_encoder.layers.0.blocks.0.norm1.weight")
    'audio_branch.layers.0.blocks.0.norm1.weight'
    """
    return renamed(key, _PREFIXES)


def from_laion(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Converts a LAION-CLAP state dict into ours.

    Arguments
    ---------
    state_dict : mapping
        The ``state_dict`` entry of a LAION file, with or without ``module.``.

    Returns
    -------
    dict
        What ``CLAP.load_state_dict(..., strict=True)`` takes.

    Example
    -------
    >>> theirs = {"module.logit_scale_a": torch.tensor(2.6), "module.logit_scale_t": 0}
    >>> list(from_laion(theirs))
    ['logit_scale.log_scale']
    """
    backwards = tuple((theirs, ours) for ours, theirs in _PREFIXES)
    plain = {key.removeprefix("module."): value for key, value in state_dict.items()}
    audio = audio_state(under(plain, _AUDIO))
    others = {
        renamed(key, backwards): value
        for key, value in plain.items()
        if not key.startswith(_AUDIO) and not _UNUSED.match(key)
    }
    return {f"audio_encoder.{key}": value for key, value in audio.items()} | others
