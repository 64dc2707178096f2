"""Measures what cache_frozen is worth where both towers are frozen, on this machine.

> python benchmarks/cache_frozen.py hparams/demo.yaml --data_folder ESC-10

Trains the projections of a system, without the cache and with it in turn, each time
from the same weights: on some clips of a folder in ESC-50's layout, or on the built-in
set. The seconds are those of `fit`: reading and checkpoints are in them, validation is
not. With the cache, all clips and captions are embedded in them, too; `kept` is a run
that finds this done, in the folder of another. The towers have random weights, so
nothing is fetched.
"""

from __future__ import annotations

import clap_sb  # noqa: F401  (before torch: how its threads wait)

# isort: split
import argparse
import csv
import statistics
import tempfile
import time
from pathlib import Path

import torch

import clap_sb.experiment  # noqa: F401  (takes memory as a recipe does)
from clap_sb.config import Config, join
from clap_sb.data.audio import probe
from clap_sb.data.builtin import write_esc50
from clap_sb.data.manifest import Clip
from clap_sb.experiment.command_line import set_threads
from clap_sb.training.loaders import dataio_prep
from clap_sb.training.text_start import settle_text_tower

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
FILES = [
    RECIPES / "common.yaml",
    RECIPES / "training.yaml",
    RECIPES / "captions.yaml",
    RECIPES / "AudioCaps" / "recipe.yaml",
]
KINDS = ("without", "with", "kept")


def main() -> None:
    """Trains in turn, and prints seconds, their ratios and how far weights differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("system")
    parser.add_argument("--data_folder", type=Path)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch_size", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = clips_of(asked.data_folder or write_esc50(folder / "data", 20, 1))
        clips = clips[:: max(1, len(clips) // asked.clips)][: asked.clips]
        settled = settled_config(asked, clips, folder)
        measure(settled, clips, asked.rounds, folder)


def clips_of(folder: Path) -> list[Clip]:
    """Clips with a caption made of the name of their class."""
    with open(folder / "meta" / "esc50.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    clips = []
    for row in rows:
        path = (folder / "audio" / row["filename"]).resolve()
        caption = f"the sound of {row['category'].replace('_', ' ')}"
        told = (caption, f"{caption}, recording {row['src_file']}")
        clips.append(Clip(path.stem, str(path), probe(path).duration, told))
    return clips


def settled_config(
    asked: argparse.Namespace, clips: list[Clip], folder: Path
) -> Config:
    """A system with random weights, both towers of which are frozen."""
    settings = {
        "number_of_epochs": asked.epochs,
        "batch_size": asked.batch_size,
        "warmup_steps": 5,
        "best_metric": "epoch",
        "pretrained_text": False,
        "data_folder": "builtin",
        "num_threads": asked.threads,
    }
    config = join([*FILES, Path(asked.system)]).updated(settings)
    captions = [caption for clip in clips for caption in clip.captions]
    config, _ = settle_text_tower(config, captions, folder / "text")
    set_threads(config)
    return config.updated({"freeze_audio": True, "freeze_text": True})


def measure(config: Config, clips: list[Clip], rounds: int, folder: Path) -> None:
    """Prints a line a training, and what comes of them."""
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    ends = {}
    for place in range(rounds):
        for kind in KINDS:
            run = folder / f"{place} {kind}"
            kept = folder / f"{place} {'without' if kind == 'without' else 'with'}"
            settings = {
                "output_folder": str(run),
                "frozen_folder": str(kept / "frozen"),
                "cache_frozen": kind != "without",
            }
            taken, ends[kind] = train(config.updated(settings), clips)
            seconds[kind].append(taken)
            print(f"{kind:>8}: {taken:.2f} s", flush=True)
    plain = statistics.median(seconds["without"])
    for kind in KINDS[1:]:
        ratio = plain / statistics.median(seconds[kind])
        apart = max(
            float((ends[kind][name] - value).abs().max())
            for name, value in ends["without"].items()
        )
        print(f"{kind} cache: {ratio:.1f} times as fast; weights differ by {apart:.1e}")


def train(config: Config, clips: list[Clip]) -> tuple[float, dict[str, torch.Tensor]]:
    """Seconds that training took, and the weights that it ended with."""
    torch.manual_seed(1)
    hparams = config.build()
    sets = dataio_prep(hparams, {"train": clips})
    brain = hparams["brain_class"](
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts={"device": "cpu", "noprogressbar": True},
        checkpointer=hparams["checkpointer"],
    )
    start = time.perf_counter()
    brain.fit(
        hparams["epoch_counter"],
        sets["train"],
        train_loader_kwargs=hparams["train_dataloader_opts"],
    )
    taken = time.perf_counter() - start
    state = hparams["clap"].state_dict()
    return taken, {name: value.double().clone() for name, value in state.items()}


if __name__ == "__main__":
    main()
