"""The same model with shorter embeddings: the first numbers of each."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import nn

from clap_sb.checkpoints.checkpoint import Checkpoint
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.part import Part
from clap_sb.encoders.projection import TurnedProjection

_INNER = "projection"  # an argument of the class
_CLASS = f"{TurnedProjection.__module__}.{TurnedProjection.__qualname__}"


def shortened(checkpoint: Checkpoint, dimensions: int) -> Checkpoint:
    """Cuts the embeddings of a model that was taught to say most in the first numbers.

    Both projections give the first numbers alone, which the model scales to unit norm:
    whatever uses the checkpoint need not know.

    Arguments
    ---------
    checkpoint : Checkpoint
        A student that was taught with ``prefixes``.
    dimensions : int
        Numbers that are kept.

    Returns
    -------
    Checkpoint
        Of no run: scores of the whole embeddings are not those of the short ones.

    Raises
    ------
    CheckpointError
        If the first numbers of its embeddings say no more than others, or there are
        not as many.
    """
    clap, what = checkpoint.clap, checkpoint.architecture
    if not isinstance(clap.text_projection, TurnedProjection):
        raise CheckpointError(
            f"{checkpoint.source} cannot be cut: the first numbers of its embeddings "
            "say no more than the others. Teach a student with --prefixes "
            "(recipes/Distill)"
        )
    if not 0 < dimensions < what.joint_dim:
        raise CheckpointError(
            f"{checkpoint.source} has embeddings of {what.joint_dim} numbers: 1 to "
            f"{what.joint_dim - 1} can be kept, not {dimensions}"
        )
    short, parts = copy.deepcopy(clap), {}
    for name in ("audio_projection", "text_projection"):
        module, part = getattr(clap, name), getattr(what, name)
        module, parts[name] = _cut(module, part, what.joint_dim, dimensions)
        setattr(short, name, module)
    told = f"{what.description}; the first {dimensions} of {what.joint_dim} numbers"
    what = replace(what, joint_dim=dimensions, description=told, **parts)
    return replace(checkpoint, clap=short.eval(), architecture=what, run=None)


def _cut(
    module: nn.Module, part: Part, width: int, dimensions: int
) -> tuple[nn.Module, Part]:
    """A projection that gives the first numbers, and what it is built of."""
    axes = torch.eye(width)
    if isinstance(module, TurnedProjection):
        axes, module, part = module.axes, module.projection, part.arguments[_INNER]
    numbers = {"input_dim": axes.shape[1], "joint_dim": dimensions}
    short = TurnedProjection(module, **numbers)
    short.axes.copy_(axes[:dimensions])
    return short, Part(_CLASS, {_INNER: part, **numbers})
