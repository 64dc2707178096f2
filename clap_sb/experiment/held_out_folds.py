"""Training on labels with a fold held out: one run for each fold that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clap_sb.config import ConfigError
from clap_sb.data.manifest import Clip
from clap_sb.experiment.label_brain import captioned, descriptions_of
from clap_sb.experiment.run import Experiment
from clap_sb.training.optimization import suited_settings


def check_settings(experiment: Experiment) -> None:
    """Says what there is where there is no such mode, stage of it, or prompt.

    Arguments
    ---------
    experiment : Experiment
        The run, with ``mode``, ``stage`` and ``prompt``.

    Raises
    ------
    ConfigError
        If one of them is of no use here.
    """
    mode, stage = experiment.values["mode"], experiment.stage
    if mode not in ("contrastive", "probe"):
        raise ConfigError(f"mode is contrastive or probe, not {mode!r}")
    if mode == "probe" and stage in ("train", "evaluate"):
        raise ConfigError(
            f"a probe is fitted and scored at once, without a stage {stage!r} of its "
            "own: choose all, or prepare"
        )
    prompt = experiment.values["prompt"]
    if not isinstance(prompt, str):
        raise ConfigError(
            f"prompt is one sentence here, not {len(prompt)}: zero_shot.py averages "
            "several, of the checkpoint that this leaves"
        )


def fold_runs(
    experiment: Experiment, clips: Sequence[Clip], folder: Path
) -> dict[int, tuple[Experiment, dict[str, list[Clip]]]]:
    """A run on the clips of the other folds, for each fold that is held out.

    Arguments
    ---------
    experiment : Experiment
        The run, with its ``labels``.
    clips : sequence of Clip
        Labelled clips of all folds.
    folder : Path
        Where the file of ``descriptions`` lies, if it does not here.

    Returns
    -------
    dict
        By fold, its run, which writes into ``fold_K``, and its clips of the splits
        train, valid and test; empty for a probe.

    Raises
    ------
    ConfigError
        If there is no such fold, or it is validated on, too.
    """
    values, folds = experiment.values, _held_out(experiment, clips)
    if values["mode"] == "probe":
        return {}
    described = descriptions_of(experiment, folder)
    classified = captioned(clips, [values["prompt"]])
    runs = {}
    for fold in folds:
        held = {fold, values["valid_fold"]}
        others = [clip for clip in clips if clip.fold not in held]
        splits = {
            "train": captioned(others, values["templates"], described),
            "valid": [c for c in classified if c.fold == values["valid_fold"]],
            "test": [c for c in classified if c.fold == fold],
        }
        own = experiment.folder / f"fold_{fold}"
        run = replace(experiment, asked=experiment.asked.updated({"fold": fold}))
        run = run.updated({"output_folder": str(own), "fold": fold})
        suited = suited_settings(run.config, len(others))
        runs[fold] = run.updated(suited), splits
    return runs


def _held_out(experiment: Experiment, clips: Sequence[Clip]) -> list[int]:
    """The folds to hold out, one after the other."""
    fold, valid_fold = experiment.values["fold"], experiment.values["valid_fold"]
    folds = sorted({clip.fold for clip in clips})
    if fold != "all" and fold not in folds:
        raise ConfigError(f"fold is 'all' or one of {folds}, not {fold!r}")
    folds = folds if fold == "all" else [fold]
    if valid_fold in folds:
        raise ConfigError(
            f"fold {valid_fold} cannot be validated on and tested "
            "on (--fold): choose settings by another one"
        )
    return folds
