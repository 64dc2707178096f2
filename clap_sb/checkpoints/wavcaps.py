"""WavCaps' retrieval models (2303.17395): CNN14 or HTSAT with BERT.

Unverified: written from the published source, without a file or a list of its keys at
hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.audio_towers import audio_part, audio_state, under
from clap_sb.checkpoints.family_models import joined, two_towers
from clap_sb.checkpoints.front_end import PANNS
from clap_sb.checkpoints.text_towers import bert_tower
from clap_sb.checkpoints.weights_file import Weights

NAME = "WavCaps"
MAX_TOKENS = 30
# the published YAML says 30 s, of which HTSAT's image holds 10
HTSAT_SECONDS, CNN14_SECONDS = 10, 30

_AUDIO = "audio_encoder.audio_enc."
_TEXT = "text_encoder.text_encoder."


def recognise(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether a state dict is WavCaps'; see :class:`Family`."""
    return any(key.startswith(_AUDIO) for key in state)


def describe(weights: Weights) -> Architecture:
    """Reads the architecture from names and shapes; see :class:`Family`."""
    tower = under(weights.state, _AUDIO)
    cnn14 = "conv_block1.conv1.weight" in tower
    seconds = CNN14_SECONDS if cnn14 else HTSAT_SECONDS
    audio = audio_part(
        tower,
        PANNS,
        clip_samples=seconds * PANNS["sample_rate"],
        padding="pad",
        **({"last_pool": 2} if cnn14 else {}),
    )
    text = bert_tower(under(weights.state, _TEXT), "cls", MAX_TOKENS)
    arguments = {**text.part.arguments, "strip_punctuation": True}
    text = replace(text, part=replace(text.part, arguments=arguments))
    heads = (under(weights.state, f"{side}_proj.") for side in ("audio", "text"))
    return two_towers(NAME, audio, text, *heads, verified=False)


def from_wavcaps(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Converts a WavCaps state dict into ours.

    Arguments
    ---------
    state_dict : mapping
        The ``model`` entry of the file.

    Returns
    -------
    dict
        What ``CLAP.load_state_dict(..., strict=True)`` takes. ``temp`` divides the
        similarities; our scale multiplies them, and is kept as a logarithm.

    Example
    -------
    >>> round(float(from_wavcaps({"temp": torch.tensor(0.07)}).popitem()[1]), 4)
    2.6593
    """
    text = {
        key: value
        for key, value in under(state_dict, _TEXT).items()
        if not key.startswith("pooler.") and not key.endswith("position_ids")
    }
    parts = {
        "audio_encoder": audio_state(under(state_dict, _AUDIO)),
        "audio_projection": under(state_dict, "audio_proj."),
        "text_encoder.model": text,
        "text_projection": under(state_dict, "text_proj."),
    }
    ours = joined(parts)
    if "temp" in state_dict:
        ours["logit_scale.log_scale"] = -state_dict["temp"].log()
    return ours
