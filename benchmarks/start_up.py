"""Measures how long one query takes, from the start of the process to the answer.

    python benchmarks/start_up.py
    python benchmarks/start_up.py --against ../before --checkpoint MODEL

`clap-sb search` asks an index over some built-in sounds for a word, by itself
(`--no-server`) and by a `clap-sb serve` of the index that runs; `clap-sb tag` listens
to one of them; a bare `import torch` is what none can do without but the one with the
server. Seconds are those from the start of the process until the first file of index
or checkpoint is opened (with the server: none is), and until the answer is there;
processor seconds go over all cores. The commands take turns, so that whatever else the
machine does falls on all of them; each figure is the median over the runs, and the
ratios are those to `import torch`. With --against,
the same index is asked by the code of another checkout, too; with --own_indexes, each
checkout has made an index of the same sounds by itself, since it may not know the form
of the other's. With --num_sounds, the index is a larger one: beyond 200, sounds are
hard links to those that are there, with their vectors and some noise; for
--own_indexes, all are of a tenth of a second. Without --checkpoint, the model is the
demo's, with random weights.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from large_index import CAPTIONS, write_index, write_model, write_short_sounds

ROOT = Path(__file__).resolve().parents[1]
SOUNDS = 60
BARE = "import torch"
BY_SERVER = "search, by a server"
# Each tells, in its last line: seconds to the first file, to the end, of the processor.
_BARE = f"""
import sys, time
{BARE}
done = time.time() - float(sys.argv[1])
print(f"[{{done}}, {{done}}, {{time.process_time()}}]")
"""
_COMMAND = """
import json, sys, time
begun, root, folders, words = (json.loads(word) for word in sys.argv[1:])
opened = []

def note(event, arguments):
    if not opened and event in ("open", "sqlite3.connect"):
        if str(arguments[0]).startswith(tuple(folders)):
            opened.append(time.time() - begun)

sys.addaudithook(note)
import clap_sb.cli
if not clap_sb.__file__.startswith(root):
    sys.exit(f"the code is that of {clap_sb.__file__}, not of {root}")
if clap_sb.cli.main(words):
    sys.exit("the command failed")
done = time.time() - begun
print(json.dumps([opened[0] if opened else done, done, time.process_time()]))
"""


def measure(code: str, *arguments: object, root: Path = ROOT) -> list[float]:
    """Runs a process, and gives the figures that it tells."""
    words = [sys.executable, "-c", code, str(time.time())]
    result = subprocess.run(
        [*words, *map(json.dumps, arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise SystemExit(f"{root}: {result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


@contextlib.contextmanager
def serving(index: Path) -> Iterator[None]:
    """Has a server of the index until the block is left."""
    words = [sys.executable, "-m", "clap_sb.cli", "serve", str(index), "--json"]
    words += ["--port", "0", "--no-open"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE
    ) as server:
        try:
            if not server.stdout.readline():
                raise SystemExit("clap-sb serve has ended")
            yield
        finally:
            server.terminate()


def index_by(root: Path, sounds: Path, checkpoint: str, out: Path) -> Path:
    """Has a checkout make an index."""
    words = ["index", str(sounds), "--checkpoint", checkpoint, "--out", str(out)]
    measure(_COMMAND, str(root), [str(out)], words, root=root)
    return out


def rows_of(taken: Mapping[str, Sequence[Sequence[float]]]) -> list[str]:
    """A row for each command, of medians and of their ratios to a bare import."""
    medians = {
        name: [statistics.median(column) for column in zip(*runs, strict=True)]
        for name, runs in taken.items()
    }
    _, least, least_processor = medians[BARE]
    rows = []
    for name, (first, answer, processor) in medians.items():
        figures = (
            f"{first:.2f} | {first / least:.2f} | {answer:.2f} | {answer / least:.2f}",
            f"{processor:.2f} | {processor / least_processor:.2f}",
        )
        rows.append(" | ".join([name, *figures]))
    return rows


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, action="append", default=[])
    parser.add_argument("--checkpoint", help="a model; the demo's unless given")
    parser.add_argument("--num_sounds", type=int, default=SOUNDS)
    parser.add_argument("--own_indexes", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    return parser.parse_args()


def planned(
    indexes: Mapping[Path, Path], checkpoint: str, sound: str
) -> dict[str, tuple[Path, list[str]]]:
    """A row for each command: whose code runs it, and its words."""
    search = ["search", str(indexes[ROOT]), CAPTIONS[0]]
    labels = [word for text in CAPTIONS for word in ("--label", text)]
    tag = ["tag", sound, "--checkpoint", checkpoint, *labels]
    rows = {
        "search": (ROOT, [*search, "--no-server"]),
        BY_SERVER: (ROOT, search),
        "tag": (ROOT, tag),
    }
    for other, index in indexes.items():
        if other == ROOT:
            continue
        # it asks no server: one is asked by its own version alone
        rows[f"search, {other.name}"] = other, ["search", str(index), CAPTIONS[0]]
        rows[f"tag, {other.name}"] = other, tag
    return rows


def write_indexes(
    options: argparse.Namespace, folder: Path, checkpoint: str | None
) -> tuple[dict[Path, Path], Path]:
    """The index of each checkout, and a folder of sounds that are in it."""
    others = [path.resolve() for path in options.against]
    if not options.own_indexes:
        index = write_index(folder, checkpoint, options.num_sounds)
        sounds = folder / "data" / "audio" / "train"
        return dict.fromkeys([ROOT, *others], index), sounds
    model = checkpoint or str(write_model(folder / "model"))
    sounds = write_short_sounds(folder / "sounds", options.num_sounds)
    indexes = {
        root: index_by(root, sounds, model, folder / f"{number}.index")
        for number, root in enumerate([ROOT, *others])
    }
    return indexes, sounds / "000"


def main() -> None:
    """Makes an index, and prints what queries of it take."""
    options = read_arguments()
    taken: dict[str, list[list[float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        os.environ["XDG_STATE_HOME"] = name  # which is no folder of the user's
        given = options.checkpoint and str(Path(options.checkpoint).resolve())
        indexes, sounds = write_indexes(options, folder, given)
        checkpoint = given or str(folder / "model")
        rows = planned(indexes, checkpoint, str(min(sounds.iterdir())))
        with serving(indexes[ROOT]):
            for _ in range(options.runs + 1):
                taken[BARE].append(measure(_BARE))
                for row, (root, words) in rows.items():
                    given = (str(root), [str(indexes[root]), checkpoint], words)
                    taken[row].append(measure(_COMMAND, *given, root=root))
    print(" | ".join(["", "first file, s", "", "answer, s", "", "processor, s", ""]))
    # the first run reads the libraries from the disk, and compiles what is new
    print("\n".join(rows_of({row: runs[1:] for row, runs in taken.items()})))


if __name__ == "__main__":
    main()
