"""Embeds the recordings of a folder with clap_sb and with transformers, in turn.

    python benchmarks/embed_folder.py FOLDER

LAION's HTSAT-tiny with its RoBERTa at full size, the same weights in both: drawn at
random, so large that all of them matter. Each is a process of its own, which loads its
model, and then embeds the folder whenever its turn comes. transformers is given what
librosa reads at 48 kHz (`make parity` installs it), in batches. `start` is from the
beginning of the process to the model's being there. Embeddings are compared first;
each reads and fills up clips in its own way.
"""

from __future__ import annotations

import clap_sb  # noqa: F401  (before torch: how its threads wait)

# isort: split
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from contestants import (
    FOR_TRANSFORMERS,
    LAION,
    WEIGHTS,
    Ours,
    Transformers,
    write_weights,
)
from machine import machine

ALIKE = 0.999
OURS, PEER = Ours.package, Transformers.package


def load_ours(folder: Path, batch_size: int) -> Callable[[list[str]], torch.Tensor]:
    """What embeds files with clap_sb."""
    from clap_sb.inference import CLAP

    clap = CLAP.from_checkpoint(folder / WEIGHTS)
    return lambda paths: clap.embed_files(paths, batch_size)


def load_peer(folder: Path, batch_size: int) -> Callable[[list[str]], torch.Tensor]:
    """What embeds files with librosa and transformers, as its documentation does."""
    import librosa
    from transformers import ClapFeatureExtractor, ClapModel

    model = ClapModel.from_pretrained(folder / FOR_TRANSFORMERS)
    extractor = ClapFeatureExtractor.from_pretrained(folder / FOR_TRANSFORMERS)
    rate = extractor.sampling_rate

    def embed(paths: list[str]) -> torch.Tensor:
        rows = []
        for start in range(0, len(paths), batch_size):
            batch = paths[start : start + batch_size]
            wavs = [librosa.load(path, sr=rate)[0] for path in batch]
            heard = extractor(wavs, sampling_rate=rate, return_tensors="pt")
            rows.append(model.get_audio_features(**heard).pooler_output)
        return torch.cat(rows)

    return embed


@torch.no_grad()
def take_turns(name: str, folder: Path, batch_size: int, paths: list[str]) -> None:
    """Of a process of its own: loads, and embeds the folder for each line sent."""
    load = load_ours if name == OURS else load_peer
    embed = load(folder, batch_size)
    embed(paths[:1])
    print("ready", flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        embeddings = embed(paths)
        taken = time.perf_counter() - begun
        torch.save(embeddings, line.strip())
        print(taken, flush=True)


class Process:
    """One of the two, and what it has taken, seconds."""

    def __init__(
        self, name: str, folder: Path, batch_size: int, sounds: Path, most: int | None
    ):
        self.kept, self.taken = folder / f"{name}.pt", []
        words = [sys.executable, str(Path(__file__).resolve()), str(sounds)]
        words += ["--alone", name, str(folder), "--batch_size", str(batch_size)]
        words += [] if most is None else ["--most", str(most)]
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._line()
        self.start = time.perf_counter() - begun

    def turn(self) -> torch.Tensor:
        """Has it embed the folder once, and gives the embeddings."""
        self.process.stdin.write(f"{self.kept}\n")
        self.process.stdin.flush()
        self.taken.append(float(self._line()))
        return torch.load(self.kept)

    def end(self) -> None:
        """Sends it home."""
        self.process.communicate()

    def _line(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a process has failed: see above")
        return line


def report(options: argparse.Namespace, folder: Path, count: int) -> None:
    """Lets both take turns, and prints what came of it."""
    given = (folder, options.batch_size, options.sounds, options.most)
    both = {name: Process(name, *given) for name in (OURS, PEER)}
    for _ in range(options.rounds):
        ours, theirs = (one.turn() for one in both.values())
    for one in both.values():
        one.end()
    least = float(F.cosine_similarity(ours, theirs).min())
    if not least > ALIKE:
        raise SystemExit(f"the embeddings are not alike: a cosine of {least:.4f}")
    print(f"{count} recordings, least cosine of both {least:.6f}")
    print("| | start, s | the folder, s | ms a recording |")
    print("|---|---|---|---|")
    for name, one in both.items():
        middle = statistics.median(one.taken)
        told = (
            name,
            f"{one.start:.1f}",
            f"{middle:.1f}",
            f"{1e3 * middle / count:.0f}",
        )
        print(f"| {' | '.join(told)} |")
    pairs = zip(both[PEER].taken, both[OURS].taken, strict=True)
    ratios = [theirs / ours for theirs, ours in pairs]
    print(f"times as fast, round by round: {', '.join(f'{r:.2f}' for r in ratios)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sounds", type=Path, help="a folder of sound files")
    parser.add_argument("--most", type=int, help="sounds that are taken; else all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--small", action="store_true", help="models for a test")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = parser.parse_args(arguments)
    options.command = " ".join(["embed_folder.py", *arguments])
    options.device = torch.device("cpu")
    paths = sorted(str(path) for path in options.sounds.rglob("*") if path.is_file())
    paths = paths[: options.most]
    if options.alone:
        name, folder = options.alone
        return take_turns(name, Path(folder), options.batch_size, paths)
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        write_weights(LAION, options.small, folder)
        report(options, folder, len(paths))
    print(*machine(options, (Ours, Transformers), load_before), sep="\n")


if __name__ == "__main__":
    main()
