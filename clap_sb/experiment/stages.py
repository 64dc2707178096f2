"""The stages of a training recipe, all in turn or one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.run_opts import RunOptions

from clap_sb.brain import CLAPBrain
from clap_sb.data.manifest import Clip
from clap_sb.experiment.run import Experiment, train

STAGES = ("prepare", "train", "evaluate")
"""What ``--stage`` may name, besides ``all``."""

Splits = Mapping[str, Sequence[Clip]]


def run_stages(
    experiment: Experiment,
    prepare: Callable[[bool], tuple[Experiment, Splits]],
    evaluate: Callable[[Experiment, CLAPBrain, Sequence[Clip]], None],
) -> None:
    """Prepares, trains and evaluates, or does the one of these that was asked for.

    ``--stage prepare`` ends when the manifests are written; ``--stage train`` takes
    them from there, and leaves a checkpoint; ``--stage evaluate`` scores the best one,
    without training on. ``--stage all`` does everything, and goes on where a run
    was interrupted.

    Arguments
    ---------
    experiment : Experiment
        The run; its setting ``stage`` says what to do.
    prepare : callable
        Told whether to trust the manifests of an earlier stage, gives the run, to go on
        with, and the clips of the splits train, valid and test.
    evaluate : callable
        Takes the run, its brain and the clips of the test split.

    Raises
    ------
    ValueError
        If there is no such stage.
    """
    stage = experiment.values["stage"]
    if stage not in ("all", *STAGES):
        raise ValueError(
            f"there is no stage {stage!r}: choose one of all, {', '.join(STAGES)}"
        )
    experiment, splits = prepare(stage in ("train", "evaluate"))
    if stage == "prepare":
        _tell(experiment, splits)
        return
    if stage == "evaluate":
        experiment = replace(experiment, run_opts=_test_only(experiment.run_opts))
    experiment, brain = train(experiment, splits["train"], splits["valid"])
    if stage != "train":
        evaluate(experiment, brain, splits["test"])


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
        print(f"prepared in {experiment.folder / 'manifests'}: {'; '.join(counts)}")
