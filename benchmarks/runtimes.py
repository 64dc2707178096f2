"""Measures what computes an audio tower, side by side, alone and beside other work.

    python benchmarks/runtimes.py
    python benchmarks/runtimes.py --against ../before --rounds 9
    python benchmarks/runtimes.py --sounds FOLDER

The tower is HTSAT-tiny at full size, with random weights that make all of its parts
matter; the batch is of noise. Each row is a runtime and a precision that can be had
here; with --against, the tower of another checkout of this repository is one, too, in a
process of its own. They take turns, round by round, so that whatever else the machine
does falls on all of them: first alone, then beside a process that multiplies matrices
on as many threads. Seconds are those of a clip, the median over the rounds, and those
of the processor go over all cores; the ratios say more than the seconds do. They are
those of the other checkout to each row, or of the first row where there is none: how
many times as fast. `cosine` is the least one with PyTorch's embeddings in fp32, of the
batch or, with --sounds, of the sounds in a folder; of these it also tells what the
whole takes, reading included, over what the tower alone takes, in seconds and in those
of the processor.
"""

from __future__ import annotations

import clap_sb  # noqa: F401  (before torch: how its threads wait)

# isort: split
import argparse
import contextlib
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.data.audio_file import AudioFile
from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.no_text_tower import NoTextTower
from clap_sb.features import LogMel
from clap_sb.inference import CLAP
from clap_sb.model import CLAP as Model
from clap_sb.objectives.logit_scale import LogitScale
from clap_sb.runtimes.choice import OTHERS, TORCH, RuntimeChoiceError, why_not

Once = Callable[[], tuple[float, float]]

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 10.0
_BUSY = """
import torch
one = torch.randn(2048, 2048)
while True:
    one @ one
"""
# A tower of another checkout: built, amplified and timed by the code of this file.
_THERE = """
import sys, time
root, path = sys.argv[1:]
sys.path.insert(0, root)
import clap_sb, torch
if not clap_sb.__file__.startswith(root):
    sys.exit(f"the code is that of {clap_sb.__file__}")
from clap_sb.encoders.htsat import HTSAT
from clap_sb.features import LogMel
torch.manual_seed(0)
tower = HTSAT(LogMel()).eval().requires_grad_(False)
heard = torch.load(path, weights_only=True)
tower.load_state_dict(heard["state"])
with torch.no_grad():
    for _ in sys.stdin:
        begun, worked = time.perf_counter(), time.process_time()
        tower.embed_log_mel(heard["log_mel"])
        wall, work = time.perf_counter() - begun, time.process_time() - worked
        print(wall, work, flush=True)
"""


@torch.no_grad()
def amplified(tower: nn.Module) -> nn.Module:
    """Weights that keep the scale from layer to layer, so that each of them matters."""
    generator = torch.Generator().manual_seed(0)
    for name, value in tower.named_parameters():
        drawn = torch.randn(value.shape, generator=generator)
        if name.endswith("relative_position_bias_table"):
            value.copy_(drawn)
        elif value.dim() > 1:
            value.copy_(1.5 * drawn / math.sqrt(value[0].numel()))
        else:
            value.copy_(0.1 * drawn + float(name.endswith("weight")))
    return tower


def model() -> Model:
    """HTSAT-tiny without a projection."""
    torch.manual_seed(0)
    tower = amplified(HTSAT(LogMel())).eval()
    none = nn.Identity()
    return Model(tower, NoTextTower(), none, none, LogitScale())


def rows_of(whole: Model) -> dict[str, CLAP]:
    """A model for each runtime and precision that can be had here."""
    found = {"torch fp32": CLAP(whole)}
    for runtime in (TORCH, *OTHERS):
        for precision in ("fp32", "bf16"):
            name = f"{runtime} {precision}"
            if runtime != TORCH and (reason := why_not(runtime, precision, "cpu")):
                print(f"{name} is left out: {reason}", file=sys.stderr)
                continue
            clap = CLAP(whole, runtime=runtime, precision=precision, tell=_tell)
            try:
                clap.encode_audio(torch.zeros(1, 48000), clap.sample_rate)
            except RuntimeChoiceError as error:
                print(f"{name} is left out: {error}", file=sys.stderr)
                continue
            found[name] = clap
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


