"""Loads a public checkpoint: read, recognise, build, convert, load strictly."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from clap_sb.checkpoints.architecture import Architecture, write_text_source
from clap_sb.checkpoints.detect import detect
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.front_end import check_stft
from clap_sb.checkpoints.reading import Weights
from clap_sb.checkpoints.tokenizer_fit import check_tokenizer
from clap_sb.checkpoints.transformers_clap import NAME as TRANSFORMERS
from clap_sb.checkpoints.transformers_processor import tell_ignored
from clap_sb.checkpoints.undrawn import build_undrawn
from clap_sb.model import CLAP

_FILTERS = "audio_encoder.log_mel.mel_filters"
_SCALE = "logit_scale.log_scale"
_NAMED = 5
# what torch and transformers raise at sizes that fit nothing
_UNBUILDABLE = (TypeError, ValueError, KeyError, RuntimeError, AssertionError)


@dataclass(frozen=True)
class Loaded:
    """A model of a public family.

    Arguments
    ---------
    clap : CLAP
        In eval mode.
    architecture : Architecture
        What it is.
    """

    clap: CLAP
    architecture: Architecture


def load_weights(weights: Weights, tokenizer: str | Path | None = None) -> Loaded:
    """Builds the model that a file holds, and loads it.

    Arguments
    ---------
    weights : Weights
        What the file holds.
    tokenizer : str, Path or None
        Folder with the tokenizer; None if it is not at hand, and then the text tower
        takes tokens only.

    Returns
    -------
    Loaded

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
    with tempfile.TemporaryDirectory() as folder:
        if architecture.text is not None:
            write_text_source(architecture.text, folder, tokenizer)
        try:
            clap = build_undrawn(architecture, folder)
        except _UNBUILDABLE as error:
            raise CheckpointError(
                f"{weights.path} ({family.name}) describes no model that can be built: "
                f"{str(error).splitlines()[0]}"
            ) from error
    what = f"{weights.path} ({family.name}, {architecture.description})"
    load_strictly(clap, _kept_outside(clap, architecture) | state, what)
    if architecture.text is not None:
        check_tokenizer(clap.text_encoder.tokenize, architecture.text, weights.path)
    return Loaded(clap, architecture)


def _kept_outside(clap: CLAP, architecture: Architecture) -> dict[str, torch.Tensor]:
    """What the family does not keep in its files, and is as it was built."""
    kept = {}
    computed_outside = "fusion" in architecture.audio_encoder.arguments
    if architecture.family == TRANSFORMERS or computed_outside:
        kept[_FILTERS] = clap.audio_encoder.log_mel.mel_filters
    if architecture.text is None:  # nothing to compare with, and so no scale
        kept[_SCALE] = architecture.logit_scale.build().log_scale.detach()
    return kept


def load_strictly(
    module: nn.Module, state: Mapping[str, torch.Tensor], what: str
) -> None:
    """Loads a state dict, or says exactly why it does not fit.

    Arguments
    ---------
    module : nn.Module
        Receives the tensors.
    state : mapping
        Our state dict.
    what : str
        What is being loaded, for the message.

    Raises
    ------
    CheckpointError
        If a tensor is missing, unexpected, or of another shape or kind.

    Example
    -------
    >>> state = {"weight": torch.zeros(1, 2), "w": torch.zeros(1)}
    >>> load_strictly(nn.Linear(2, 2), state, "x.pt")
    Traceback (most recent call last):
    ...
    clap_sb.checkpoints.errors.CheckpointError: x.pt does not fit its architecture: \
missing bias; unexpected w; weight is [1, 2] in the file and [2, 2] in the model
    """
    own = module.state_dict()
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    shapes = [
        f"{key} is {list(state[key].shape)} in the file and {list(value.shape)} in the "
        "model"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    # integers would be copied into a model of floats without a word
    kinds = [
        f"{key} is {str(state[key].dtype).removeprefix('torch.')} in the file and "
        f"{str(value.dtype).removeprefix('torch.')} in the model"
        for key, value in own.items()
        if key in state and _kind(state[key]) != _kind(value)
    ]
    faults = [
        *([f"missing {_some(missing)}"] if missing else []),
        *([f"unexpected {_some(unexpected)}"] if unexpected else []),
        *([_some(shapes)] if shapes else []),
        *([_some(kinds)] if kinds else []),
    ]
    if faults:
        raise CheckpointError(
            f"{what} does not fit its architecture: {'; '.join(faults)}"
        )
    module.load_state_dict(state, strict=True)


def _kind(value: torch.Tensor) -> tuple[bool, bool]:
    return value.is_floating_point(), value.is_complex()


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
