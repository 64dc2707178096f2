"""What every training recipe does: begin, train, and leave a model that can be used."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process, run_on_main

from clap_sb.brain import CLAPBrain
from clap_sb.checkpoints.audio_weights import load_audio_weights
from clap_sb.checkpoints.run_export import export_run
from clap_sb.checkpoints.run_folder import MODEL_FILE, PARTS, SAVE_FOLDER, TEXT_FOLDER
from clap_sb.config import BUILTIN, Config, join
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import PairCollate, PairDataset
from clap_sb.data.whole_clips import WholeClipDataset, WindowCollate
from clap_sb.experiment.settling import check_selection, find_initial, settle

logger = logging.getLogger(__name__)

BUILTIN_NAME = "builtin (synthetic)"
MODEL_KEYS = (
    "system",
    *PARTS,
    "clap",
    "trained_on",
    "text_tower_origin",
    "best_metric",
)


@dataclass(frozen=True)
class Experiment:
    """A recipe's run: its settings, and where it writes.

    Arguments
    ---------
    config : Config
        Joined settings.
    run_opts : Any
        SpeechBrain's run options.
    """

    config: Config
    run_opts: Any

    @functools.cached_property
    def values(self) -> dict[str, Any]:
        """Plain settings."""
        return self.config.values()

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.values["output_folder"])

    @property
    def is_builtin(self) -> bool:
        """Whether the built-in set stands in for real data."""
        return self.values["data_folder"] == BUILTIN

    @property
    def dataset_name(self) -> str:
        """Name of the data for titles and cards."""
        return BUILTIN_NAME if self.is_builtin else self.values["dataset"]

    def data_folder(self, write_builtin: Callable[..., Path]) -> Path:
        """The data folder, after writing the built-in set where that was asked for.

        Arguments
        ---------
        write_builtin : callable
            Writes the set into the folder it is given.

        Returns
        -------
        Path
        """
        if not self.is_builtin:
            return Path(self.values["data_folder"])
        folder = Path(self.values["builtin_folder"])
        run_on_main(write_builtin, args=[folder])
        return folder

    def prepare(self, function: Callable[..., Any], **arguments: Any) -> Any:
        """Runs a preparation on the main process first, then on all.

        The others find everything done, and get the same answer.

        Arguments
        ---------
        function : callable
            An idempotent preparation.
        **arguments : Any
            Its arguments.

        Returns
        -------
        Any
            What the function gives.
        """
        run_on_main(function, kwargs=arguments)
        return function(**arguments)


def run_recipe(main: Callable[[list[str]], None]) -> None:
    """Runs a recipe script; what the user can mend is told in one line.

    Wrong settings, missing files and the like end the script with status 1 and their
    message; the traceback goes to the run's ``log.txt``, where it has one.

    Arguments
    ---------
    main : callable
        Takes the arguments of the command line.
    """
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        logger.debug("stopped by an error", exc_info=True)
        sys.exit(f"error: {error}")


def begin(argv: Sequence[str], files: Sequence[Path]) -> Experiment:
    """Reads the command line and the YAML files, and makes the output folder.

    Arguments
    ---------
    argv : sequence of str
        Arguments: the system's YAML, then overrides.
    files : sequence of Path
        The recipe's YAML files; the system's is joined after them.

    Returns
    -------
    Experiment
    """
    system, run_opts, overrides = sb.parse_arguments(list(argv))
    sb.utils.distributed.ddp_init_group(run_opts)
    config = join([*files, system], overrides)
    experiment = Experiment(config, run_opts)
    sb.create_experiment_directory(str(experiment.folder))
    if if_main_process():
        text = config.resolved()
        (experiment.folder / "hyperparams.yaml").write_text(text, encoding="utf-8")
        _tell_builtin(experiment)
    return experiment


def _tell_builtin(experiment: Experiment) -> None:
    if not experiment.is_builtin:
        return
    print(
        "data_folder is 'builtin': synthesised sounds stand in for "
        f"{experiment.values['dataset']}; no score below is one of that data set."
    )
    for key in experiment.config.replaced_for_builtin:
        print(f"  {key}: {experiment.values[key]}")


def train(
    experiment: Experiment, train_clips: Sequence[Clip], valid_clips: Sequence[Clip]
) -> tuple[Experiment, CLAPBrain]:
    """Builds the model and trains it, or goes on where a run was interrupted.

    Arguments
    ---------
    experiment : Experiment
        The run.
    train_clips : sequence of Clip
        Training clips.
    valid_clips : sequence of Clip
        Validation clips; none where ``best_metric`` is ``epoch``.

    Returns
    -------
    experiment : Experiment
        The run, with its text tower settled.
    brain : CLAPBrain
        After the last epoch.

    Raises
    ------
    ConfigError
        If the checkpoint is to be selected by a score, and there are no validation
        clips, or if settings contradict each other.
    """
    if not experiment.values["validate"]:
        valid_clips = ()
    check_selection(experiment, valid_clips)
    initial = find_initial(experiment)
    experiment = settle(experiment, train_clips, initial)
    if if_main_process():
        print(f"text tower: {experiment.values['text_tower_origin']}")
        _describe_model(experiment)
    hparams = experiment.config.build()
    if initial is not None:
        initial.load_into(hparams["clap"])
    _load_audio_weights(hparams)
    brain = hparams["brain_class"](
        modules={"clap": hparams["clap"]},
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=experiment.run_opts,
        checkpointer=hparams["checkpointer"],
    )
    text_folder = experiment.folder / TEXT_FOLDER
    if Path(hparams["text_source"]) != text_folder:  # a pretrained tower's
        run_on_main(hparams["text_encoder"].save_source, args=[text_folder])
    brain.fit(
        hparams["epoch_counter"],
        _pairs(hparams, train_clips),
        WholeClipDataset(valid_clips, brain.clap.sample_rate) if valid_clips else None,
        train_loader_kwargs=_train_loader(hparams),
        valid_loader_kwargs=whole_clip_loader(hparams),
    )
    if not brain.debug or brain.debug_persistently:  # else nothing was kept
        run_on_main(export_run, args=[experiment.folder])
    return experiment, brain


def _load_audio_weights(hparams: dict[str, Any]) -> None:
    """What the audio tower starts from; a run that is gone on with loads its own."""
    path = hparams["audio_weights"]
    if path is not None:
        loaded = load_audio_weights(hparams["audio_encoder"], path)
        if if_main_process():
            print(f"audio tower: from {path} ({loaded})")


def _describe_model(experiment: Experiment) -> None:
    """Writes ``model.yaml``; another model's folder is not gone on with."""
    path = experiment.folder / MODEL_FILE
    # what the tower started from is of no account for one that is loaded
    loaded = {"text_source": TEXT_FOLDER, "pretrained_text": False}
    text = experiment.config.updated(loaded).extract(MODEL_KEYS)
    started = any((experiment.folder / SAVE_FOLDER).glob("CKPT+*"))
    if started and path.read_text(encoding="utf-8") != text:
        raise ValueError(
            f"{experiment.folder} holds a run of another model or data set (see "
            f"{path}): choose another --output_folder, or delete it to start afresh"
        )
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _pairs(hparams: dict[str, Any], clips: Sequence[Clip]) -> PairDataset:
    clap = hparams["clap"]
    return PairDataset(
        clips,
        clap.sample_rate,
        clap.clip_samples,
        hparams["seed"],
        whole_clips=clap.takes_whole_clips,
        caption_policy=hparams["caption_policy"],
    )


def _train_loader(hparams: dict[str, Any]) -> dict[str, Any]:
    return {
        "batch_size": hparams["batch_size"],
        "num_workers": hparams["num_workers"],
        "pin_memory": hparams["pin_memory"],
        "collate_fn": PairCollate(hparams["text_encoder"].tokenize),
    }


def whole_clip_loader(hparams: dict[str, Any]) -> dict[str, Any]:
    """Options of the loaders for validation and test.

    Arguments
    ---------
    hparams : dict
        Built settings.

    Returns
    -------
    dict
    """
    clap = hparams["clap"]
    return {
        "batch_size": hparams["valid_batch_size"],
        "num_workers": hparams["num_workers"],
        "collate_fn": WindowCollate(clap.clip_samples, clap.takes_whole_clips),
    }
