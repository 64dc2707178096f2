"""Measures what `make demo` takes of the machine, and what it scores.

> python benchmarks/demo_cost.py
> python benchmarks/demo_cost.py --busy

Runs the demo's commands, as the Makefile has them, in an empty folder: the built-in
sets are written too. What it tells: wall time, and core-minutes, the time of all cores
together (user and system, of all processes), which depends less on what runs beside.
``--busy`` keeps one process busy all the while. What else is given goes to the
training: ``--seed 1``, or ``--number_of_epochs 1`` for a quick comparison.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = "demo"
# ends by itself where the measurement was killed
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
SCORES = (
    ("results/retrieval.json", "t2a_recall_at_1"),
    ("results/retrieval.json", "a2t_recall_at_1"),
    ("results/retrieval.json", "attribute_accuracy"),
    ("zero_shot/results/zero_shot.json", "accuracy"),
)


@dataclass(frozen=True)
class Cost:
    """What a process took: wall time and time of the cores, in minutes."""

    wall: float
    cores: float

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(self.wall + other.wall, self.cores + other.cores)

    def __str__(self) -> str:
        """Both, to a hundredth of a minute."""
        return f"{self.wall:.2f} min, {self.cores:.2f} core-minutes"


def demo_commands(given: Sequence[str] = ()) -> list[list[str]]:
    """The commands of `make demo`, with this Python.

    Arguments
    ---------
    given : sequence of str
        What is added to the first one, the training.

    Returns
    -------
    list of list of str
    """
    asked = ["make", "-n", "--no-print-directory", "-o", ".venv/.installed", "demo"]
    values = [f"RUN={shlex.quote(sys.executable)}", f"DEMO={RESULTS}"]
    told = subprocess.run(
        [*asked, *values], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    commands = [shlex.split(line) for line in told.replace("\\\n", " ").splitlines()]
    return [[*commands[0], *given], *commands[1:]]


def cost_of(command: Sequence[str], folder: Path) -> Cost:
    """Runs a command in a folder; what it says goes to the folder's `log.txt`.

    Arguments
    ---------
    command : sequence of str
        Program and arguments.
    folder : Path
        Where it runs.

    Returns
    -------
    Cost
        Its own, and that of the processes it waited for.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    start = time.perf_counter()
    with open(folder / "log.txt", "ab") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        end = (folder / "log.txt").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{shlex.join(command)} failed:\n{end}")
    wall = time.perf_counter() - start
    return Cost(wall / 60, (used.ru_utime + used.ru_stime) / 60)


@contextlib.contextmanager
def busy_process(wanted: bool) -> Iterator[subprocess.Popen | None]:
    """Keeps a core busy as long as it is entered, if that is wanted."""
    if not wanted:
        yield None
        return
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def scores(results: Path) -> Iterator[tuple[str, float]]:
    """The demo's scores in percent, by name."""
    for file, name in SCORES:
        yield name, json.loads((results / file).read_text())[name]


def main() -> None:
    """Prints a line for each command, their sum, and the scores."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--busy", action="store_true", help="beside a busy process")
    options, given = parser.parse_known_args()
    total = Cost(0.0, 0.0)
    with tempfile.TemporaryDirectory() as name, busy_process(options.busy):
        folder = Path(name)
        for part in ("recipes", "hparams"):
            (folder / part).symlink_to(ROOT / part)
        for command in demo_commands(given):
            cost = cost_of(command, folder)
            total += cost
            print(f"{command[1]}: {cost}", flush=True)
        print(f"together: {total}")
        for score, value in scores(folder / RESULTS):
            print(f"{score}: {value:.1f} %")


if __name__ == "__main__":
    main()
