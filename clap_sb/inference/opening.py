"""Opens a public checkpoint or an export, with the tokenizer that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.detect import detect
from clap_sb.checkpoints.loading import Loaded, load_weights
from clap_sb.checkpoints.reading import read_weights
from clap_sb.checkpoints.run_folder import TEXT_FOLDER
from clap_sb.checkpoints.speechbrain_folder import (
    DESCRIPTION_FILE,
    load_speechbrain_folder,
    read_description,
)
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
    """

    loaded: Loaded
    tokenizer: Path | None


def open_checkpoint(path: Path, tokenizer: str | Path | None = None) -> Opened:
    """Loads a checkpoint.

    Arguments
    ---------
    path : Path
        A public checkpoint's file or folder, or an export.
    tokenizer : str, Path or None
        Folder or hub name of the tokenizer; searched for unless given.

    Returns
    -------
    Opened

    Raises
    ------
    CheckpointError
        If the checkpoint is not to be had, or of no known kind, or does not fit.
    """
    if (path / DESCRIPTION_FILE).is_file():
        architecture = read_description(path)
        found = _tokenizer(architecture, tokenizer, path / TEXT_FOLDER)
        return Opened(load_speechbrain_folder(path, found), found)
    weights = read_weights(path)
    found = _tokenizer(detect(weights).describe(weights), tokenizer, path)
    return Opened(load_weights(weights, found), found)


def _tokenizer(
    architecture: Architecture, given: str | Path | None, beside: Path
) -> Path | None:
    if architecture.text is None:
        return None
    return find_tokenizer(given, beside, architecture.text.tokenizer)
