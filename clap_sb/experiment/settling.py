"""Settles, before the model is built, what a training run starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from speechbrain.utils.distributed import if_main_process

from clap_sb.checkpoints.run_folder import TEXT_FOLDER
from clap_sb.config import ConfigError
from clap_sb.data.manifest import Clip
from clap_sb.experiment.initial import Initial, read_initial
from clap_sb.training.best_metric import LAST
from clap_sb.training.text_tower import settle_text_tower

if TYPE_CHECKING:
    from clap_sb.experiment.run import Experiment


def find_initial(experiment: Experiment) -> Initial | None:
    """Reads the checkpoint that the whole model starts from, if there is one.

    Arguments
    ---------
    experiment : Experiment
        The run, with ``init`` and ``init_tokenizer``.

    Returns
    -------
    Initial or None

    Raises
    ------
    ConfigError
        If ``audio_weights`` is set too.
    CheckpointError
        If the checkpoint cannot be used.
    """
    values = experiment.values
    if values["init"] is None:
        return None
    if values["audio_weights"] is not None:
        raise ConfigError("--init gives both towers: leave --audio_weights out")
    initial = read_initial(values["init"], values["init_tokenizer"])
    if if_main_process():
        print(f"model: starts from {initial.description}")
    return initial


def settle(
    experiment: Experiment, clips: Sequence[Clip], initial: Initial | None
) -> Experiment:
    """Settles, before the model is built, what it is made of and starts from.

    Arguments
    ---------
    experiment : Experiment
        The run.
    clips : sequence of Clip
        Training clips.
    initial : Initial or None
        What the whole model starts from.

    Returns
    -------
    Experiment
        With the files of its text tower in place.
    """
    config, folder = experiment.config, experiment.folder / TEXT_FOLDER
    trained_on = experiment.values["trained_on"]
    if initial is None:
        captions = [caption for clip in clips for caption in clip.captions]
        config, origin = experiment.prepare(
            settle_text_tower, config=config, captions=captions, folder=folder
        )
    else:
        experiment.prepare(initial.write_text, folder=folder)
        config = initial.adopt(config, folder)
        origin = f"that of {initial.description}"
        trained_on = f"{initial.trained_on}, then {trained_on}"
    told = {"text_tower_origin": origin, "trained_on": trained_on}
    return replace(experiment, config=config.updated(told))


def check_selection(experiment: Experiment, valid_clips: Sequence[Clip]) -> None:
    """Raises where a checkpoint is to be selected by a score of no clips.

    Arguments
    ---------
    experiment : Experiment
        The run.
    valid_clips : sequence of Clip
        Validation clips.

    Raises
    ------
    ConfigError
        If there are none, and ``best_metric`` is a score.
    """
    metric = experiment.values["best_metric"]
    if metric != LAST and not valid_clips:
        raise ConfigError(
            f"there are no validation clips to select a checkpoint by {metric} on, or "
            f"validate is False: give some, or keep the last epoch's (--best_metric "
            f"{LAST})"
        )
