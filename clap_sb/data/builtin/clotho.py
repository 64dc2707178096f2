"""The built-in set in the layout of Clotho (Drossos et al., ICASSP 2020)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clap_sb.data.builtin.event_captions import write_captions
from clap_sb.data.builtin.pcm import write_pcm
from clap_sb.data.builtin.scenes import Scene, draw_scenes, render_scene
from clap_sb.data.builtin.stamp import write_once

# Number of each split within seeds, after those of the other layouts.
_SPLITS = {"development": 5, "validation": 6, "evaluation": 7}

_CAPTIONS_A_CLIP = 5


def write_clotho(
    folder: str | Path, num_train: int, num_valid: int, num_test: int, seed: int
) -> Path:
    """Write captioned clips in Clotho's layout.

    `meta/clotho_captions_<split>.csv` with the columns file_name and caption_1 to
    caption_5, `meta/clotho_metadata_<split>.csv` with file_name, keywords and sound_id,
    and `audio/<split>/<file_name>`, for the splits development, validation and
    evaluation. Unlike Clotho's the clips are short, as all built-in ones are.

    Arguments
    ---------
    folder : str | Path
        Where the set goes; empty, new, or one that holds a built-in set. If it holds
        this very set, nothing is done.
    num_train, num_valid, num_test : int
        Clips of each split.
    seed : int
        Everything is drawn from it; not negative.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If the folder holds files that are not a built-in set.
    ValueError
        If a count or the seed is negative.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     folder = write_clotho(place, 2, 1, 1, seed=0)
    ...     print(*sorted(path.name for path in folder.glob("audio/dev*/*")))
    ...     lists = folder / "meta"
    ...     print((lists / "clotho_captions_evaluation.csv").read_text().split()[0])
    syn development 0.wav syn development 1.wav
    file_name,caption_1,caption_2,caption_3,caption_4,caption_5
    """
    counts = dict(zip(_SPLITS, (num_train, num_valid, num_test), strict=True))
    if min(seed, *counts.values()) < 0:
        raise ValueError(f"Negative clip count or seed: {counts}, seed {seed}.")
    settings = {"layout": "Clotho", "clips": sum(counts.values()), "seed": seed}

    def write(folder: Path) -> None:
        (folder / "meta").mkdir()
        for split, count in counts.items():
            _write_split(folder, split, draw_scenes(seed, _SPLITS[split], count))

    return write_once(folder, {**settings, **counts}, write)


def _write_split(folder: Path, split: str, scenes: Sequence[Scene]) -> None:
    """Write a split's clips and its two lists."""
    audio = folder / "audio" / split
    audio.mkdir(parents=True)
    captions, metadata = [], []
    for index, scene in enumerate(scenes):
        name = f"syn {split} {index}.wav"
        write_pcm(audio / name, render_scene(scene))
        rng = np.random.default_rng([*scene.seed, 4])
        told = write_captions(rng, scene.events, scene.relation, _CAPTIONS_A_CLIP)
        captions.append((name, *told))
        kinds = ";".join(event.kind.replace("_", " ") for event in scene.events)
        metadata.append((name, kinds, "Not found"))
    numbered = (f"caption_{number + 1}" for number in range(_CAPTIONS_A_CLIP))
    lists = {
        "captions": [("file_name", *numbered), *captions],
        "metadata": [("file_name", "keywords", "sound_id"), *metadata],
    }
    for name, rows in lists.items():
        path = folder / "meta" / f"clotho_{name}_{split}.csv"
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
