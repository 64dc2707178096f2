"""Settles, before the model is built, what a training run starts from."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from speechbrain.utils.distributed import if_main_process, run_on_main
from speechbrain.utils.run_opts import RunOptions

from clap_sb.checkpoints.part import parts_in
from clap_sb.checkpoints.run_description import PARTS, TEXT_FOLDER, plain
from clap_sb.checkpoints.run_folder import SAVE_FOLDER, has_checkpoints
from clap_sb.config import BUILTIN, ConfigError
from clap_sb.data.manifest import Clip
from clap_sb.encoders.pip_package import pip_package
from clap_sb.experiment.identity import Identity, identity_of
from clap_sb.experiment.initial import Initial, read_initial
from clap_sb.experiment.run import Experiment, tell
from clap_sb.experiment.training_run import Splits, TrainingRun
from clap_sb.training.epochs import LAST
from clap_sb.training.text_start import has_source, settle_text_tower

_FOUND = ("text_tower_origin", "freeze_text", "weights_of")


def settle(
    experiment: Experiment, splits: Splits, initial: Initial | None = None
) -> TrainingRun | None:
    """Settles what the model is made of and starts from, before it is built.

    A run that has checkpoints goes on with its own text tower and tokenizer, which need
    not be fetched again. Before anything is written, it is made sure that they are of
    the model and the training clips that were asked for.

    Arguments
    ---------
    experiment : Experiment
        The run.
    splits : mapping
        The clips of the splits train, valid and test.
    initial : Initial, optional
        What it starts from; what ``init`` names unless given.

    Returns
    -------
    TrainingRun or None
        None for ``--stage prepare``, which ends here.

    Raises
    ------
    ConfigError
        If there is a run of something else in the folder, nothing to test, a
        checkpoint is to be selected by a score of no clips, settings contradict each
        other, or ``--debug`` would write over what a run has left.
    CheckpointError
        If the checkpoint to start from cannot be used, or a class that the YAML names
        is not to be found.
    TextSourceError
        If the pretrained text tower is not to be had.
    """
    if experiment.stage == "prepare":
        refuse_others([(experiment, splits)], initial)
        _tell_prepared(experiment, splits)
        return None
    if experiment.stage == "evaluate":
        experiment = replace(experiment, run_opts=_test_only(experiment.run_opts))
    if not experiment.trains and not splits["test"]:
        raise ConfigError("there are no test clips to evaluate with: give some")
    run = _settled(experiment, splits, initial)
    tell(f"text tower: {run.experiment.values['text_tower_origin']}")
    return run


def refuse_others(
    runs: Iterable[tuple[Experiment, Splits]], initial: Initial | None = None
) -> None:
    """Makes sure that the runs that have checkpoints can be gone on with.

    Arguments
    ---------
    runs : iterable of Experiment and Splits
        Runs, and their clips.
    initial : Initial, optional
        As :func:`settle` takes it.

    Raises
    ------
    ConfigError
        If there are checkpoints of something else in the folder of one.
    """
    for run, splits in runs:
        if has_checkpoints(run.folder):
            _settled(run, splits, initial)


def _settled(
    experiment: Experiment, splits: Splits, initial: Initial | None
) -> TrainingRun:
    _check_selection(experiment, splits["valid"])
    folder = experiment.folder / TEXT_FOLDER
    initial = initial or _find_initial(experiment)
    if initial is not None:
        adopted = initial.adopt(experiment.config, folder)
        trained_on = f"{initial.trained_on}, then {experiment.values['trained_on']}"
        experiment = replace(experiment, config=adopted)
        experiment = experiment.updated({"trained_on": trained_on})
    _find_classes(experiment.values)
    beginning = _beginning(experiment.values, initial)
    identity = identity_of(experiment.values, splits["train"], beginning)
    settled = identity.settled_in(experiment.folder, experiment.trains)
    if settled is not None:
        _check_debug(experiment)
        own: dict[str, Any] = {}
        if has_source(experiment.values):
            own = {"text_source": str(folder), "pretrained_text": False}
        if pip_package(experiment.values.get("pretrained_audio")) is not None:
            own["pretrained_audio"] = None
        experiment = experiment.updated({**settled, **own})
    elif experiment.trains:
        experiment = _begin(experiment, identity, splits["train"], initial)
    else:
        raise ConfigError(
            f"there is no checkpoint in {experiment.folder / SAVE_FOLDER} to test: the "
            "run has not finished an epoch yet (train first, with the same "
            "--output_folder)"
        )
    return TrainingRun(experiment, splits, initial, goes_on=settled is not None)


def _find_classes(values: Mapping[str, Any]) -> None:
    """Raises where a class of the user's own is not to be found."""
    for part in parts_in([plain(values[name]) for name in PARTS]):
        if not part.is_ours:
            part.find()


