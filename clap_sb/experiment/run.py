"""What every recipe's script begins with: its settings, and where it writes."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import speechbrain as sb
from speechbrain.utils.distributed import if_main_process, run_on_main
from speechbrain.utils.run_opts import RunOptions

from clap_sb.checkpoints.run_description import PARTS
from clap_sb.config import BUILTIN, Config, ConfigError
from clap_sb.data.manifest import FOLDER
from clap_sb.experiment.command_line import (
    read_command_line,
    run_option_kinds,
    set_deterministic,
    set_threads,
    tell_help,
)
from clap_sb.ranks import join_ranks, together
from clap_sb.run_yaml import command_config, run_yaml
from clap_sb.setting_kinds import tag_of
from clap_sb.training.step_guard import Stopped
from clap_sb.whole_file import write_whole

logger = logging.getLogger(__name__)

BUILTIN_NAME = "builtin (synthetic)"
STAGES = ("all", "prepare", "train", "evaluate")
"""What ``--stage`` may name."""

# what a system says of itself and of how it is trained, besides its parts
_SYSTEM = ("system", "clap", "number_of_epochs", "batch_size", "lr", "audio_lr")
_SYSTEM += ("text_lr", "weight_decay", "warmup_steps", "opt_class")


@dataclass(frozen=True)
class Experiment:
    """A recipe's run: its settings, and where it writes.

    Arguments
    ---------
    config : Config
        Joined settings.
    run_opts : RunOptions
        SpeechBrain's run options.
    asked : Config, optional
        Settings as the command has them, before anything is found or suited to the
        data; those of ``config`` unless given.
    files : sequence of Path
        The recipe's YAML files.
    """

    config: Config
    run_opts: RunOptions
    asked: Config | None = None
    files: Sequence[Path] = ()

    @functools.cached_property
    def values(self) -> dict[str, Any]:
        """Plain settings."""
        return self.config.values()

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(self.values["output_folder"])

    @property
    def manifests(self) -> Path:
        """Where its manifests are, once it has begun."""
        return self.folder / FOLDER

    @property
    def is_builtin(self) -> bool:
        """Whether the built-in set stands in for real data."""
        return self.values["data_folder"] == BUILTIN

    @property
    def dataset_name(self) -> str:
        """Name of the data for titles and cards."""
        return BUILTIN_NAME if self.is_builtin else self.values["dataset"]

    @property
    def stage(self) -> str:
        """The stage that a command for training asks for.

        ``prepare`` ends when the manifests are written; ``train`` takes them from
        there, and leaves a checkpoint; ``evaluate`` scores the best one, without
        training on; ``all`` does everything, and goes on where a run was interrupted.

        Raises
        ------
        ConfigError
            If there is no such stage.
        """
        stage = self.values["stage"]
        if stage not in STAGES:
            raise ConfigError(
                f"there is no stage {stage!r}: choose one of {', '.join(STAGES)}"
            )
        return stage

    @property
    def trains(self) -> bool:
        """Whether this command trains, or tests alone what is trained already."""
        return not self.run_opts.test_only and self.stage != "evaluate"

    @property
    def trusts_manifests(self) -> bool:
        """Whether manifests are taken as they are, unseen.

        So it is for ``skip_prep``, and for the stages that come after the preparation.
        """
        return self.values["skip_prep"] or self.stage in ("train", "evaluate")

    def updated(self, settings: Mapping[str, Any]) -> Experiment:
        """The same run with some settings changed.

        Arguments
        ---------
        settings : mapping
            Flat values; each key must be a setting.

        Returns
        -------
        Experiment
        """
        return replace(self, config=self.config.updated(settings))

    def of_dataset(self, name: str) -> Experiment:
        """The same run, with the data under the name of what they turned out to be.

        Arguments
        ---------
        name : str
            The name.

        Returns
        -------
        Experiment
            It writes where it did: the folder is that of the name that was asked for.
        """
        if name == self.values["dataset"]:
            return self
        return self.updated({"dataset": name, "output_folder": str(self.folder)})

    def keep_settings(self) -> None:
        """Writes, on the main process, what the results come from.

        The settings (``hyperparams.yaml``), the recipe's script, and the environment
        (``env.log``).
        """
        if not if_main_process():
            return
        described = sb.utils.logger.get_environment_description()
        settings = run_yaml(self.asked or self.config, self.config, self.files)
        for name, text in (("hyperparams.yaml", settings), ("env.log", described)):
            write_whole(self.folder / name, text)
        script = Path(sys.argv[0])
        if script.is_file():  # not where Python itself was asked interactively
            shutil.copy(script, self.folder)

    def data_folder(self, write_builtin: Callable[..., Path]) -> Path:
        """The data folder, after writing the built-in set where that was asked for.

        Arguments
        ---------
        write_builtin : callable
            Writes the set into the folder it is given, by the settings.

        Returns
        -------
        Path
        """
        if not self.is_builtin:
            return Path(self.values["data_folder"])
        folder = Path(self.values["builtin_folder"])
        run_on_main(write_builtin, args=[folder, self.values])
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
        made = []

        def make() -> None:
            made.append(function(**arguments))

        run_on_main(make)
        return made[0] if made else function(**arguments)


def run_recipe(main: Callable[[list[str]], None]) -> None:
    """Runs a recipe script; what the user can mend is told in one line.

    Wrong settings, missing files and the like end the script with status 1 and their
    message; the traceback goes to the run's ``log.txt``, where it has one. Ctrl-C ends
    it with status 130, a SIGTERM in training with 143, once a checkpoint is saved, a
    reader that reads no more (``--help | head``) with 141, without a word. Of
    several ranks, one that fails ends the others, which repeat what it was.

    Arguments
    ---------
    main : callable
        Takes the arguments of the command line.
    """
    try:
        try:
            with together():
                main(sys.argv[1:])
        finally:
            sys.stdout.flush()  # what is left would else fail after the end
    except (ValueError, OSError) as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            sys.exit(141)
        logger.debug("stopped by an error", exc_info=True)
        sys.exit(f"error: {error}")
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.status)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        sys.exit(130)


def _nobody_reads() -> bool:
    """Whether the pipe that broke is the standard output's; nothing more goes there."""
    try:
        print(flush=True)  # what could not be written may be dropped already
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def parse_arguments(argv: Sequence[str], files: Sequence[Path]) -> Experiment:
    """Reads the command line and the YAML files, and joins the other ranks.

    Nothing is written yet.

    Arguments
    ---------
    argv : sequence of str
        Arguments: the system's YAML, or one that a run has left, then options.
    files : sequence of Path
        The recipe's YAML files; the system's is joined after them.

    Returns
    -------
    Experiment

    Raises
    ------
    ConfigError
        If there is no such option, its value is of another kind, or the system's YAML
        lacks a setting that training takes.
    """
    tell_help(argv, files)
    line = read_command_line(argv)
    _find_classes_beside(line.file)
    path, others = Path(line.file), run_option_kinds()
    config = command_config(path, files, line.settings, others)
    set_deterministic(config)
    join_ranks(line.run_opts["distributed_backend"])
    config = _with_run_options(config, line.run_opts)
    experiment = Experiment(config, line.run_opts, config, files)
    if "stage" in experiment.values:
        _check_system(experiment.values)
    set_threads(config)
    return experiment


