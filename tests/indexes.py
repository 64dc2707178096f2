"""Folders of sounds and indexes over them, for several test modules."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import soundfile
import torch
from builders import CLIP_SAMPLES, SAMPLE_RATE

from clap_sb.inference import CLAP
from clap_sb.search.records import FileRecord, ModelFacts, NewSound
from clap_sb.search.scan import Stamp
from clap_sb.search.store import Store
from clap_sb.search.updating import Updater

WINDOW = CLIP_SAMPLES / SAMPLE_RATE


class Counting(CLAP):
    """A model that counts the windows that it embeds; the first one is its trial."""

    windows = 0
    tower_workers = 1  # adding is no single step

    def encode_heard(self, heard):
        self.windows += len(heard.first)
        return super().encode_heard(heard)

    def since(self) -> int:
        count, self.windows = self.windows, 0
        return count


def write_sound(path: Path, seed: int, seconds: float = 1.0) -> Path:
    """Noise in a band of its own, so that no two sounds are alike."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(round(seconds * SAMPLE_RATE), generator=generator)
    time = torch.arange(len(noise)) / SAMPLE_RATE
    tone = torch.sin(2 * torch.pi * (200 + 300 * seed) * time)
    soundfile.write(path, (0.02 * noise + 0.3 * tone).numpy(), SAMPLE_RATE)
    return path


def updater(out: Path, clap: CLAP, **options) -> Updater:
    return Updater(out, lambda checkpoint, tokenizer: clap, **options)


def in_eight_days(monkeypatch) -> None:
    """Puts the clock forward: what has long been lost is not kept for ever."""
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 8 * 24 * 3600)


def store_of(folder: Path, embeddings: list[np.ndarray]) -> Store:
    """An index of sounds that are no files, of windows of a second."""
    dim = embeddings[0].shape[1]
    facts = ModelFacts("f00d", "none", "model.pt", None, "", dim, 10, 10)
    store = Store.create(folder, facts)
    add_to(store, embeddings)
    return store


def add_to(store: Store, embeddings: list[np.ndarray]) -> None:
    known = len(store.known_sounds())
    names = [f"{place:06}" for place in range(known, known + len(embeddings))]
    sounds = [
        NewSound(name, 10 * len(rows), rows)
        for name, rows in zip(names, embeddings, strict=True)
    ]
    ids = store.add_sounds(sounds)
    store.set_files(
        {f"{os.sep}{n}.wav": FileRecord(Stamp(1, 1), ids[n]) for n in names}
    )


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)
