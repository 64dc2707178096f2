"""Loads a model from what a training run left: its folder, or one checkpoint of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clap_sb.checkpoints.checkpoint import CheckpointDescription
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_description import (
    MODEL_FILE,
    PARTS,
    TEXT_FOLDER,
    describe_run,
    read_model_file,
)
from clap_sb.checkpoints.strict_loading import built, load_parts
from clap_sb.model import CLAP

SAVE_FOLDER, EXPORT_FOLDER = "save", "export"
NOTES_FILE = "CKPT.yaml"  # in each checkpoint's folder
# What comes of metadata that are something else, or nested without end.
_NO_MAPPING = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


def find_run(path: str | Path, trust: Trust = False) -> CheckpointDescription:
    """Finds the best checkpoint of a training run, or a given one.

    Arguments
    ---------
    path : str or Path
        A run's output folder, or one of the ``CKPT+...`` folders in its ``save/``.
    trust : bool or collection of str
        Whether its model may be of classes that are not clap_sb's.

    Returns
    -------
    CheckpointDescription

    Raises
    ------
    CheckpointError
        If there is no such run, or no finished epoch.
    """
    run, chosen = run_of(Path(path)), Path(path).resolve()
    if run is None:
        raise CheckpointError(
            f"{path} is no training run: give its output folder, which holds "
            f"{MODEL_FILE}, or a CKPT+... folder in its {SAVE_FOLDER}/"
        )
    description = read_model_file(run, trust)
    metric = description["best_metric"]
    selection = f"the checkpoint {chosen.name}, as given"
    if chosen == run:
        chosen, meta = best_checkpoint(run / SAVE_FOLDER, metric)
        selection = selection_of(metric, meta)
    return CheckpointDescription(
        source=Path(path).as_posix(),
        architecture=describe_run(run, description),
        system=description["system"],
        trained_on=description["trained_on"],
        text_tower_origin=description["text_tower_origin"],
        selection=selection,
        path=chosen,
        run=run,
    )


def load_run(found: CheckpointDescription, tokenizer: Path | None = None) -> CLAP:
    """Loads the model of a training run.

    Arguments
    ---------
    found : CheckpointDescription
        What :func:`find_run` found.
    tokenizer : Path or None
        Folder with a tokenizer to take instead of the run's own.

    Returns
    -------
    CLAP
        In eval mode.

    Raises
    ------
    CheckpointError
        If the model cannot be built, or a file is missing or does not fit.
    """
    own, what = found.run / TEXT_FOLDER, str(found.run / MODEL_FILE)
    source = own if tokenizer in (None, own) else None
    clap = built(found.architecture, what, tokenizer, source)
    load_parts(clap, PARTS, found.path)
    return clap


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
    for path in sorted(folder.glob(f"CKPT+*/{NOTES_FILE}")):
        try:
            meta = yaml.safe_load(path.read_text(encoding="utf-8"))
            saved, scored = float(meta["unixtime"]), meta.get(metric)
            scored = None if scored is None else (float(scored), saved)
        except (yaml.YAMLError, *_NO_MAPPING) as error:
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


def run_of(path: Path) -> Path | None:
    """Finds the training run that a folder is, or is one checkpoint of.

    Arguments
    ---------
    path : Path
        A file or folder.

    Returns
    -------
    Path or None
        The run's folder, in full; None for anything else, an export in a run's folder
        among it, whose parts have the same names.

    Example
    -------
    >>> run = getfixture("tmp_path").resolve()
    >>> (run / "save" / "CKPT+1").mkdir(parents=True)
    >>> _ = (run / MODEL_FILE).write_text("system: none")
    >>> run_of(run) == run_of(run / "save" / "CKPT+1") == run, run_of(run / "save")
    (True, None)
    """
    path = path.resolve()
    is_within = path.parent.name == SAVE_FOLDER
    for run in (path, path.parent.parent) if is_within else (path,):
        if path.is_dir() and (run / MODEL_FILE).is_file():
            return run
    return None


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
