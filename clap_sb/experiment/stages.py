"""The stages of a training recipe, all in turn or one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.run_opts import RunOptions

from clap_sb.brain import CLAPBrain
from clap_sb.checkpoints.run_description import PARTS
from clap_sb.checkpoints.run_folder import has_checkpoints
from clap_sb.config import ConfigError
from clap_sb.data.manifest import Clip
from clap_sb.experiment.prepared_aside import prepared_aside
from clap_sb.experiment.run import Experiment
from clap_sb.experiment.settling import settle
from clap_sb.experiment.training import train
from clap_sb.setting_kinds import tag_of

STAGES = ("prepare", "train", "evaluate")
"""What ``--stage`` may name, besides ``all``."""

# what a system says of itself and of how it is trained, besides its parts
_SYSTEM = ("system", "clap", "number_of_epochs", "batch_size", "lr", "audio_lr")
_SYSTEM += ("text_lr", "weight_decay", "warmup_steps", "opt_class")

Splits = Mapping[str, Sequence[Clip]]


def run_stages(
    experiment: Experiment,
    prepare: Callable[[bool, Path], tuple[Experiment, Splits]],
    evaluate: Callable[[Experiment, CLAPBrain, Sequence[Clip]], None],
) -> bool:
    """Prepares, trains and evaluates, or does the one of these that was asked for.

    ``--stage prepare`` ends when the manifests are written; ``--stage train`` takes
    them from there, and leaves a checkpoint; ``--stage evaluate`` scores the best one,
    without training on. ``--stage all`` does everything, and goes on where a run
    was interrupted. Without test clips, ``all`` ends with the training.

    Arguments
    ---------
    experiment : Experiment
        The run; its setting ``stage`` says what to do.
    prepare : callable
        Told whether to trust the manifests that are there, and the folder that they
        are in for the time being, gives the run, to go on with, and the clips of the
        splits train, valid and test.
    evaluate : callable
        Takes the run, its brain and the clips of the test split.

    Returns
    -------
    bool
        Whether it was trained: not where there was no epoch left to do.

    Raises
    ------
    ConfigError
        If there is no such stage, the system's YAML lacks a setting, there is nothing
        to evaluate with, or what was asked for cannot be trained in this folder.
    """
    stage = stage_of(experiment)
    _check_system(experiment.values)
    with prepared_aside(experiment.folder, [experiment.folder]) as aside:
        experiment, splits = prepare(trusts_manifests(experiment), aside)
        if stage == "prepare":
            refuse_others([(experiment, splits)])
            _tell(experiment, splits)
            return False
        if stage == "evaluate":
            experiment = replace(experiment, run_opts=_test_only(experiment.run_opts))
        if not experiment.trains and not splits["test"]:
            raise ConfigError("there are no test clips to evaluate with: give some")
        start = settle(experiment, splits["train"], splits["valid"])
    brain = train(start, splits["train"], splits["valid"])
    trained = brain.epoch > 0
    if stage == "train":
        return trained
    if splits["test"]:
        evaluate(start.experiment, brain, splits["test"])
    elif if_main_process():
        folder = experiment.folder
        print(f"no test clips: nothing is scored. Use it: --checkpoint {folder}")
    return trained


def _check_system(values: Mapping[str, Any]) -> None:
    missing = [key for key in (*PARTS, *_SYSTEM) if key not in values]
    if missing:
        raise ConfigError(
            f"the system's YAML lacks {', '.join(missing)}: hparams/small_cnn14.yaml "
            "shows what they are"
        )
    unbuilt = [key for key in PARTS if not str(tag_of(values[key])).startswith("!new:")]
    if unbuilt:
        raise ConfigError(
            f"{', '.join(unbuilt)} of the system's YAML names no class to build: write "
            "!new:module.Class, and its arguments below it"
        )


def refuse_others(runs: Iterable[tuple[Experiment, Splits]]) -> None:
    """Makes sure that the runs that have checkpoints can be gone on with.

    Arguments
    ---------
    runs : iterable of Experiment and Splits
        Runs, and their clips.

    Raises
    ------
    ConfigError
        If there are checkpoints of something else in the folder of one.
    """
    for run, splits in runs:
        if has_checkpoints(run.folder):
            settle(run, splits["train"], splits["valid"])


def stage_of(experiment: Experiment) -> str:
    """The stage that was asked for.

    Arguments
    ---------
    experiment : Experiment
        The run.

    Returns
    -------
    str

    Raises
    ------
    ConfigError
        If there is no such stage.
    """
    stage = experiment.values["stage"]
    if stage not in ("all", *STAGES):
        raise ConfigError(
            f"there is no stage {stage!r}: choose one of all, {', '.join(STAGES)}"
        )
    return stage


def trusts_manifests(experiment: Experiment) -> bool:
    """Whether manifests are taken as they are, unseen.

    Arguments
    ---------
    experiment : Experiment
        The run.

    Returns
    -------
    bool
        True for ``skip_prep``, and for the stages that come after the preparation.
    """
    return experiment.values["skip_prep"] or stage_of(experiment) in STAGES[1:]


def _test_only(run_opts: RunOptions) -> RunOptions:
    """As if ``--test_only`` stood on the command line."""
    given = {*run_opts.overridden_args, "test_only"}
    return replace(run_opts, test_only=True, overridden_args=given)


def _tell(experiment: Experiment, splits: Splits) -> None:
    if if_main_process():
        counts = [
            f"{split}: {len(clips)} clips, {sum(len(clip.captions) for clip in clips)} "
            "captions"
            for split, clips in splits.items()
        ]
        print(f"prepared in {experiment.manifests}: {'; '.join(counts)}")
