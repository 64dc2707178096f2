"""Processes are killed at moments of chance, and gone on with.

    python tests/faults/kills.py --number 20

An index and a training are made in processes of their own, each of which is killed
(SIGKILL) after a while that is drawn by a seed, and begun again, until so many were.
What is there in between can be read; what it ends with is what it had been without.
"""

from __future__ import annotations

import argparse
import functools
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from builders import tiny_clap
from indexes import updater, write_sound
from processes import start_process
from test_resume import Run, assert_same, data

from clap_sb.inference import CLAP
from clap_sb.search import SearchIndex
from clap_sb.search.store import DATABASE

_MOST_ATTEMPTS = 1000  # of which some end before they are killed


def _update(model: Path, sounds: Path, out: Path) -> None:
    """In the process that is killed: slowly, a sound at a time."""
    clap = CLAP(tiny_clap(model).eval(), "tiny")
    updater(out, clap, batch_size=1, workers=1).run([sounds], "model.pt")


def _state(out: Path) -> dict[tuple[str, float], bytes]:
    if not (out / DATABASE).exists():
        return {}
    index = SearchIndex(out)
    return {
        (path, start): np.round(index.embeddings(np.array([row]))[0], 4).tobytes()
        for path, start, _, row in index.windows()
    }


def kill_and_go_on(
    start: Callable[[], object], number: int, longest: float, seed: int
) -> tuple[int, int]:
    """Starts something, kills it after a while, and so on; in the end it may end.

    Arguments
    ---------
    start : callable
        Starts it, and gives its process.
    number : int
        How often to kill.
    longest : float
        Seconds that it is left at most.
    seed : int
        Of the moments.

    Returns
    -------
    kills : int
        That met it alive.
    ends : int
        Times that it had ended before.
    """
    draw, kills, ends = random.Random(seed), 0, 0
    while kills < number and kills + ends < _MOST_ATTEMPTS:
        process = start()
        process.join(draw.uniform(0.05, longest))
        if process.exitcode is None:
            process.kill()
            kills += 1
        process.join()
        if process.exitcode == 0:
            ends += 1
            break  # all is done: nothing is left to be killed
        assert process.exitcode < 0, f"it ended with {process.exitcode}"
    if not ends:
        process = start()
        process.join()
        assert process.exitcode == 0, f"it ended with {process.exitcode}"
    return kills, ends


def kill_indexing(folder: Path, number: int, seed: int = 0) -> int:
    """Kills the making of an index; each time, what is there is whole.

    Arguments
    ---------
    folder : Path
        Empty.
    number : int
        How often.
    seed : int
        Of the moments.

    Returns
    -------
    int
        Kills.
    """
    for place in range(40):
        write_sound(folder / "sounds" / f"{place}.wav", place, 0.5 + place % 3)
    tiny_clap(folder / "model")
    begin = functools.partial(start_process, _update, folder / "model")
    whole = begin(folder / "sounds", folder / "whole.index")
    at = time.monotonic()
    whole.join()
    longest, expected = time.monotonic() - at, _state(folder / "whole.index")
    total = 0
    for attempt in range(_MOST_ATTEMPTS):
        if total >= number:
            break
        out = folder / f"{attempt}.index"
        start = functools.partial(begin, folder / "sounds", out)

        def checked(start=start, out=out):
            found = _state(out)
            assert all(expected[key] == value for key, value in found.items())
            return start()

        kills, _ = kill_and_go_on(checked, number - total, longest, seed + attempt)
        total += kills
        assert _state(out) == expected
    return total


def kill_training(folder: Path, number: int, seed: int = 0) -> int:
    """Kills a training of the demo's size; it ends with the same bits.

    Arguments
    ---------
    folder : Path
        Empty.
    number : int
        How often.
    seed : int
        Of the moments.

    Returns
    -------
    int
        Kills.
    """
    sounds = data.__wrapped__(_Factory(folder))
    settings = {"ckpt_interval_steps": 1}
    reference = Run(folder / "reference", sounds, settings)
    begin = time.monotonic()
    reference.go()
    longest, total = time.monotonic() - begin, 0
    for attempt in range(_MOST_ATTEMPTS):
        if total >= number:
            break
        run = Run(folder / f"run{attempt}", sounds, settings)
        kills, _ = kill_and_go_on(
            functools.partial(start_process, _go, run), number - total, longest,
            seed + attempt,
        )  # fmt: skip
        total += kills
        assert_same(run, reference)
    return total


def _go(run: Run) -> None:
    import os

    from scripts import TRAIN, _run, command
    from test_resume import COMMON

    folders = {"data_folder": run.data, "output_folder": run.folder}
    words = command("hparams/demo.yaml", {**COMMON, **folders, **run.settings})
    log = run.folder.with_name(run.folder.name + "_log")
    _run(TRAIN, [str(word) for word in words], log, None)
    os._exit(0)


class _Factory:
    def __init__(self, folder: Path):
        self._folder = folder

    def mktemp(self, name: str) -> Path:
        (self._folder / name).mkdir(parents=True)
        return self._folder / name


def main() -> None:
    """Prints a line each; an assertion ends it where something is damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20, help="kills of each")
    number = parser.parse_args().number
    for name, kill in (("an index", kill_indexing), ("a training", kill_training)):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            kills = kill(Path(folder), number)
        seconds = time.monotonic() - begin
        print(f"{name}: killed {kills} times, and whole, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
