"""Holds clap_sb against its peers' packages: same weights, same clips, in turn.

> make bench

Front end, both towers, files, a training step, loading and memory, of laion_clap,
transformers' ClapModel and msclap, as far as they are installed (`make parity` does
that). In each round every contestant has its turn, and a ratio is that of one round, so
that what else the machine does falls on all of them. Wall time is what one waits; the
CPU time of the process hardly depends on others who use the machine.
"""

from __future__ import annotations

import clap_sb  # noqa: F401  (before torch: how its threads wait)

# isort: split
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch
from contestants import LAION, MICROSOFT, PEERS, Contestant, Ours, load, write_weights
from machine import Limit, machine, training_flops

import clap_sb.experiment  # noqa: F401  (takes memory as a recipe does)
from clap_sb.whole_file import write_whole

CLIPS = {LAION: (48000, 480000), MICROSOFT: (44100, 308700)}
# AudioCaps' training captions have 4 to 16 words, evenly over their quantiles; a token
# each, and three for the ends and for words of two tokens
CAPTION_TOKENS = (7, 8, 9, 10, 11, 13, 15, 19)
TITLES = {LAION: "LAION-CLAP (HTSAT-tiny, RoBERTa)", MICROSOFT: "MS-CLAP 2023"}
EVAL = ("front end", "audio", "text", "files")
TRAINING = "training step"
VARIANTS = {"cpu": ("fp32", "bf16"), "cuda": ("fp32", "tf32", "bf16", "compiled")}
ALIKE = 1e-4
WARM_UP = 2  # rounds, until what a step takes of memory is there
HEADER = (
    "| precision, peer | | clap_sb, s | peer, s | wall: times as fast | CPU time |",
    "|---|---|---|---|---|---|",
)
MARKS = ("<!-- make bench -->\n", "<!-- end of make bench -->\n")


@dataclass
class Taken:
    """What each turn took, seconds, by who and what."""

    wall: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    cpu: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def turn(self, who: str, what: str, function: Callable[[], object]) -> None:
        """Calls a function, and keeps how long it took."""
        begun = time.perf_counter(), time.process_time()
        function()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.wall.setdefault((who, what), []).append(time.perf_counter() - begun[0])
        self.cpu.setdefault((who, what), []).append(time.process_time() - begun[1])

    def ratios(self, peer: str, what: str, times: dict) -> list[float]:
        """How many times as long the peer took, in each round."""
        pairs = zip(times[peer, what], times[Ours.package, what], strict=True)
        return [theirs / max(ours, 1e-9) for theirs, ours in pairs]


