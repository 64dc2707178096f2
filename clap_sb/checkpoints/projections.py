"""Projection heads in public checkpoints, from names and shapes."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from clap_sb.checkpoints.architecture import Part
from clap_sb.checkpoints.errors import CheckpointError

_CLASSES = {
    "0.weight": "clap_sb.encoders.projection.MLPProjection",
    "linear1.weight": "clap_sb.encoders.projection.MSProjection",
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
