"""A checkpoint of another program: read, recognised, built, converted, loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.checkpoint import CheckpointDescription
from clap_sb.checkpoints.detect import detect
from clap_sb.checkpoints.front_end import check_stft
from clap_sb.checkpoints.strict_loading import built, load_strictly
from clap_sb.checkpoints.tokenizer_fit import check_tokenizer
from clap_sb.checkpoints.transformers_clap import NAME as TRANSFORMERS
from clap_sb.checkpoints.transformers_settings import tell_ignored
from clap_sb.checkpoints.weights_file import Weights, read_weights
from clap_sb.model import CLAP

_FILTERS = "audio_encoder.log_mel.mel_filters"
_SCALE = "logit_scale.log_scale"
# what DDP and torch.compile put before names; and what a Lightning module, or a class
# of a user's own, does, whose attribute the model is
_WRAPPERS = ("module.", "_orig_mod.", "model.", "clap.", "net.")


def read_public(path: str | Path) -> Weights:
    """Reads a checkpoint of another program.

    Arguments
    ---------
    path : str or Path
        As :func:`~clap_sb.checkpoints.weights_file.read_weights` takes it.

    Returns
    -------
    Weights
        :func:`unwrapped`.

    Raises
    ------
    CheckpointError
        As :func:`~clap_sb.checkpoints.weights_file.read_weights` does.
    """
    return unwrapped(read_weights(path))


def unwrapped(weights: Weights) -> Weights:
    """Takes away what stands before all names, and what compiled parts are called.

    What some names begin with stays: ``clap.`` in clapcap, beside a captioner.

    Arguments
    ---------
    weights : Weights
        What a file of another program holds. In files of ours a prefix means something.

    Returns
    -------
    Weights

    Example
    -------
    >>> state = {"model._orig_mod.a": 0, "model._orig_mod.b._orig_mod.c": 0}
    >>> list(unwrapped(Weights(state, Path("x.ckpt"))).state)
    ['a', 'b.c']
    """
    state = dict(weights.state)
    while found := [w for w in _WRAPPERS if all(key.startswith(w) for key in state)]:
        state = {key.removeprefix(found[0]): value for key, value in state.items()}
    state = {key.replace("._orig_mod.", "."): value for key, value in state.items()}
    return replace(weights, state=state)


def describe_weights(weights: Weights) -> CheckpointDescription:
    """Tells what a public file or folder holds.

    Arguments
    ---------
    weights : Weights
        What was read of it.

    Returns
    -------
    CheckpointDescription

    Raises
    ------
    CheckpointError
        If it is of no known family.
    """
    architecture = detect(weights).describe(weights)
    return CheckpointDescription(
        source=weights.path.as_posix(),
        path=weights.path,
        architecture=architecture,
        system=f"{architecture.family} ({architecture.description})",
        numbers=sum(value.numel() for value in weights.state.values()),
    )


def load_weights(weights: Weights, tokenizer: str | Path | None = None) -> CLAP:
    """Builds the model that a public file holds, and loads it.

    Arguments
    ---------
    weights : Weights
        What the file holds.
    tokenizer : str, Path or None
        Folder with the tokenizer; None if it is not at hand, and then the text tower
        takes tokens only.

    Returns
    -------
    CLAP
        In eval mode.

    Raises
    ------
    CheckpointError
        If the file is of no known family, its STFT is not ours, a tensor is missing,
        unexpected, or of another shape, or the tokenizer is another model's.
    """
    family = detect(weights)
    architecture = family.describe(weights)
    tell_ignored(weights.processor)
    check_stft(weights.state)
    state = family.convert(weights.state)
    clap = built(architecture, f"{weights.path} ({family.name})", tokenizer)
    what = f"{weights.path} ({family.name}, {architecture.description})"
    load_strictly(clap, _kept_outside(clap, architecture) | state, what)
    if architecture.text is not None:
        check_tokenizer(clap.text_encoder.tokenize, architecture.text, weights.path)
    return clap


def _kept_outside(clap: CLAP, architecture: Architecture) -> dict[str, torch.Tensor]:
    """What the family does not keep in its files, and is as it was built."""
    kept = {}
    computed_outside = "fusion" in architecture.audio_encoder.arguments
    if architecture.family == TRANSFORMERS or computed_outside:
        kept[_FILTERS] = clap.audio_encoder.log_mel.mel_filters
    if architecture.text is None:  # nothing to compare with, and so no scale
        kept[_SCALE] = architecture.logit_scale.build().log_scale.detach()
    return kept
