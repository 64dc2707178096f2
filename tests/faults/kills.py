"""Processes are killed at moments of chance, and gone on with.

    python tests/faults/kills.py --number 20

An index and a training are made in processes of their own, each of which is killed
(SIGKILL) after a while that is drawn by a seed, and begun again, until so many were.
What is there in between can be read; what it ends with is what it had been without.
A training tells what it is busy with, and is met in all of it by turns: as it starts,
within an epoch, as it validates, as it writes a checkpoint, and at its end.
"""

from __future__ import annotations

import argparse
import functools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess
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
# What a training is busy with, in words of equal length: one is written over another.
BUSY = (
    "as it starts ",
    "in an epoch  ",
    "validating   ",
    "checkpointing",
    "at its end   ",
)


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
    start: Callable[[], BaseProcess], number: int, wait: Callable[[BaseProcess], None]
) -> int:
    """Starts something, kills it after a while, and so on; in the end it may end.

    Arguments
    ---------
    start : callable
        Starts it, and gives its process.
    number : int
        How often to kill.
    wait : callable
        Waits for the moment.

    Returns
    -------
    int
        Kills that met it alive.
    """
    kills, ends = 0, 0
    while kills < number and kills + ends < _MOST_ATTEMPTS:
        process = start()
        wait(process)
        process.kill()
        process.join()
        if process.exitcode == 0:
            ends += 1
            break  # all is done: nothing is left to be killed
        assert process.exitcode < 0, f"it ended with {process.exitcode}"
        kills += 1
    if not ends:
        process = start()
        process.join()
        assert process.exitcode == 0, f"it ended with {process.exitcode}"
    return kills


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
    draw, total = random.Random(seed), 0
    for attempt in range(_MOST_ATTEMPTS):
        if total >= number:
            break
        out = folder / f"{attempt}.index"
        start = functools.partial(begin, folder / "sounds", out)

        def checked(start=start, out=out):
            found = _state(out)
            assert all(expected[key] == value for key, value in found.items())
            return start()

        total += kill_and_go_on(
            checked, number - total, lambda it: it.join(draw.uniform(0.05, longest))
        )
        assert _state(out) == expected
    return total


def kill_training(folder: Path, number: int, seed: int = 0) -> Counter[str]:
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
    Counter
        Kills, by what it was busy with.
    """
    sounds = data.__wrapped__(_Factory(folder))
    settings = {"ckpt_interval_steps": 1}
    reference = Run(folder / "reference", sounds, settings)
    begin = time.monotonic()
    reference.go()
    longest = time.monotonic() - begin
    draw, met, busy = random.Random(seed), Counter(), folder / "busy"

    def wait(process: BaseProcess) -> None:
        """For the next kind of moment, of which it has several, or for its end."""
        aim = BUSY[met.total() % len(BUSY)]
        process.join(draw.uniform(0, longest / 2 if aim != BUSY[0] else 0.05))
        while process.exitcode is None and busy.read_text(encoding="utf-8") != aim:
            process.join(0.001)
        process.join(draw.uniform(0, 0.02))
        if process.exitcode is None:
            process.kill()  # what it is busy with does not change any more, then
            process.join()
            met[busy.read_text(encoding="utf-8")] += process.exitcode < 0

    for attempt in range(_MOST_ATTEMPTS):
        if met.total() >= number:
            break
        run = Run(folder / f"run{attempt}", sounds, settings)

        def start(run=run):
            busy.write_text(BUSY[0], encoding="utf-8")
            return start_process(_go, run, busy)

        kill_and_go_on(start, number - met.total(), wait)
        assert_same(run, reference)
    return met


def _tell(busy: Path) -> None:
    """Has a training tell what it is busy with; in the process that is killed."""
    import os

    from clap_sb.brain import CLAPBrain
    from clap_sb.training.checkpointer import AtomicCheckpointer

    number = os.open(busy, os.O_RDWR)

    def within(owner: type, name: str, kind: str, afterwards: str | None) -> None:
        original = getattr(owner, name)

        @functools.wraps(original)
        def telling(*arguments, **options):
            before = os.pread(number, 20, 0).decode()
            os.pwrite(number, kind.encode(), 0)
            result = original(*arguments, **options)
            os.pwrite(number, (afterwards or before).encode(), 0)
            return result

        setattr(owner, name, telling)

    start, epoch, validation, checkpoint, end = BUSY
    within(CLAPBrain, "fit", start, end)
    within(CLAPBrain, "_fit_train", epoch, None)
    within(CLAPBrain, "_fit_valid", validation, None)
    within(AtomicCheckpointer, "save_and_keep_only", checkpoint, None)


def _go(run: Run, busy: Path) -> None:
    import os

    from scripts import TRAIN, _run, command
    from test_resume import COMMON

    folders = {"data_folder": run.data, "output_folder": run.folder}
    words = command("hparams/demo.yaml", {**COMMON, **folders, **run.settings})
    log = run.folder.with_name(run.folder.name + "_log")
    prepare = functools.partial(_tell, busy)
    _run(TRAIN, [str(word) for word in words], log, prepare)
    os._exit(0)


class _Factory:
    def __init__(self, folder: Path):
        self._folder = folder

    def mktemp(self, name: str) -> Path:
        (self._folder / name).mkdir(parents=True)
        return self._folder / name


def _told(kills: int | Counter[str]) -> str:
    if isinstance(kills, int):
        return f"{kills} times"
    met = ", ".join(f"{count} {kind.strip()}" for kind, count in kills.items())
    return f"{kills.total()} times ({met})"


KINDS = {"index": kill_indexing, "training": kill_training}


def main() -> None:
    """Prints a line each; an assertion ends it where something is damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20, help="kills of each")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    arguments = parser.parse_args()
    for name in arguments.kinds:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            kills = KINDS[name](Path(folder), arguments.number)
        if name == "training" and arguments.number >= 4 * len(BUSY):
            assert set(kills) == set(BUSY), f"not met in all of it: {kills}"
        seconds = time.monotonic() - begin
        print(f"{name}: killed {_told(kills)}, and whole, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