def _begin(
    experiment: Experiment,
    identity: Identity,
    clips: Sequence[Clip],
    initial: Initial | None,
) -> Experiment:
    """Finds the text tower of a new run, and keeps with it what run it is."""
    folder = experiment.folder / TEXT_FOLDER
    # of a run that has left no checkpoint
    run_on_main(shutil.rmtree, args=[folder], kwargs={"ignore_errors": True})
    asked = experiment.values
    if initial is None:
        captions = [caption for clip in clips for caption in clip.captions]
        config, origin = experiment.prepare(
            settle_text_tower,
            config=experiment.config,
            captions=captions,
            folder=folder,
        )
        experiment = replace(experiment, config=config)
        weights_of = _attributions(asked, experiment.values)
    else:
        experiment.prepare(initial.write_text, folder=folder)
        origin = f"that of {initial.description}"
        weights_of = initial.weights_of
    found = {"text_tower_origin": origin, "weights_of": list(weights_of)}
    experiment = experiment.updated(found)
    if if_main_process():
        values = experiment.values
        settled = {key: values[key] for key in _FOUND if key in values}
        identity.write(experiment.folder, settled)
    return experiment


def _attributions(asked: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Whose weights the towers start from, where packages bring them."""
    sources = [asked.get("pretrained_audio")]
    if found.get("pretrained_text"):
        sources.append(asked["text_source"])
    packages = [pip_package(source) for source in sources]
    return [package.attribution for package in packages if package is not None]


def _beginning(values: Mapping[str, Any], initial: Initial | None) -> dict[str, Any]:
    """What determines the tokenizer, and the weights before the first step."""
    if initial is not None:
        return initial.beginning
    keys = [key for key in ("pretrained_audio",) if key in values]
    if not has_source(values):
        return {key: values[key] for key in keys}
    keys.append("pretrained_text")
    if values["pretrained_text"]:
        keys.append("text_source")
    if not values["pretrained_text"] or values["data_folder"] == BUILTIN:
        keys += ["text_config", "text_vocab_size"]
    return {key: values[key] for key in keys}


def _find_initial(experiment: Experiment) -> Initial | None:
    """Reads the checkpoint that the whole model starts from, if there is one."""
    values = experiment.values
    if values["init"] is None:
        return None
    if values["audio_weights"] is not None:
        raise ConfigError("--init gives both towers: leave --audio_weights out")
    initial = read_initial(values["init"], values["init_tokenizer"], values["trust"])
    tell(f"model: starts from {initial.description}")
    return initial


def _check_selection(experiment: Experiment, valid_clips: Sequence[Clip]) -> None:
    """Raises where a checkpoint is to be selected by a score of no clips."""
    metric = experiment.values["best_metric"]
    if metric != LAST and not valid_clips:
        raise ConfigError(
            f"there are no validation clips to select a checkpoint by {metric} on: "
            f"give some, or keep the last epoch's (--best_metric {LAST})"
        )


def _check_debug(experiment: Experiment) -> None:
    """Raises where a model that is soon thrown away would be trained beside a run."""
    options = experiment.run_opts
    if experiment.trains and options.debug and not options.debug_persistently:
        raise ConfigError(
            f"{experiment.folder} holds a run, and --debug would write over its "
            "history and results: choose another --output_folder"
        )


def _test_only(run_opts: RunOptions) -> RunOptions:
    """As if ``--test_only`` stood on the command line."""
    given = {*run_opts.overridden_args, "test_only"}
    return replace(run_opts, test_only=True, overridden_args=given)


def _tell_prepared(experiment: Experiment, splits: Splits) -> None:
    counts = [
        f"{split}: {len(clips)} clips, {sum(len(clip.captions) for clip in clips)} "
        "captions"
        for split, clips in splits.items()
    ]
    tell(f"prepared in {experiment.manifests}: {'; '.join(counts)}")
