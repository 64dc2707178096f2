"""A long training of the smallest model: memory, open files and threads stay flat.

    python tests/faults/soak.py --steps 20000

Sounds are read, and validations and checkpoints, within epochs and at their ends, pass
as in any training; in the end some epochs more, with a reading process each.
"""

from __future__ import annotations

import argparse
import functools
import gc
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import soundfile
import torch
from test_brain import loader_options, make_brain, pairs

from clap_sb.brain import CLAPBrain
from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WholeClipDataset, WindowCollate
from clap_sb.model import CLAP
from clap_sb.objectives.logit_scale import LogitScale

_STEPS_AN_EPOCH = 50
_BATCH, _RATE, _SAMPLES, _DIM = 2, 8000, 2000, 8
_MOST_MEGABYTES = 8.0  # that a training may have grown by, after its first fifth
_WORKER_EPOCHS = 20


class Ears(torch.nn.Module):
    """The smallest audio tower, with batch norm, whose buffers change in each step."""

    sample_rate, clip_samples, embedding_dim = _RATE, _SAMPLES, _DIM
    takes_whole_clips = False

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(_SAMPLES, _DIM)
        self.norm = torch.nn.BatchNorm1d(_DIM)

    def forward(self, wavs, wav_lens):
        missing = _SAMPLES - wavs.shape[1]
        return self.norm(self.layer(torch.nn.functional.pad(wavs, (0, missing))))


class Words(torch.nn.Module):
    """The smallest text tower: a mean over the letters."""

    embedding_dim = _DIM

    def __init__(self):
        super().__init__()
        self.letters = torch.nn.EmbeddingBag(256, _DIM)

    def tokenize(self, captions):
        rows = [list(caption.encode()[:16].ljust(16)) for caption in captions]
        return {"input_ids": torch.tensor(rows)}

    def forward(self, captions):
        tokens = captions if isinstance(captions, dict) else self.tokenize(captions)
        return self.letters(tokens["input_ids"])


@dataclass(frozen=True)
class Sample:
    """What a process holds at the end of an epoch."""

    megabytes: float
    files: int
    threads: int

    @classmethod
    def of_now(cls) -> Sample:
        """Of this process; what merely waits to be collected does not count."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
        size = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        return cls(
            size, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        )


class Sampling(CLAPBrain):
    """Takes a sample after each epoch."""

    def _finish_epoch(self, epoch, valid):
        super()._finish_epoch(epoch, valid)
        self.samples.append(Sample.of_now())


def soak(
    folder: Path,
    epochs: int,
    workers: int = 0,
    brain_class: type = Sampling,
    steps: int = _STEPS_AN_EPOCH,
) -> list[Sample]:
    """Trains, with a validation and two checkpoints in each epoch.

    Arguments
    ---------
    folder : Path
        Empty.
    epochs : int
        Epochs.
    workers : int
        Reading processes, new ones in each epoch.
    brain_class : type
        How it is trained.
    steps : int
        Steps an epoch.

    Returns
    -------
    list of Sample
        One an epoch.
    """
    clips, draw = [], np.random.default_rng(0)
    for place in range(steps * _BATCH):
        path = folder / f"{place}.wav"
        soundfile.write(path, 0.1 * draw.normal(size=_SAMPLES), _RATE)
        clips.append(Clip(str(place), str(path), _SAMPLES / _RATE, (f"sound {place}",)))
    torch.manual_seed(0)
    heads = [torch.nn.Linear(_DIM, _DIM) for _ in range(2)]
    brain = make_brain(
        CLAP(Ears(), Words(), *heads, LogitScale()),
        folder,
        functools.partial(torch.optim.AdamW),
        {"ckpt_interval_steps": steps // 2 + 1},
        epochs,
        brain_class,
        **dict.fromkeys(("lr", "audio_lr", "text_lr"), 0.001),
    )
    brain.samples = []
    gc.freeze()  # what is there before need not be looked through each time
    brain.fit(
        brain.hparams.epoch_counter,
        pairs(brain, clips),
        WholeClipDataset(clips[:10], _RATE),
        train_loader_kwargs=loader_options(
            brain, batch_size=_BATCH, num_workers=workers
        ),
        valid_loader_kwargs={"batch_size": 4, "collate_fn": WindowCollate(_SAMPLES)},
    )
    assert brain.optimizer_step == epochs * steps
    return brain.samples


def growth(samples: Sequence[Sample]) -> tuple[float, int, int]:
    """What the last fifth of a training holds more than the second one.

    Arguments
    ---------
    samples : sequence of Sample
        One an epoch.

    Returns
    -------
    megabytes : float
    files : int
    threads : int

    Raises
    ------
    AssertionError
        If it is more than 8 MB, or any file or thread.
    """
    fifth = len(samples) // 5
    begin, end = samples[fifth : 2 * fifth], samples[-fifth:]
    megabytes = median(s.megabytes for s in end) - median(s.megabytes for s in begin)
    files = max(s.files for s in end) - max(s.files for s in begin)
    threads = max(s.threads for s in end) - max(s.threads for s in begin)
    found = f"{megabytes:.1f} MB, {files} open files and {threads} threads more"
    assert megabytes <= _MOST_MEGABYTES and files <= 0 and threads <= 0, found
    return megabytes, files, threads


def main() -> None:
    """Prints a line a training; an assertion ends it where something grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20000)
    epochs = parser.parse_args().steps // _STEPS_AN_EPOCH
    logging.disable(logging.INFO)  # three lines a checkpoint
    for workers, count in ((0, epochs), (1, _WORKER_EPOCHS)):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            samples = soak(Path(folder), count, workers)
        megabytes, files, threads = growth(samples)
        print(
            f"{count * _STEPS_AN_EPOCH} steps, {count} epochs, {workers} workers: "
            f"{samples[-1].megabytes:.0f} MB, {samples[-1].files} open files, "
            f"{samples[-1].threads} threads; grown by {megabytes:.1f} MB, {files} and "
            f"{threads}, {time.monotonic() - begin:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
