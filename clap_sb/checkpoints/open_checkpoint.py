"""The one door to a ready model: whatever a checkpoint is, it is opened here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from clap_sb.checkpoints.alike_texts import warn_of_alike_texts
from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.audio_towers import under
from clap_sb.checkpoints.checkpoint import Checkpoint, CheckpointDescription
from clap_sb.checkpoints.detect import detect
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.find_checkpoint import find_checkpoint, find_tokenizer
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.public_file import describe_weights, load_weights, read_public
from clap_sb.checkpoints.run_description import MODEL_FILE, TEXT_FOLDER
from clap_sb.checkpoints.run_folder import (
    NOTES_FILE,
    SAVE_FOLDER,
    find_run,
    load_run,
    run_of,
)
from clap_sb.checkpoints.speechbrain_folder import (
    DESCRIPTION_FILE,
    describe_speechbrain_folder,
    load_speechbrain_folder,
)
from clap_sb.checkpoints.tokenizer_fit import check_tokenizer
from clap_sb.checkpoints.weights_file import FOLDER_FILES, Weights, read_part
from clap_sb.encoders.text_tower import caption_tokenizer
from clap_sb.model import CLAP


def open_checkpoint(
    source: str | Path,
    tokenizer: str | Path | None = None,
    device: str | torch.device = "cpu",
    trust: Trust = False,
) -> Checkpoint:
    """Opens a checkpoint of any kind, without being told which.

    Whoever asks gets the same model, with the same tokens: the interface, the commands,
    an evaluation, fine-tuning. A text tower that tells sentences hardly apart is warned
    of (:mod:`clap_sb.checkpoints.alike_texts`).

    Arguments
    ---------
    source : str or Path
        A training run's output folder (its best checkpoint), one ``CKPT+...`` folder of
        it, an export, a public checkpoint's file or folder, or its name on the hub.
    tokenizer : str, Path or None
        Folder or hub name of a tokenizer; unless given, the checkpoint's own, or the
        one that its text tower was trained with.
    device : str or torch.device
        Where the model goes.
    trust : bool or collection of str
        Whether it may be of classes that are not clap_sb's, which are then imported.

    Returns
    -------
    Checkpoint
        Its model is in eval mode.

    Raises
    ------
    CheckpointError
        If the checkpoint is not to be had, or of no known kind, or does not fit, or the
        tokenizer is not to be had, or another model's.
    ValueError
        If there is no such device.
    """
    place = usable_device(device)  # before the time that loading takes
    checkpoint = load_checkpoint(source, tokenizer, trust)
    warn_of_alike_texts(checkpoint.clap, checkpoint.source)
    checkpoint.clap.to(place)
    return checkpoint


def describe_checkpoint(
    source: str | Path, trust: Trust = False
) -> CheckpointDescription:
    """Tells what a checkpoint is; its model is not built.

    Arguments
    ---------
    source : str or Path
        As :func:`open_checkpoint` takes it.
    trust : bool or collection of str
        Whether it may name classes that are not clap_sb's; none is imported.

    Returns
    -------
    CheckpointDescription

    Raises
    ------
    CheckpointError
        If it cannot be read, or is of no known kind.
    """
    return _look(source, trust).description


def load_checkpoint(
    source: str | Path, tokenizer: str | Path | None = None, trust: Trust = False
) -> Checkpoint:
    """Opens a checkpoint on the CPU, and warns of nothing.

    For whoever tells of its texts by itself; see :func:`open_checkpoint`.

    Arguments
    ---------
    source : str or Path
        As :func:`open_checkpoint` takes it.
    tokenizer : str, Path or None
        Likewise.
    trust : bool or collection of str
        Likewise.

    Returns
    -------
    Checkpoint
    """
    seen = _look(source, trust)
    architecture = seen.description.architecture
    found = _tokenizer(architecture, tokenizer, seen.beside)
    clap = seen.load(found)
    tokenize = caption_tokenizer(clap.text_encoder)
    if tokenizer is not None and tokenize is not None:
        check_tokenizer(tokenize, architecture.text, source)
    return Checkpoint(**vars(seen.description), clap=clap, tokenizer=found)


def audio_state(source: str | Path) -> tuple[str, dict[str, Any]]:
    """Reads the audio tower's weights alone; no model is built.

    Arguments
    ---------
    source : str or Path
        As :func:`open_checkpoint` takes it.

    Returns
    -------
    description : str
        What the checkpoint is, in words.
    state : dict
        The tower's state dict, by our names.

    Raises
    ------
    CheckpointError
        If it cannot be read, or is of no known kind.
    """
    seen = _look(source, trust=True)  # nothing is built of what it names
    description = seen.description
    if seen.weights is None:
        path = description.path / "audio_encoder.ckpt"
        return description.description, read_part(path)
    state = detect(seen.weights).convert(seen.weights.state)
    return description.description, under(state, "audio_encoder.")


class _Seen(NamedTuple):
    """A checkpoint, and how its model is had."""

    description: CheckpointDescription
    beside: Path  # where its tokenizer may lie
    load: Callable[[Path | None], CLAP]
    weights: Weights | None = None  # of a public file, read already


def _look(source: str | Path, trust: Trust) -> _Seen:
    path = find_checkpoint(source)
    if run_of(path) is not None:
        found = find_run(path, trust)
        seen = _Seen(found, found.run / TEXT_FOLDER, partial(load_run, found))
    elif (path / DESCRIPTION_FILE).is_file():
        found = describe_speechbrain_folder(path, trust)
        load = partial(load_speechbrain_folder, found)
        seen = _Seen(found, path / TEXT_FOLDER, load)
    else:
        _check_folder(path)
        weights = read_public(path)
        load = partial(load_weights, weights)
        seen = _Seen(describe_weights(weights), path, load, weights)
    named = Path(source).as_posix()  # however it is spelled: it tells models apart
    return seen._replace(description=replace(seen.description, source=named))


def _check_folder(path: Path) -> None:
    """Raises for a folder that is none of the kinds."""
    if not path.is_dir() or any((path / name).is_file() for name in FOLDER_FILES):
        return
    if (path / NOTES_FILE).is_file():
        raise CheckpointError(
            f"{path} is one checkpoint of a training run, without the run: it is read "
            f"in the run's {SAVE_FOLDER}/, with the run's {MODEL_FILE} and "
            f"{TEXT_FOLDER}/"
        )
    raise CheckpointError(
        f"{path} holds no checkpoint: no {MODEL_FILE} of a training run (give its "
        f"output folder, or a CKPT+... folder in its {SAVE_FOLDER}/), no "
        f"{DESCRIPTION_FILE} of an export, no weights ({', '.join(FOLDER_FILES)})"
    )


def _tokenizer(
    architecture: Architecture, given: str | Path | None, beside: Path
) -> Path | None:
    text = architecture.text
    if text is not None and text.has_source:
        return find_tokenizer(given, beside, text.tokenizer)
    if given is not None:
        what = f"{architecture.family} ({architecture.description})"
        why = "has no text tower"
        if text is not None:
            what, why = text.part.name, "has its tokens from nowhere else"
        raise CheckpointError(f"{what} {why}: leave the tokenizer {given} out")
    return None


def usable_device(device: str | torch.device) -> torch.device:
    """Makes sure that tensors can be put on a device.

    Arguments
    ---------
    device : str or torch.device
        Such as ``cpu``, ``cuda``, ``cuda:1``.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If there is no such device, or this machine has none that works.

    Example
    -------
    >>> usable_device("cpu")
    device(type='cpu')
    """
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    # a build of PyTorch without the device asserts
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(". ")
        raise ValueError(
            f"the device {device} cannot be used: {reason}. "
            "The name of a GPU is cuda or cuda:N; cpu is always there"
        ) from error
    return found
