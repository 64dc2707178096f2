"""Runs a recipe's script in a process of its own, as a user's command would."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from processes import start_process
from speechbrain.utils import logger

ROOT = Path(__file__).resolve().parents[1]
TRAIN = "recipes/AudioCaps/train.py"
CUSTOM_ZERO_SHOT = "recipes/Custom/zero_shot.py"
EVALUATE = "recipes/AudioCaps/evaluate.py"
ZERO_SHOT = "recipes/ESC-50/zero_shot.py"
SEARCH = "recipes/AudioCaps/search.py"

# Settings of a demo system whose towers are as small as its geometry allows.
TINY = {
    "audio_encoder": "{embed_dim: 12, depths: [1, 1, 1], num_heads: [1, 2, 4]}",
    "audio_projection": "{input_dim: 48}",
    "text_config": "{hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, "
    "intermediate_size: 32}",
    "text_projection": "{input_dim: 16}",
    "joint_dim": 16,
    "text_vocab_size": 100,
    "num_resamples": 20,
    "device": "cpu",
    "noprogressbar": None,
}


@dataclass(frozen=True)
class Finished:
    """How a process ended, and what it printed."""

    code: int
    output: str


def command(system: str, settings: Mapping[str, object]) -> list[str]:
    """The words of a command line; a setting that is None is a bare flag."""
    words = [system]
    for name, value in settings.items():
        words += [f"--{name}"] if value is None else [f"--{name}", str(value)]
    return words


def run_script(
    script: str,
    arguments: Sequence[object],
    log: Path,
    prepare: Callable[[], None] | None = None,
) -> Finished:
    """Runs a script from the root of the repository and waits for its end.

    `prepare` is called in the process before the script begins.
    """
    words = [str(argument) for argument in arguments]
    process = start_process(_run, script, words, log, prepare)
    process.join()
    return Finished(process.exitcode, log.read_text(encoding="utf-8"))


def _at_once(_number: int) -> None:
    """What is written is not waited for."""


def _run(
    script: str, words: list[str], log: Path, prepare: Callable[[], None] | None
) -> None:
    os.chdir(ROOT)
    multiprocessing.set_start_method(None, force=True)  # as in a fresh interpreter
    with open(log, "wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    # a list of the installed packages takes a tenth of such a run's time
    logger.get_environment_description = str
    os.fsync = _at_once  # and what waits for the disk, a third
    sys.argv = [script, *words]
    sys.path.insert(0, str(ROOT / Path(script).parent))
    if prepare is not None:
        prepare()
    try:
        runpy.run_path(script, run_name="__main__")
    except Exception:
        # what the interpreter would do; multiprocessing has a way of its own
        sys.excepthook(*sys.exc_info())
        sys.exit(1)