def create_experiment_directory(experiment: Experiment) -> None:
    """Makes the output folder, as SpeechBrain does, and begins ``log.txt`` there.

    Nothing that a finished training has left there is touched yet.

    Arguments
    ---------
    experiment : Experiment
        The run.
    """
    sb.create_experiment_directory(str(experiment.folder), save_env_desc=False)
    if if_main_process():
        # SpeechBrain copies the file that calls it, which is this one
        (experiment.folder / Path(__file__).name).unlink(missing_ok=True)
        if "stage" not in experiment.values:  # a training keeps what it is settled on
            experiment.keep_settings()
        _tell_builtin(experiment)


def tell(what: str) -> None:
    """Prints on the main process.

    Arguments
    ---------
    what : str
        A line or more.
    """
    if if_main_process():
        print(what)


def _find_classes_beside(file: str) -> None:
    """Classes of the user's own may lie beside the YAML, or where the command is typed.

    The script's own folder comes first, as ever.
    """
    for folder in (str(Path(file).resolve().parent), os.getcwd()):
        if folder not in sys.path:
            sys.path.append(folder)


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


def _with_run_options(config: Config, run_opts: RunOptions) -> Config:
    """Settings of the YAML that SpeechBrain takes for run options of its own."""
    known = config.values()
    given = {
        key: run_opts[key] for key in sorted(run_opts.overridden_args) if key in known
    }
    return replace(config.updated(given), given={**config.given, **given})


def _tell_builtin(experiment: Experiment) -> None:
    if not experiment.is_builtin:
        return
    print(
        "data_folder is 'builtin': synthesised sounds stand in for "
        f"{experiment.values['dataset']}; no score below is one of that data set."
    )
    for key in experiment.config.replaced_for_builtin:
        print(f"  {key}: {experiment.values[key]}")
