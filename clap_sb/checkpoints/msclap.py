"""MS-CLAP's state dicts (2206.04769, 2309.05767), and the encoder of clapcap."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from clap_sb.checkpoints.architecture import Architecture, Part, TextTower
from clap_sb.checkpoints.audio_towers import audio_name, audio_part, audio_state, under
from clap_sb.checkpoints.family_models import joined, projection_part, two_towers
from clap_sb.checkpoints.front_end import MS_2022, MS_2023
from clap_sb.checkpoints.text_towers import bert_tower, gpt2_tower, is_bert
from clap_sb.checkpoints.weights_file import Weights

NAME = "MS-CLAP"
CLAPCAP = "clapcap"
SAMPLE_RATE = 44100
SECONDS_2022, MAX_TOKENS_2022 = 5, 100
SECONDS_2023, MAX_TOKENS_2023 = 7, 77

_HTSAT = "htsat."


def recognise(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether a state dict is MS-CLAP's or clapcap's; see :class:`Family`."""
    return any(key.startswith(("audio_encoder.base.", "clap.base.")) for key in state)


def describe(weights: Weights) -> Architecture:
    """Reads the architecture from names and shapes.

    Of clapcap, which holds an audio tower and a captioner, the audio tower and its
    projection are taken.
    """
    encoder, captioning = _audio_encoder(weights.state)
    audio = _describe_audio(under(encoder, "base."))
    head = under(encoder, "projection.")
    if captioning:
        projection = projection_part(head)
        joint_dim = projection.arguments["joint_dim"]
        return Architecture(CLAPCAP, audio_name(audio), audio, projection, joint_dim)
    text_head = under(weights.state, "caption_encoder.projection.")
    return two_towers(NAME, audio, _describe_text(weights.state), head, text_head)


def _audio_encoder(
    state: Mapping[str, torch.Tensor],
) -> tuple[dict[str, torch.Tensor], bool]:
    """The audio side, and whether it is clapcap's."""
    captioning = any(key.startswith("clap.base.") for key in state)
    return under(state, "clap." if captioning else "audio_encoder."), captioning


def _describe_audio(base: dict[str, torch.Tensor]) -> Part:
    tower = under(base, _HTSAT)
    shared = {"sample_rate": SAMPLE_RATE, "padding": "repeat"}
    if tower:
        clip_samples = SECONDS_2023 * SAMPLE_RATE
        return audio_part(tower, MS_2023, clip_samples=clip_samples, **shared)
    clip_samples = SECONDS_2022 * SAMPLE_RATE
    return audio_part(base, MS_2022, clip_samples=clip_samples, **shared)


def _describe_text(state: Mapping[str, torch.Tensor]) -> TextTower:
    tower = under(state, "caption_encoder.base.")
    if is_bert(tower):
        return bert_tower(tower, "cls", MAX_TOKENS_2022)
    return gpt2_tower(tower, MAX_TOKENS_2023)


def from_msclap(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Converts an MS-CLAP or clapcap state dict into ours.

    Arguments
    ---------
    state_dict : mapping
        The ``model`` entry of the file.

    Returns
    -------
    dict
        What ``CLAP.load_state_dict(..., strict=True)`` takes; of clapcap without a
        logit scale.

    Example
    -------
    >>> theirs = {
    ...     "logit_scale": 4.6,
    ...     "audio_encoder.base.htsat.norm.bias": 0.0,
    ...     "caption_encoder.base.ln_f.bias": 0.0,
    ... }
    >>> list(from_msclap(theirs))
    ['audio_encoder.norm.bias', 'text_encoder.model.ln_f.bias', 'logit_scale.log_scale']
    """
    encoder, _ = _audio_encoder(state_dict)
    base = under(encoder, "base.")
    tower = under(base, _HTSAT) or base
    text = under(state_dict, "caption_encoder.base.")
    parts = {
        "audio_encoder": audio_state(tower),
        "audio_projection": under(encoder, "projection."),
        # MS-CLAP reads BERT's first token before the pooler; masks are rebuilt
        "text_encoder.model": {
            key: value
            for key, value in text.items()
            if not key.startswith("pooler.")
            and not key.endswith(("position_ids", ".attn.bias", ".attn.masked_bias"))
        },
        "text_projection": under(state_dict, "caption_encoder.projection."),
    }
    ours = joined(parts)
    if "logit_scale" in state_dict:
        ours["logit_scale.log_scale"] = state_dict["logit_scale"]
    return ours
