"""Opens a public checkpoint or an export, with the tokenizer that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.detect import detect
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.loading import Loaded, load_weights
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_description import MODEL_FILE, TEXT_FOLDER
from clap_sb.checkpoints.run_folder import load_run
from clap_sb.checkpoints.speechbrain_folder import (
    DESCRIPTION_FILE,
    load_speechbrain_folder,
    read_description,
)
from clap_sb.checkpoints.tokenizer_fit import check_tokenizer
from clap_sb.checkpoints.wrappers import read_public
from clap_sb.inference.source import find_tokenizer


@dataclass(frozen=True)
class Opened:
    """A model with its tokenizer.

    Arguments
    ---------
    loaded : Loaded
        The model.
    tokenizer : Path or None
        Folder with the tokenizer; None if there is no text tower, or the tokenizer
        cannot be fetched.
    facts : mapping
        What is known of the origin of a model of our own.
    """

    loaded: Loaded
    tokenizer: Path | None
    facts: Mapping[str, str] = field(default_factory=dict)


def open_checkpoint(
    path: Path, tokenizer: str | Path | None = None, trust: Trust = False
) -> Opened:
    """Loads a checkpoint.

    Arguments
    ---------
    path : Path
        A public checkpoint's file or folder, an export, a training run's folder, or
        one checkpoint of it.
    tokenizer : str, Path or None
        Folder or hub name of the tokenizer; searched for unless given.
    trust : bool or collection of str
        Whether it may be of classes that are not clap_sb's, which are then imported.

    Returns
    -------
    Opened

    Raises
    ------
    CheckpointError
        If the checkpoint is not to be had, or of no known kind, or does not fit.
    """
    if is_run(path):
        return _open_run(path, tokenizer, trust)
    if (path / DESCRIPTION_FILE).is_file():
        architecture = read_description(path, trust)
        found = _tokenizer(architecture, tokenizer, path / TEXT_FOLDER)
        loaded = load_speechbrain_folder(path, found, trust)
        if tokenizer is not None:
            _check_given(loaded, path)
        return Opened(loaded, found)
    weights = read_public(path)
    found = _tokenizer(detect(weights).describe(weights), tokenizer, path)
    return Opened(load_weights(weights, found), found)


def is_run(path: Path) -> bool:
    """Whether a folder is a training run's, or one checkpoint of it.

    Arguments
    ---------
    path : Path
        A file or folder.

    Returns
    -------
    bool
    """
    folders = (path.resolve(), path.resolve().parent.parent)
    return path.is_dir() and any((run / MODEL_FILE).is_file() for run in folders)


def _open_run(path: Path, tokenizer: str | Path | None, trust: Trust) -> Opened:
    run = load_run(path, trust=trust)
    loaded = Loaded(run.clap, run.architecture)
    found = _tokenizer(run.architecture, tokenizer, run.run / TEXT_FOLDER)
    if tokenizer is not None:
        run.clap.text_encoder.load_tokenizer(found)
        _check_given(loaded, path)
    return Opened(loaded, found, run.facts)


def _check_given(loaded: Loaded, path: Path) -> None:
    text = loaded.architecture.text
    if text is not None:
        check_tokenizer(loaded.clap.text_encoder.tokenize, text, path)


def _tokenizer(
    architecture: Architecture, given: str | Path | None, beside: Path
) -> Path | None:
    text = architecture.text
    if text is not None and not text.has_source and given is not None:
        raise CheckpointError(
            f"{text.part.name} has its tokens from nowhere else: leave the tokenizer "
            f"{given} out"
        )
    if text is None or not text.has_source:
        return None
    return find_tokenizer(given, beside, text.tokenizer)
