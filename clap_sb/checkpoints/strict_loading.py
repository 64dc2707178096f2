"""Builds a described model and gives it its weights: all of them, and no others."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clap_sb.checkpoints.architecture import Architecture, write_text_source
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.undrawn import build_undrawn
from clap_sb.checkpoints.weights_file import read_part
from clap_sb.finite_weights import check_finite
from clap_sb.model import CLAP

_NAMED = 5


def built(
    architecture: Architecture,
    what: str,
    tokenizer: str | Path | None = None,
    text_source: Path | None = None,
) -> CLAP:
    """Builds a model whose weights are about to be loaded.

    Arguments
    ---------
    architecture : Architecture
        What to build.
    what : str
        What describes it, for the message.
    tokenizer : str, Path or None
        Folder with the tokenizer; without, the text tower takes tokens only.
    text_source : Path or None
        Folder with all that the text tower is built from; made of the description and
        the tokenizer unless given.

    Returns
    -------
    CLAP
        In eval mode.

    Raises
    ------
    CheckpointError
        If there is no such model.
    """
    with tempfile.TemporaryDirectory() as made:
        if text_source is None and architecture.text is not None:
            write_text_source(architecture.text, made, tokenizer)
        try:
            return build_undrawn(architecture, text_source or made)
        except Exception as error:  # a class that is not ours may raise anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise CheckpointError(
                f"{what} describes no model that can be built: {reason}"
            ) from error


def load_parts(clap: CLAP, names: Sequence[str], folder: Path) -> None:
    """Gives a model the weights that lie in a folder, one file a part.

    Arguments
    ---------
    clap : CLAP
        The model.
    names : sequence of str
        Its parts.
    folder : Path
        An export, or one checkpoint of a run.

    Raises
    ------
    CheckpointError
        If a file is missing, cannot be read, or does not fit.
    """
    for name in names:
        path = folder / f"{name}.ckpt"
        if not path.is_file():
            raise CheckpointError(f"the checkpoint is not complete: there is no {path}")
        load_strictly(getattr(clap, name), read_part(path), str(path))


def load_strictly(module: nn.Module, state: Mapping[str, Any], what: str) -> None:
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
        If a tensor is missing, unexpected, or of another shape or kind, or holds what
        is no finite number.

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
    # a class of others may keep more than tensors in its state
    both = {
        key: (state[key], value)
        for key, value in own.items()
        if isinstance(value, torch.Tensor) and isinstance(state.get(key), torch.Tensor)
    }
    shapes = [
        f"{key} is {list(theirs.shape)} in the file and {list(ours.shape)} in the model"
        for key, (theirs, ours) in both.items()
        if theirs.shape != ours.shape
    ]
    # integers would be copied into a model of floats without a word
    kinds = [
        f"{key} is {str(theirs.dtype).removeprefix('torch.')} in the file and "
        f"{str(ours.dtype).removeprefix('torch.')} in the model"
        for key, (theirs, ours) in both.items()
        if _kind(theirs) != _kind(ours)
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
    try:
        check_finite(state, what, dict(module.named_buffers()))
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    module.load_state_dict(state, strict=True)


def _kind(value: torch.Tensor) -> tuple[bool, bool]:
    return value.is_floating_point(), value.is_complex()


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
