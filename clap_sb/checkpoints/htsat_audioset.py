"""HTSAT trained on AudioSet (2202.00874): an audio tower alone.

Unverified: the network was compared with the code that MS-CLAP's package carries, but
how its files are laid out is taken from the published source.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.audio_towers import (
    audio_part,
    audio_state,
    under,
)
from clap_sb.checkpoints.family_models import audio_alone, joined
from clap_sb.checkpoints.front_end import LAION, PANNS, is_built_by
from clap_sb.checkpoints.weights_file import Weights

NAME = "HTSAT AudioSet"
SECONDS = 10

_AUDIO = "sed_model."
_FILTERS = "logmel_extractor.melW"


def recognise(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether a state dict is that of HTSAT's training code; see :class:`Family`."""
    return any(key.startswith(_AUDIO) for key in state)


def describe(weights: Weights) -> Architecture:
    """Reads the architecture from names and shapes.

    The official models are for 32 kHz, LAION's own retraining is for 48 kHz: the
    filterbank in the file tells.
    """
    tower = under(weights.state, _AUDIO)
    laion = _FILTERS in tower and is_built_by(tower[_FILTERS], LAION)
    front_end = LAION if laion else PANNS
    audio = audio_part(
        tower,
        front_end,
        clip_samples=SECONDS * front_end["sample_rate"],
        num_classes=len(tower.get("tscam_conv.weight", ())),
    )
    return audio_alone(NAME, audio, verified=False)


def from_htsat_audioset(
    state_dict: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    """Converts a state dict of HTSAT's training code into ours.

    Arguments
    ---------
    state_dict : mapping
        The ``state_dict`` entry of the file.

    Returns
    -------
    dict
        An audio tower with its class head.

    Example
    -------
    >>> list(from_htsat_audioset({"sed_model.norm.bias": 0, "loss.weight": 0}))
    ['audio_encoder.norm.bias']
    """
    return joined(
        {"audio_encoder": audio_state(under(state_dict, _AUDIO), with_classes=True)}
    )
