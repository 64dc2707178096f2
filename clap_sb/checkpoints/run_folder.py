"""Loads a model from what a training run left: its folder, or one checkpoint of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clap_sb.checkpoints.architecture import Architecture
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_description import (
    MODEL_FILE,
    PARTS,
    TEXT_FOLDER,
    describe_run,
    read_model_file,
)
from clap_sb.checkpoints.undrawn import build_undrawn
from clap_sb.model import CLAP

SAVE_FOLDER = "save"


@dataclass(frozen=True)
class FoundModel:
    """What is known of a model before it is loaded.

    Arguments
    ---------
    architecture : Architecture
        What it is made of.
    system : str
        Name of the system's YAML.
    trained_on : str
        Data set.
    text_tower_origin : str
        What the text tower started from.
    selection : str
        How the checkpoint was selected.
    path : Path
        Folder of the checkpoint.
    run : Path or None
        Output folder of the run it belongs to, if it is of one.
    """

    architecture: Architecture
    system: str
    trained_on: str
    text_tower_origin: str
    selection: str
    path: Path
    run: Path | None

    @property
    def facts(self) -> dict[str, str]:
        """Its origin, for a model card."""
        return {
            "trained on": self.trained_on,
            "text tower": self.text_tower_origin,
            "checkpoint": self.selection,
        }


@dataclass(frozen=True)
class LoadedModel(FoundModel):
    """A model and what is known of its origin.

    Arguments
    ---------
    clap : CLAP
        In eval mode.
    """

    clap: CLAP


def find_run(path: str | Path, trust: Trust = False) -> FoundModel:
    """Finds the best checkpoint of a training run, or a given one.

    Arguments
    ---------
    path : str or Path
        A run's output folder, or one of the ``CKPT+...`` folders in its ``save/``.
    trust : bool or collection of str
        Whether its model may be of classes that are not clap_sb's.

    Returns
    -------
    FoundModel

    Raises
    ------
    CheckpointError
        If there is no such run, or no finished epoch.
    """
    run, chosen = locate_run(Path(path).resolve())
    description = read_model_file(run, trust)
    metric = description["best_metric"]
    selection = f"the checkpoint {chosen.name}, as given"
    if chosen == run:
        chosen, meta = best_checkpoint(run / SAVE_FOLDER, metric)
        selection = selection_of(metric, meta)
    return FoundModel(
        architecture=describe_run(run, description),
        system=description["system"],
        trained_on=description["trained_on"],
        text_tower_origin=description["text_tower_origin"],
        selection=selection,
        path=chosen,
        run=run,
    )


def load_run(
    path: str | Path, device: str | torch.device = "cpu", trust: Trust = False
) -> LoadedModel:
    """Loads the best checkpoint of a training run, or a given one.

    Arguments
    ---------
    path : str or Path
        A run's output folder, or one of the ``CKPT+...`` folders in its ``save/``.
    device : str or torch.device
        Where the model goes.
    trust : bool or collection of str
        Whether its model may be of classes that are not clap_sb's.

    Returns
    -------
    LoadedModel

    Raises
    ------
    CheckpointError
        If there is no such run, no finished epoch, or a file does not fit.
    """
    found = find_run(path, trust)
    try:
        clap = build_undrawn(found.architecture, found.run / TEXT_FOLDER)
    except Exception as error:  # a class that is not ours may raise anything
        raise CheckpointError(
            f"{found.run / MODEL_FILE} describes no model that can be built: "
            f"{(str(error) or type(error).__name__).splitlines()[0]}"
        ) from error
    for name in PARTS:
        _load_part(getattr(clap, name), found.path / f"{name}.ckpt")
    return LoadedModel(**vars(found), clap=clap.to(device))


def selection_of(metric: str, meta: dict[str, Any]) -> str:
    """How a run's checkpoint was selected, in words.

    Arguments
    ---------
    metric : str
        What by: a score, or ``epoch``.
    meta : dict
        The checkpoint's metadata.

    Returns
    -------
    str

    Example
    -------
    >>> selection_of("t2a_map_at_10", {"t2a_map_at_10": 41.234, "epoch": 9})
    'best of the run by validation t2a_map_at_10 (41.23 in epoch 9)'
    """
    if metric == "epoch":
        return f"the last epoch ({meta['epoch']}); none was selected"
    return (
        f"best of the run by validation {metric} "
        f"({meta[metric]:.2f} in epoch {meta['epoch']})"
    )


def best_checkpoint(folder: Path, metric: str) -> tuple[Path, dict[str, Any]]:
    """Finds the checkpoint with the highest value of a metric.

    Arguments
    ---------
    folder : Path
        A run's ``save`` folder.
    metric : str
        Name in the checkpoints' metadata.

    Returns
    -------
    path : Path
        The checkpoint's folder.
    meta : dict
        Its metadata.

    Raises
    ------
    CheckpointError
        If no checkpoint has the metric: no epoch was finished.
    """
    import yaml

    found = []
    for path in sorted(folder.glob("CKPT+*/CKPT.yaml")):
        try:
            meta = yaml.safe_load(path.read_text(encoding="utf-8"))
            saved, scored = float(meta["unixtime"]), meta.get(metric)
            scored = None if scored is None else (float(scored), saved)
        except (yaml.YAMLError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{path} is damaged: delete its folder") from error
        if scored is not None:
            found.append((*scored, path.parent, meta))
    if not found:
        raise CheckpointError(
            f"no checkpoint in {folder} was scored by {metric!r}: the run has not "
            "finished an epoch yet (train on), or was validated by another metric"
        )
    *_, path, meta = max(found, key=lambda entry: entry[:2])
    return path, meta


def locate_run(path: Path) -> tuple[Path, Path]:
    """Finds a run's folder, and the checkpoint that was named (or the run itself).

    Arguments
    ---------
    path : Path
        A run's output folder, or one of the ``CKPT+...`` folders in its ``save/``.

    Returns
    -------
    run : Path
        The run's folder.
    checkpoint : Path
        What was named.

    Raises
    ------
    CheckpointError
        If there is no such run.
    """
    for run in (path, path.parent.parent):
        if (run / MODEL_FILE).is_file() and path.is_dir():
            return run, path
    what = "does not exist" if not path.exists() else f"holds no {MODEL_FILE}"
    raise CheckpointError(
        f"{path} {what}: give the output folder of a training run, or a CKPT+... "
        f"folder in its {SAVE_FOLDER}/"
    )


def _load_part(module: torch.nn.Module, path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"the checkpoint is not complete: there is no {path}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        module.load_state_dict(state, strict=True)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{path} does not fit its model: {reason}") from error


def has_checkpoints(folder: Path) -> bool:
    """Whether a run has left a checkpoint, of an epoch's end or in between.

    Arguments
    ---------
    folder : Path
        The run's output folder.

    Returns
    -------
    bool

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> has_checkpoints(folder)
    False
    """
    return any((folder / SAVE_FOLDER).glob("CKPT+*"))
