"""PANNs' Cnn14 (1912.10211), trained on AudioSet: an audio tower alone.

Names and numbers were compared with the class of ``panns_inference``.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.audio_towers import (
    audio_part,
    audio_state,
)
from clap_sb.checkpoints.family_models import audio_alone, joined
from clap_sb.checkpoints.front_end import PANNS, sample_rate_of
from clap_sb.checkpoints.weights_file import Weights

NAME = "PANNs"
SECONDS = 10
HOPS_A_SECOND = 100


def recognise(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether a state dict is a PANNs CNN14's; see :class:`Family`."""
    return "conv_block6.conv2.weight" in state and "fc_audioset.weight" in state


def describe(weights: Weights) -> Architecture:
    """Reads the architecture from names and shapes.

    ``Cnn14_16k`` and ``Cnn14_8k`` differ in the size of their windows.
    """
    sample_rate, n_fft = sample_rate_of(weights.state, PANNS["sample_rate"])
    front_end = {
        **PANNS,
        "sample_rate": sample_rate,
        "n_fft": n_fft,
        "hop_length": sample_rate // HOPS_A_SECOND,
        "f_max": min(PANNS["f_max"], sample_rate / 2),
    }
    audio = audio_part(
        weights.state,
        front_end,
        clip_samples=SECONDS * sample_rate,
        padding="pad",
        num_classes=weights.state["fc_audioset.weight"].shape[0],
    )
    return audio_alone(NAME, audio)


def from_panns(state_dict: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Converts a PANNs state dict into ours.

    Arguments
    ---------
    state_dict : mapping
        The ``model`` entry of the file.

    Returns
    -------
    dict
        An audio tower with its class head.

    Example
    -------
    >>> list(from_panns({"fc_audioset.bias": 0}))
    ['audio_encoder.fc_audioset.bias']
    """
    return joined({"audio_encoder": audio_state(state_dict, with_classes=True)})
