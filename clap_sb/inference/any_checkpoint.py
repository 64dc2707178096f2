"""Any checkpoint, for evaluation: of a training run, an export, or a public one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_folder import MODEL_FILE, LoadedModel, load_run
from clap_sb.inference.alike_texts import warn_of_alike_texts
from clap_sb.inference.opening import open_checkpoint
from clap_sb.inference.source import find_checkpoint

UNKNOWN = "data that the checkpoint does not tell"


def load_any(
    source: str | Path,
    device: str | torch.device = "cpu",
    tokenizer: str | Path | None = None,
    trust: Trust = False,
) -> LoadedModel:
    """Loads a model, and what is known of its origin.

    Arguments
    ---------
    source : str or Path
        A training run's output folder (its best checkpoint), one ``CKPT+...`` folder of
        it, an export, a public checkpoint's file or folder, or its name on the hub.
    device : str or torch.device
        Where the model goes.
    tokenizer : str or Path, optional
        Folder or hub name of a public checkpoint's tokenizer; searched for unless
        given. A run holds its own.
    trust : bool or collection of str
        Whether it may be of classes that are not clap_sb's, which are then imported.

    Returns
    -------
    LoadedModel
        Its ``run`` is None unless it is of a training run.

    Raises
    ------
    CheckpointError
        If the checkpoint is not to be had, or of no known kind, or does not fit.
    """
    path = find_checkpoint(source)
    runs = (path, path.resolve().parent.parent) if path.is_dir() else ()
    if any((run / MODEL_FILE).is_file() for run in runs):
        run = load_run(path, device, trust)
        warn_of_alike_texts(run.clap, path)
        return run
    loaded = open_checkpoint(path, tokenizer, trust).loaded
    what, clap = loaded.architecture, loaded.clap
    warn_of_alike_texts(clap, path)
    if what.strip_punctuation:
        text = clap.text_encoder
        text.tokenize = replace(text.tokenize, strip_punctuation=True)
    return LoadedModel(
        clap=clap.eval().to(device),
        architecture=what,
        system=f"{what.family} ({what.description})",
        trained_on=UNKNOWN,
        text_tower_origin="the checkpoint",
        selection="as published",
        path=path,
        run=None,
    )