@dataclass
class Race:
    """What the contestants of one kind of weights are given.

    Arguments
    ---------
    kind : str
        ``LAION`` or ``MICROSOFT``.
    options : argparse.Namespace
        ``batch_size``, ``rounds``, ``small``, ``device``.
    folder : Path
        For weights and files.
    """

    kind: str
    options: argparse.Namespace
    folder: Path

    def __post_init__(self):
        rate, size = CLIPS[self.kind]
        count, random = self.options.batch_size, np.random.RandomState(0)
        wavs = 0.1 * random.standard_normal((count, size)).astype(np.float32)
        self.paths = [self.folder / f"{index}.wav" for index in range(count)]
        for path, wav in zip(self.paths, wavs, strict=True):
            soundfile.write(path, wav, rate, subtype="FLOAT")
        self.wavs = torch.from_numpy(wavs).to(self.options.device)
        self.tokens = self._tokens(random, count)
        write_weights(self.kind, self.options.small, self.folder)

    def _tokens(self, random: np.random.RandomState, count: int):
        """Captions as a batch has them, padded to the longest."""
        lengths = torch.tensor([CAPTION_TOKENS[i % 8] for i in range(count)])
        begin, end, pad = ([0], 2, 1) if self.kind == LAION else ([], 119, 0)
        ids = torch.full((count, int(lengths.max())), pad)
        mask = torch.zeros_like(ids)
        for row, length in enumerate(lengths.tolist()):
            words = random.randint(3, 110, length - len(begin) - 1).tolist()
            ids[row, :length] = torch.tensor([*begin, *words, end])
            mask[row, :length] = 1
        tokens = {"input_ids": ids, "attention_mask": mask}
        return {k: v.to(self.options.device) for k, v in tokens.items()}

    def given(self) -> tuple:
        """What a contestant is built from."""
        return self.kind, self.options.small, self.folder, self.options.device

    def autocast(self, variant: str):
        """What the variant computes in."""
        half = variant in ("bf16", "compiled")
        device = self.options.device.type
        return torch.autocast(device, torch.bfloat16) if half else nullcontext()

    def run(self, variant: str, contestants: Sequence[Contestant]) -> Taken:
        """Gives each its turn, some rounds long, after those to warm up."""
        if variant == "compiled":
            for one in contestants:
                one.compiled()
        torch.set_float32_matmul_precision("high" if variant == "tf32" else "highest")
        taken = Taken()
        for number in range(WARM_UP + self.options.rounds):
            record = Taken() if number < WARM_UP else taken
            for one in contestants:
                for what, call in self._calls(one, variant).items():
                    record.turn(one.package, what, call)
        return taken

    def _calls(self, one: Contestant, variant: str) -> dict[str, Callable]:
        def evaluated(function, given):
            def call():
                with torch.no_grad(), self.autocast(variant):
                    return function(given)

            return call

        given = (self.wavs, self.wavs, self.tokens, self.paths)
        functions = (one.front_end, one.audio, one.text, one.files)
        calls = dict(zip(EVAL, map(evaluated, functions, given), strict=True))
        autocast = self.autocast(variant)
        calls[TRAINING] = lambda: one.step(self.wavs, self.tokens, autocast)
        return calls

    @torch.no_grad()
    def check(self, contestants: Sequence[Contestant]) -> None:
        """Makes sure that all compute the same: else a ratio is of no use."""
        for name, given in (("audio", self.wavs), ("text", self.tokens)):
            ours, *theirs = [getattr(one, name)(given).float() for one in contestants]
            for one, found in zip(contestants[1:], theirs, strict=True):
                off = float((found - ours).abs().max())
                if not off < ALIKE:
                    raise RuntimeError(f"{one.package}'s {name} is off by {off:.2g}")


def alone(race: Race, name: str) -> dict[str, float]:
    """Loads a contestant in a process of its own: seconds, and its peaks, MB."""
    command = [sys.executable, str(Path(__file__).resolve()), "--alone", name]
    given = [race.kind, str(int(race.options.small)), str(race.folder)]
    given += [str(race.options.device), str(race.options.batch_size)]
    run = subprocess.run(
        [*command, *given, str(time.time())], check=True, capture_output=True, text=True
    )
    return json.loads(run.stdout.splitlines()[-1])


def _alone(name: str, kind: str, small: str, folder: str, device: str, *rest: str):
    count, begun = int(rest[0]), float(rest[1])
    one = load(name, kind, bool(int(small)), Path(folder), torch.device(device))
    seconds, peaks = time.time() - begun, []
    with torch.no_grad():
        one.files([Path(folder, f"{index}.wav") for index in range(count)])
    peaks.append(_peak(device))
    wavs = torch.zeros(count, CLIPS[kind][1], device=device)
    tokens = torch.full((count, max(CAPTION_TOKENS)), 5, device=device)
    tokens = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    one.step(wavs, tokens, nullcontext())
    peaks.append(_peak(device))
    figures = ("start and loading, s", "memory, files, MB", "memory, training step, MB")
    print(json.dumps(dict(zip(figures, (seconds, *peaks), strict=True))))


