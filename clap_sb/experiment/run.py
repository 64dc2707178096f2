"""What every recipe's script does first: read its settings, and make its folder."""

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
import torch
from speechbrain.utils.distributed import if_main_process, run_on_main
from speechbrain.utils.run_opts import RunOptions

from clap_sb.config import BUILTIN, Config
from clap_sb.data.manifest import FOLDER
from clap_sb.data.whole_clips import WindowCollate
from clap_sb.experiment.command_line import read_command_line, run_option_kinds
from clap_sb.experiment.threads import set_threads
from clap_sb.run_yaml import command_config, run_yaml
from clap_sb.training.stopping import Stopped

logger = logging.getLogger(__name__)

BUILTIN_NAME = "builtin (synthetic)"


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
    def trains(self) -> bool:
        """Whether this command trains, or tests alone what is trained already."""
        return not self.run_opts.test_only and self.values.get("stage") != "evaluate"

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
            partial = self.folder / f"{name}.partial"
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, self.folder / name)
        script = Path(sys.argv[0])
        if script.is_file():  # not where Python itself was asked interactively
            shutil.copy(script, self.folder)

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
    message; the traceback goes to the run's ``log.txt``, where it has one. Ctrl-C ends
    it with status 130, a SIGTERM in training with 143, once a checkpoint is saved.

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
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(stopped.status)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        sys.exit(130)
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()  # it was made by `begin`


def begin(argv: Sequence[str], files: Sequence[Path]) -> Experiment:
    """Reads the command line and the YAML files, and makes the output folder.

    Nothing that a finished training has left there is touched yet.

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
        If there is no such option, or its value is of another kind: nothing is written.
    """
    line = read_command_line(argv)
    _find_classes_beside(line.file)
    run_opts = line.run_opts
    path, others = Path(line.file), run_option_kinds()
    config = command_config(path, files, line.settings, others)
    sb.utils.distributed.ddp_init_group(run_opts)
    config = _with_run_options(config, run_opts)
    set_threads(config)
    experiment = Experiment(config, run_opts, config, files)
    sb.create_experiment_directory(str(experiment.folder), save_env_desc=False)
    if if_main_process():
        # SpeechBrain copies the file that calls it, which is this one
        (experiment.folder / Path(__file__).name).unlink(missing_ok=True)
        if "stage" not in config.values():  # a training keeps what it is settled on
            experiment.keep_settings()
        _tell_builtin(experiment)
    return experiment


def _find_classes_beside(file: str) -> None:
    """Classes of the user's own may lie beside the YAML, or where the command is typed.

    The script's own folder comes first, as ever.
    """
    for folder in (str(Path(file).resolve().parent), os.getcwd()):
        if folder not in sys.path:
            sys.path.append(folder)


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