@contextlib.contextmanager
def other_checkout(root: Path, whole: Model, heard) -> Iterator[Once]:
    """Gives what times the tower of another checkout, once a call."""
    path = ROOT / f".runtimes.{os.getpid()}.pt"
    state = whole.audio_encoder.state_dict()
    torch.save({"state": state, "log_mel": heard.first}, path)
    words = [sys.executable, "-c", _THERE, str(root), str(path)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        words,
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def once() -> tuple[float, float]:
        process.stdin.write("\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"the tower of {root} has failed")
        wall, work = map(float, line.split())
        return wall, work

    try:
        yield once
    finally:
        process.stdin.close()
        process.wait()
        path.unlink()


@contextlib.contextmanager
def beside(is_busy: bool) -> Iterator[None]:
    """Has another process multiply matrices until the block is left."""
    if not is_busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", _BUSY]) as process:
        time.sleep(3.0)  # until it has begun
        try:
            yield
        finally:
            process.kill()


def name_of(root: Path) -> str:
    """The row of another checkout."""
    return f"torch fp32, {root.name}"


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds that something takes, and those of the processor."""
    begun, worked = time.perf_counter(), time.process_time()
    with torch.no_grad():
        work()
    return time.perf_counter() - begun, time.process_time() - worked


def in_turns(times: dict[str, Once], rounds: int) -> dict[str, list[float]]:
    """The medians of each, over rounds in which each has a turn; one is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in times}
    for _ in range(rounds + 1):
        for name, once in times.items():
            taken[name].append(once())
    return {
        name: [statistics.median(column) for column in zip(*values[1:], strict=True)]
        for name, values in taken.items()
    }


def cosines(rows: dict[str, CLAP], embed: Callable[[CLAP], torch.Tensor]):
    """The least cosine of each row with the first one."""
    expected = embed(rows["torch fp32"])
    return {
        name: float(F.cosine_similarity(embed(clap), expected).min())
        for name, clap in rows.items()
    }


def over_the_tower(clap: CLAP, paths: list[Path], batch_size: int) -> list[float]:
    """What files take over what their tower takes: seconds, and the processor's."""
    wavs = []
    for path in paths:
        with AudioFile(path, clap.sample_rate) as file:
            wavs.append(file.read(0, min(file.num_samples, clap.model.clip_samples)))
    starts = range(0, len(wavs), batch_size)
    heard = [clap.hear_unlearned(wavs[s : s + batch_size]) for s in starts]
    times: dict[str, Once] = {
        "tower": lambda: timed(lambda: [clap.encode_heard(one) for one in heard]),
        "whole": lambda: timed(lambda: clap.embed_files(paths, batch_size)),
    }
    taken = in_turns(times, 3)
    return [a / b for a, b in zip(taken["whole"], taken["tower"], strict=True)]


def described() -> str:
    """The machine, as far as it tells."""
    words = [platform.machine(), f"{torch.get_num_threads()} threads"]
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = [line.partition(":") for line in info.read_text().splitlines()]
        told = {key.strip(): value.strip() for key, _, value in lines}
        sets = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
        flags = told.get("flags", "").split()
        words += [told.get("model name", ""), *(s for s in sets if s in flags)]
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return ", ".join(filter(None, [*words, load]))


def read_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--sounds", type=Path, help="a folder of sound files")
    parser.add_argument("--most", type=int, default=64, help="sounds that are taken")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def measured(options: argparse.Namespace, rows: dict[str, CLAP]) -> dict[str, dict]:
    """All figures, by row."""
    first = rows["torch fp32"]
    size = round(SECONDS * first.sample_rate)
    wavs = 0.1 * torch.randn(options.batch_size, size)
    heard = first.hear_unlearned(list(wavs))
    figures: dict[str, dict] = {name: {} for name in rows}
    with contextlib.ExitStack() as stack:
        times: dict[str, Once] = {
            name: lambda c=clap: timed(lambda: c.encode_heard(heard))
            for name, clap in rows.items()
        }
        if options.against is not None:
            root = options.against.resolve()
            there = other_checkout(root, first.model, heard)
            times[name_of(root)] = stack.enter_context(there)
            figures[name_of(root)] = {}
        for key, is_busy in (("alone", False), ("beside", True)):
            with beside(is_busy):
                for name, taken in in_turns(times, options.rounds).items():
                    figures[name][key] = [value / options.batch_size for value in taken]
    for name, value in cosines(rows, lambda c: c.encode_heard(heard)).items():
        figures[name]["cosine"] = value
    if options.sounds is not None:
        paths = sorted(p for p in options.sounds.rglob("*") if p.is_file())
        paths = paths[: options.most]
        for name, value in cosines(rows, lambda c: c.embed_files(paths)).items():
            figures[name]["cosine"] = value
        for name, clap in rows.items():
            figures[name]["folder"] = over_the_tower(clap, paths, options.batch_size)
    return figures


def main() -> None:
    """Prints the figures."""
    options = read_arguments()
    figures = measured(options, rows_of(model()))
    if options.json:
        print(json.dumps({"machine": described(), "rows": figures}))
        return
    print(described())
    print(
        "| row | alone, s | ratio | processor, s | ratio | beside, s | ratio | cosine "
        "| folder / tower | processor |"
    )
    print(f"|{'---|' * 10}")
    against = options.against
    base = figures["torch fp32" if against is None else name_of(against.resolve())]
    for name, row in figures.items():
        columns = (("alone", 0), ("alone", 1), ("beside", 0))
        cells = [name]
        for key, place in columns:
            value = row[key][place]
            cells += [f"{value:.3f}", f"{base[key][place] / value:.2f}"]
        cells.append(f"{row['cosine']:.5f}" if "cosine" in row else "")
        cells += [f"{value:.2f}" for value in row.get("folder", ())]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