def _peak(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage tells begins with the parent's
        told = status.read_text().partition("VmHWM:")[2].split()
        return int(told[0]) / 2**10
    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def rows(variant: str, taken: Taken, peers: Sequence[str]) -> Iterator[str]:
    """Times, and ratios with their spread, of a variant."""
    for peer in peers:
        for what in (*EVAL, TRAINING):
            ours, theirs = (
                statistics.median(taken.wall[who, what]) for who in (Ours.package, peer)
            )
            ratios = (
                _spread(taken.ratios(peer, what, kind))
                for kind in (taken.wall, taken.cpu)
            )
            row = (f"{variant}, {peer}", what, f"{ours:.3f}", f"{theirs:.3f}")
            yield f"| {' | '.join((*row, *ratios))} |"


def _spread(ratios: Sequence[float]) -> str:
    middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
    return f"**{middle:.2f}** ({low:.2f} to {high:.2f})"


def share(variant: str, taken: Taken, flops: dict[str, float], limit: Limit) -> str:
    """How much of the limit each reaches in a training step."""
    most, on_cpu = limit.reached(variant), limit.device.type == "cpu"
    times = taken.cpu if on_cpu else taken.wall
    told = [
        f"{who} {count / statistics.median(times[who, TRAINING]) / most:.0%}"
        for who, count in flops.items()
    ]
    what = f"{most / 1e9:.0f} GFLOP/s{' a core' if on_cpu else ''}"
    return f"Of the {variant} limit, {what}, a step reaches: {', '.join(told)}."


def section(race: Race, limit: Limit) -> Iterator[str]:
    """Everything of one kind of weights, as lines of Markdown."""
    yield from ("", f"### {TITLES[race.kind]}", "")
    found = [peer for peer in PEERS[race.kind] if peer.version() is not None]
    absent = [peer.package for peer in PEERS[race.kind] if peer.version() is None]
    if absent:
        yield from (f"Not installed, and not here: {', '.join(absent)}.", "")
    contestants = [c(*race.given()) for c in (Ours, *found)]
    race.check(contestants)
    names = [one.package for one in contestants]
    flops = {
        one.package: training_flops(one, race.wavs, race.tokens) for one in contestants
    }
    yield from HEADER
    shares = []
    for variant in race.options.variants:
        taken = race.run(variant, contestants)
        yield from rows(variant, taken, names[1:])
        shares.append(share(variant, taken, flops, limit))
    clips = ", ".join(f"{k} {v / len(race.wavs) / 1e9:.0f}" for k, v in flops.items())
    yield from ("", f"Products of a training step, GFLOP a clip: {clips}.", *shares)
    del contestants
    yield from ("", f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|")
    figures = {name: alone(race, name) for name in names}
    for what in figures[Ours.package]:
        row = " | ".join(f"{figures[name][what]:.1f}" for name in names)
        yield f"| {what} | {row} |"


def write(lines: Sequence[str], path: Path) -> None:
    """Puts the lines between the marks of a file."""
    text = path.read_text(encoding="utf-8")
    if not all(mark in text for mark in MARKS):
        raise ValueError(f"{path} lacks the lines {MARKS}, between which it is written")
    before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
    body = "\n".join(lines)
    write_whole(path, f"{before}{MARKS[0]}{body}\n\n{MARKS[1]}{after}")


def report(options: argparse.Namespace) -> Iterator[str]:
    """Runs everything; what was measured, as lines of Markdown, as it is known."""
    load_before = os.getloadavg()[0]
    limit = Limit(options.device, options.small)
    for kind in options.models:
        with tempfile.TemporaryDirectory() as folder:
            yield from section(Race(kind, options, Path(folder)), limit)
    packages = {c for group in PEERS.values() for c in (Ours, *group)}
    yield from ("", "### Where", "", *machine(options, packages, load_before))
    yield from limit.told()


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the report, and writes it where it is to go."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments[:1] == ["--alone"]:
        return _alone(*arguments[1:])
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", type=torch.device, default=torch.device(device))
    parser.add_argument("--variants", nargs="+", help="all of the device's")
    parser.add_argument("--models", nargs="+", choices=[*PEERS], default=[*PEERS])
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="models for a test")
    parser.add_argument("--write", type=Path, help="a file with the section's marks")
    options = parser.parse_args(arguments)
    options.command = " ".join(["against_peers.py", *arguments])
    options.variants = options.variants or VARIANTS[options.device.type]
    lines = []
    for line in report(options):
        lines.append(line)
        print(line, flush=True)
    if options.write is not None:
        write(lines, options.write)


if __name__ == "__main__":
    main()
