"""A model with random weights, and an index of as many sounds as are asked for."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import soundfile
import torch

from clap_sb.checkpoints.run_folder import MODEL_FILE, PARTS, SAVE_FOLDER, TEXT_FOLDER
from clap_sb.cli import main as clap_sb
from clap_sb.config import join
from clap_sb.data.builtin import write_audiocaps
from clap_sb.search import SearchIndex
from clap_sb.search.records import FileRecord, NewSound
from clap_sb.search.scan import Stamp
from clap_sb.training.text_start import settle_text_tower

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
FILES = [
    RECIPES / "common.yaml",
    RECIPES / "training.yaml",
    RECIPES / "captions.yaml",
    RECIPES / "retrieval.yaml",
    RECIPES / "AudioCaps" / "recipe.yaml",
    ROOT / "hparams" / "demo.yaml",
]
CAPTIONS = ("a dog barks", "rain falls on a roof", "a siren wails in the distance")
FACTS = "trained_on: nothing\ntext_tower_origin: random weights\nbest_metric: epoch\n"
BUILT_IN = 200
NOISE = 0.3
AT_ONCE = 1000


def write_model(folder: Path) -> Path:
    """Writes what a training run of the demo leaves, with random weights."""
    config = join(FILES, "").updated({"pretrained_text": False})
    config, _ = settle_text_tower(config, CAPTIONS, folder / TEXT_FOLDER)
    text = config.extract(("system", *PARTS, "clap"))
    (folder / MODEL_FILE).write_text(text + FACTS, encoding="utf-8")
    checkpoint = folder / SAVE_FOLDER / "CKPT+1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "CKPT.yaml").write_text("unixtime: 1\nepoch: 1\n", encoding="utf-8")
    built = config.build()
    for name in PARTS:
        torch.save(built[name].state_dict(), checkpoint / f"{name}.ckpt")
    return folder


def write_index(folder: Path, checkpoint: str | None, num_sounds: int) -> Path:
    """An index of built-in sounds and of others that are much like them."""
    data = write_audiocaps(folder / "data", min(BUILT_IN, num_sounds), 0, 0, seed=0)
    sounds, out = data / "audio" / "train", folder / "sounds.index"
    checkpoint = checkpoint or str(write_model(folder / "model"))
    words = ["index", str(sounds), "--checkpoint", checkpoint, "--out", str(out)]
    if clap_sb(words):
        raise SystemExit("there is no index to be asked")
    index, links = SearchIndex(out), folder / "links"
    index.store.set_fact("folders", [str(sounds), str(links)])
    generator = np.random.default_rng(0)
    for begin in range(index.num_sounds, num_sounds, AT_ONCE):
        places = range(begin, min(begin + AT_ONCE, num_sounds))
        add_links(index, links / f"{begin // AT_ONCE:03}", places, generator)
    return out


def write_short_sounds(folder: Path, num_sounds: int) -> Path:
    """Writes sounds of a tenth of a second, none like another, to be indexed."""
    generator = np.random.default_rng(0)
    for begin in range(0, num_sounds, AT_ONCE):
        part = folder / f"{begin // AT_ONCE:03}"
        part.mkdir(parents=True)
        for place in range(begin, min(begin + AT_ONCE, num_sounds)):
            wav = 0.1 * generator.standard_normal(800)
            soundfile.write(part / f"{place:06}.wav", wav, 8000)
    return folder


def add_links(
    index: SearchIndex, folder: Path, places: range, generator: np.random.Generator
) -> None:
    """Adds sounds that are hard links to those of the index."""
    folder.mkdir(parents=True)
    new, paths = [], {}
    for place in places:
        sound = int(index.sounds[place % index.num_sounds])
        source = next(iter(index.store.files_of(sound)))
        paths[f"{place:064}"] = path = str(folder / f"{place:06} {Path(source).name}")
        os.link(source, path)
        rows = np.array([row for row, *_ in index.windows_of(sound)])
        vectors = index.embeddings(rows)
        noise = generator.standard_normal(vectors.shape, dtype=np.float32)
        vectors = vectors + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        duration = index.hit(sound, 0).duration
        samples = round(duration * index.model.sample_rate)
        header = index.store.headers.of(sound)
        new.append(NewSound(f"{place:064}", samples, vectors, header=header))
    ids = index.store.add_sounds(new)
    index.store.set_files(
        {path: FileRecord(Stamp.of(path), ids[name]) for name, path in paths.items()}
    )
