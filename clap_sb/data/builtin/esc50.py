"""Labelled events in the layout of ESC-50 (Piczak, ACM Multimedia 2015)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from clap_sb.data.builtin.events import LABELS, draw_event
from clap_sb.data.builtin.pcm import write_pcm
from clap_sb.data.builtin.scenes import Scene, render_scene
from clap_sb.data.builtin.stamp import write_once

_NUM_FOLDS = 5

# Number of this set within seeds, after AudioCaps' three splits.
_SPLIT = 4

_COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


def write_esc50(folder: str | Path, clips_per_class: int, seed: int) -> Path:
    """Write single events, labelled with their kind, in ESC-50's layout.

    `meta/esc50.csv` with the columns filename, fold, target, category, esc10, src_file
    and take, and `audio/{fold}-{src_file}-A-{target}.wav`. The classes are `LABELS`,
    each with up to two traits a clip; the five folds are filled in turn.

    Arguments
    ---------
    folder : str | Path
        Where the set goes; empty, new, or one that holds a built-in set. If it holds
        this very set, nothing is done.
    clips_per_class : int
        Clips of each class.
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
        If the number of clips or the seed is negative.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     folder = write_esc50(place, 1, seed=0)
    ...     table = (folder / "meta/esc50.csv").read_text().splitlines()
    ...     len(table) - 1 == len(list(folder.glob("audio/*.wav"))) == len(LABELS)
    True
    >>> table[1]
    '1-100000-A-0.wav,1,0,tone,False,100000,A'
    """
    if min(clips_per_class, seed) < 0:
        raise ValueError(
            f"Negative clip count or seed: {clips_per_class} clips, seed {seed}."
        )
    clips = clips_per_class * len(LABELS)
    settings = {"layout": "ESC-50", "clips": clips, "seed": seed}
    return write_once(folder, settings, lambda place: _write(place, clips, seed))


def _write(folder: Path, clips: int, seed: int) -> None:
    """Write the clips, and the table of them."""
    (folder / "audio").mkdir()
    (folder / "meta").mkdir()
    rows = []
    for index in range(clips):
        take, target = divmod(index, len(LABELS))
        fold = take % _NUM_FOLDS + 1
        source = 100_000 + index
        name = f"{fold}-{source}-A-{target}.wav"
        own = (seed, _SPLIT, index)
        rng = np.random.default_rng(own)
        event = draw_event(rng, LABELS[target], num_traits=int(rng.integers(3)))
        wave = render_scene(Scene((event,), "single", own))
        write_pcm(folder / "audio" / name, wave)
        rows.append((name, fold, target, LABELS[target], False, source, "A"))
    with open(folder / "meta" / "esc50.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(rows)
