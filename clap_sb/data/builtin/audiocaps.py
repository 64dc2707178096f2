"""The built-in set in the layout of AudioCaps (Kim et al., NAACL 2019)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from clap_sb.data.builtin.event_captions import write_captions
from clap_sb.data.builtin.events import ATTRIBUTES
from clap_sb.data.builtin.pcm import write_pcm
from clap_sb.data.builtin.scenes import Scene, draw_pairs, draw_scenes, render_scene
from clap_sb.data.builtin.stamp import write_once

# Number of the split within seeds, and last letter of its clips' ids.
_SPLITS = {"train": (1, "a"), "val": (2, "b"), "test": (3, "c")}

# Share of the training captions that name the bare kinds and no trait.
_BARE_SHARE = 0.25

_CAPTIONS_OF_EVALUATION = 5


def write_audiocaps(
    folder: str | Path, num_train: int, num_valid: int, num_test: int, seed: int
) -> Path:
    """Write captioned clips in AudioCaps' layout.

    `dataset/{train,val,test}.csv` with the columns audiocap_id, youtube_id, start_time
    and caption, and `audio/<split>/<youtube_id>.wav`: one caption a training clip, five
    for each other clip, on as many rows. Two fifths of the test clips form pairs that
    differ in one attribute only; `dataset/attribute_pairs.csv` (youtube_id, caption,
    foil, attribute) gives for each a right caption and the same sentence with the
    opposite word.

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
    ...     folder = write_audiocaps(place, 2, 1, 5, seed=0)
    ...     print(*sorted(path.name for path in folder.glob("audio/t*/*")))
    ...     print((folder / "dataset/train.csv").read_text().splitlines()[0])
    syn0000000a.wav syn0000000c.wav syn0000001a.wav syn0000001c.wav syn0000002c.wav \
syn0000003c.wav syn0000004c.wav
    audiocap_id,youtube_id,start_time,caption
    """
    counts = {"train": num_train, "val": num_valid, "test": num_test}
    if min(seed, *counts.values()) < 0:
        raise ValueError(f"Negative clip count or seed: {counts}, seed {seed}.")
    settings = {"layout": "AudioCaps", "clips": sum(counts.values()), "seed": seed}

    def write(folder: Path) -> None:
        (folder / "dataset").mkdir()
        for split, count in counts.items():
            number, _ = _SPLITS[split]
            pairs = draw_pairs(seed, number, count // 5 if split == "test" else 0)
            known = tuple(scene for pair in pairs for scene in pair)
            scenes = [*known, *draw_scenes(seed, number, count - len(known), known)]
            _write_split(folder, split, scenes)
            if split == "test":
                _write_pairs(folder / "dataset" / "attribute_pairs.csv", pairs)

    return write_once(folder, {**settings, **counts}, write)


def _clip_id(split: str, index: int) -> str:
    """Eleven characters, as YouTube's ids have."""
    return f"syn{index:07d}{_SPLITS[split][1]}"


def _captions(scene: Scene, count: int, bare: bool = False) -> tuple[str, ...]:
    """The clip's captions, or the first few of them."""
    rng = np.random.default_rng([*scene.seed, 4])
    events = [replace(event, traits=()) if bare else event for event in scene.events]
    return write_captions(rng, events, scene.relation, count)


def _write_split(folder: Path, split: str, scenes: Sequence[Scene]) -> None:
    """Write a split's clips and its list of captions."""
    audio = folder / "audio" / split
    audio.mkdir(parents=True)
    rows = []
    for index, scene in enumerate(scenes):
        clip = _clip_id(split, index)
        write_pcm(audio / f"{clip}.wav", render_scene(scene))
        start, bare = np.random.default_rng([*scene.seed, 5]).random(2)
        if split == "train":
            captions = _captions(scene, 1, bare=bare < _BARE_SHARE)
        else:
            captions = _captions(scene, _CAPTIONS_OF_EVALUATION)
        rows += [(clip, 10 * int(30 * start), caption) for caption in captions]
    first = 10_000_000 * _SPLITS[split][0]
    _write_csv(
        folder / "dataset" / f"{split}.csv",
        ("audiocap_id", "youtube_id", "start_time", "caption"),
        ((first + number, *row) for number, row in enumerate(rows)),
    )


def _write_pairs(path: Path, pairs: Sequence[tuple[Scene, Scene]]) -> None:
    """List the test clips that differ in one attribute only."""
    rows = []
    for number, (left, right) in enumerate(pairs):
        (trait,) = set(left.events[0].traits) - set(right.events[0].traits)
        attribute = next(name for name in ATTRIBUTES if trait in ATTRIBUTES[name])
        for place, (scene, other) in enumerate(((left, right), (right, left))):
            (caption,), (foil,) = _captions(scene, 1), _captions(other, 1)
            rows.append(
                (_clip_id("test", 2 * number + place), caption, foil, attribute)
            )
    _write_csv(path, ("youtube_id", "caption", "foil", "attribute"), rows)


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a table with the same line ends on every system."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
