"""What the descriptions of the public families share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from clap_sb.checkpoints.architecture import Architecture, Part, TextTower
from clap_sb.checkpoints.audio_towers import audio_name, embedding_dim
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.text_towers import text_name

_CLASSES = {
    "0.weight": "clap_sb.encoders.projection.MLPProjection",
    "linear1.weight": "clap_sb.encoders.projection.MSProjection",
}


def two_towers(
    family: str,
    audio: Part,
    text: TextTower,
    audio_head: Mapping[str, torch.Tensor],
    text_head: Mapping[str, torch.Tensor],
    **facts: Any,
) -> Architecture:
    """Describes a model of an audio tower, a text tower and their projections.

    Arguments
    ---------
    family : str
        Name of the family.
    audio : Part
        Audio tower.
    text : TextTower
        Text tower.
    audio_head : mapping
        State dict of the audio tower's projection.
    text_head : mapping
        State dict of the text tower's projection.
    **facts : Any
        What else the family's architecture is to tell.

    Returns
    -------
    Architecture
    """
    projection = projection_part(audio_head)
    return Architecture(
        family=family,
        description=f"{audio_name(audio)} + {text_name(text)}",
        audio_encoder=audio,
        audio_projection=projection,
        joint_dim=projection.arguments["joint_dim"],
        text=text,
        text_projection=projection_part(text_head),
        **facts,
    )


def audio_alone(family: str, audio: Part, **facts: Any) -> Architecture:
    """Describes an audio tower that has no text tower beside it.

    Arguments
    ---------
    family : str
        Name of the family.
    audio : Part
        Audio tower.
    **facts : Any
        What else the family's architecture is to tell.

    Returns
    -------
    Architecture
    """
    return Architecture(
        family=family,
        description=f"{audio_name(audio)}, audio tower alone",
        audio_encoder=audio,
        audio_projection=Part("torch.nn.Identity"),
        joint_dim=embedding_dim(audio),
        **facts,
    )


def joined(
    parts: Mapping[str, Mapping[str, torch.Tensor]],
) -> dict[str, torch.Tensor]:
    """One state dict of those of its parts.

    Arguments
    ---------
    parts : mapping
        State dicts by the names of the parts.

    Returns
    -------
    dict

    Example
    -------
    >>> joined({"audio_encoder": {"weight": 1}})
    {'audio_encoder.weight': 1}
    """
    return {
        f"{part}.{key}": value
        for part, state in parts.items()
        for key, value in state.items()
    }


def projection_part(head: Mapping[str, torch.Tensor]) -> Part:
    """Describes a projection head.

    Arguments
    ---------
    head : mapping
        Its state dict: ``0`` and ``2`` are LAION's layers, ``linear1``, ``linear2``
        and ``layer_norm`` those of MS-CLAP.

    Returns
    -------
    Part

    Raises
    ------
    CheckpointError
        If it is neither.

    Example
    -------
    >>> projection_part({"0.weight": torch.zeros(512, 768)}).arguments
    {'input_dim': 768, 'joint_dim': 512}
    """
    for key, name in _CLASSES.items():
        if key in head:
            joint_dim, input_dim = head[key].shape
            return Part(name, {"input_dim": input_dim, "joint_dim": joint_dim})
    raise CheckpointError(
        f"the file has no projection head that is known here (found: {sorted(head)})"
    )
