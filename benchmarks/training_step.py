"""Measures one training step of some systems, part by part, on this machine.

> python benchmarks/training_step.py hparams/demo.yaml --variants fp32 bf16

Milliseconds, each the median over some steps of one batch of the built-in set: reading
(with resampling and tokenizing, in the main process), front end, audio tower and text
tower (each with its projection), backward (with the loss), optimizer (with clipping).
Text towers start from random weights, so nothing is fetched. The variant `compile`
compiles the audio tower, and needs a compiler.
"""

from __future__ import annotations

import clap_sb  # noqa: F401  (before torch: how its threads wait)

# isort: split
import argparse
import csv
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import clap_sb.experiment  # noqa: F401  (takes memory as a recipe does)
from clap_sb.clips import num_samples
from clap_sb.config import Config, join
from clap_sb.data.builtin import write_audiocaps
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import PairBatch, PairCollate, PairDataset
from clap_sb.experiment.command_line import set_threads
from clap_sb.training.optimization import parameter_groups
from clap_sb.training.text_start import settle_text_tower

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
FILES = [
    RECIPES / "common.yaml",
    RECIPES / "training.yaml",
    RECIPES / "captions.yaml",
    RECIPES / "retrieval.yaml",
    RECIPES / "AudioCaps" / "recipe.yaml",
]
VARIANTS = ("fp32", "bf16", "compile")
PARTS = ("reading", "front end", "audio", "text", "backward", "optimizer")


class Stopwatch:
    """Adds up what each part takes; on a GPU it waits for the part to be done."""

    def __init__(self, device: torch.device):
        self.device = device
        self.taken: dict[str, list[float]] = defaultdict(list)

    def __call__(self, part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function, and keeps how many milliseconds it took."""
        start = time.perf_counter()
        result = function(*arguments)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.taken[part].append(1000 * (time.perf_counter() - start))
        return result


def builtin_clips(folder: Path, count: int) -> list[Clip]:
    """Training clips of the built-in set, five seconds each."""
    data = write_audiocaps(folder, count, 0, 0, seed=0)
    with open(data / "dataset" / "train.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    audio = data / "audio" / "train"
    return [
        Clip(name, str(audio / f"{name}.wav"), 5.0, (row["caption"],))
        for row in rows
        if (name := row["youtube_id"])
    ]


class Step:
    """A training step of a system, in parts.

    Arguments
    ---------
    hparams : mapping
        Built settings.
    clips : sequence of Clip
        The clips of the batch.
    variant : str
        One of ``VARIANTS``.
    device : torch.device
        Where the model goes.
    """

    def __init__(
        self,
        hparams: Mapping[str, Any],
        clips: Sequence[Clip],
        variant: str,
        device: torch.device,
    ):
        self.clap = clap = hparams["clap"].to(device).train()
        self.objective, self.device = hparams["objective"].to(device), device
        self.autocasts = variant == "bf16"
        embed = clap.audio_encoder.embed_log_mel
        self.embed = torch.compile(embed) if variant == "compile" else embed
        rates = dict.fromkeys(("lr", "audio_lr", "text_lr"), 1e-4)
        self.optimizer = hparams["opt_class"](
            parameter_groups(clap, **rates, weight_decay=0.01, objective=self.objective)
        )
        self.collate = PairCollate(clap.text_encoder.tokenize)
        self.dataset = PairDataset(
            clips,
            clap.sample_rate,
            clap.clip_samples,
            seed=0,
            whole_clips=clap.takes_whole_clips,
        )

    def __call__(self, watch: Stopwatch, epoch: int) -> None:
        """Goes through a step."""
        clap = self.clap
        batch = watch("reading", self._read, epoch).to(self.device)
        lengths = num_samples(batch.wavs, batch.wav_lens)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocasts):
            views = watch("front end", clap.audio_encoder.views, batch.wavs, lengths)
            audio = watch("audio", self._audio, *views)
            text = watch("text", clap.encode_text, batch.tokens)
        watch("backward", self._backward, audio, text, batch)
        watch("optimizer", self._update)

    def _read(self, epoch: int) -> PairBatch:
        keys = [(epoch, index) for index in range(len(self.dataset))]
        return self.collate([self.dataset[key] for key in keys])

    def _audio(self, log_mel: torch.Tensor, longer: torch.Tensor | None):
        embedding = self.clap.audio_projection(self.embed(log_mel, longer))
        return F.normalize(embedding.float(), dim=-1)

    def _backward(self, audio: torch.Tensor, text: torch.Tensor, batch: PairBatch):
        scale, keys = self.clap.logit_scale, (batch.clip_keys, batch.caption_keys)
        self.objective(audio, text, scale, *keys).backward()

    def _update(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.clap.parameters(), 5.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def measure(
    hparams: Mapping[str, Any],
    clips: Sequence[Clip],
    variant: str,
    steps: int,
    device: torch.device,
) -> dict[str, float]:
    """Median milliseconds of each part of a step, after one to warm up."""
    watch, step = Stopwatch(device), Step(hparams, clips, variant, device)
    for epoch in range(steps + 1):
        step(watch, epoch)
    return {part: statistics.median(watch.taken[part][1:]) for part in PARTS}


def settings(system: Path, clips: Sequence[Clip], folder: Path) -> Config:
    """A system's settings, with a text tower from random weights."""
    config = join([*FILES, system], "").updated({"pretrained_text": False})
    captions = [clip.captions[0] for clip in clips]
    return settle_text_tower(config, captions, folder / f"text_{system.stem}")[0]


def main() -> None:
    """Prints a row for each system and variant."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="+", type=Path, help="YAML files")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["fp32"])
    parser.add_argument("--batch_size", type=int, help="the system's unless given")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    options = parser.parse_args()
    header = ("system", "variant", "batch", *PARTS, "step", "clips/s", "speed")
    print(" | ".join(header))
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        for path in options.systems:
            size = options.batch_size or join([*FILES, path], "").values()["batch_size"]
            clips = builtin_clips(Path(folder, f"data_{size}"), size)
            config, first = settings(path, clips, Path(folder)), None
            torch.set_num_threads(threads)
            set_threads(config)
            for variant in options.variants:
                taken = measure(
                    config.build(), clips, variant, options.steps, options.device
                )
                total = sum(taken.values())
                first = first or total
                figures = [*(f"{taken[part]:.0f}" for part in PARTS), f"{total:.0f}"]
                speed = (f"{1000 * size / total:.1f}", f"{first / total:.2f}")
                row = (path.stem, variant, str(size), *figures, *speed)
                print(" | ".join(row), flush=True)


if __name__ == "__main__":
    main()
