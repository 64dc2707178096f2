"""Prepares ESC-50, its subset ESC-10, or a set in its layout as one manifest.

The layout is that of the ESC-50 repository (Piczak, ACM Multimedia 2015): the list
`meta/esc50.csv` (columns filename, fold, target, category, and esc10 for what belongs
to ESC-10) and the folder `audio/`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from clap_sb.data.csv_rows import Row, read_rows
from clap_sb.data.manifest import Clip
from clap_sb.data.prepare import Entry, prepare_manifest
from clap_sb.data.recordings import source_of

COLUMNS = ("filename", "fold", "target", "category")

WHOLE, SUBSET = "ESC-50", "ESC-10"
SUBSET_LABELS = {
    *("chainsaw", "clock_tick", "crackling_fire", "crying_baby", "dog"),
    *("helicopter", "rain", "rooster", "sea_waves", "sneezing"),
}


def prepare_esc50(
    data_folder: str | os.PathLike,
    save_folder: str | os.PathLike,
    skip_prep: bool = False,
    subset: str | None = None,
) -> Path:
    """Writes the manifest of all folds, and says which clips have no usable audio.

    Clips are ordered by the number of their class, so that labels in the order of
    their first appearance are in the data set's order. A file may have another
    extension than the list says, as after a conversion.

    Arguments
    ---------
    data_folder : str or path-like
        Where the data set lies, with ``meta/esc50.csv`` and ``audio/``.
    save_folder : str or path-like
        Where the manifest goes, as ``esc50.json``, and the list of clips that are left
        out, as ``esc50_missing.csv``.
    skip_prep : bool
        Whether to trust a manifest from an earlier run, unseen.
    subset : str or None
        ``ESC-10`` for the clips that the list's column ``esc10`` says belong to it.

    Returns
    -------
    Path
        The manifest; each clip has its category as label, and its fold.

    Raises
    ------
    FileNotFoundError
        If the list is not there, or not one clip has usable audio.
    ValueError
        If there is no such subset, or the list holds no clip of it.

    Example
    -------
    >>> prepare_esc50("ESC-50", "save", skip_prep=True).name
    'esc50.json'
    """
    if subset not in (None, SUBSET):
        raise ValueError(f"ESC-50 has the subset {SUBSET}, and no {subset!r}.")
    manifest = Path(save_folder) / "esc50.json"
    if skip_prep:
        return manifest
    data_folder = Path(data_folder).expanduser().resolve()
    clip_list = data_folder / "meta" / "esc50.csv"
    if not clip_list.is_file():
        raise FileNotFoundError(
            f"The list of ESC-50 is not there: looked for {clip_list.as_posix()}. Set "
            "data_folder to the folder that holds meta/ and audio/."
        )
    rows = _read_list(clip_list, subset)
    rows.sort(key=lambda row: (row.whole_number("target"), row["filename"]))
    entries = [_entry(row) for row in rows]
    return prepare_manifest(manifest, entries, [data_folder / "audio"])


def set_name(clips: Sequence[Clip]) -> str:
    """Which of the two sets clips are, by their labels.

    Arguments
    ---------
    clips : sequence of Clip
        Labelled clips in ESC-50's layout.

    Returns
    -------
    str

    Example
    -------
    >>> clips = [Clip(name, "", 5.0, label=name) for name in sorted(SUBSET_LABELS)]
    >>> set_name(clips), set_name(clips[1:])
    ('ESC-10', 'ESC-50')
    """
    return SUBSET if {clip.label for clip in clips} == SUBSET_LABELS else WHOLE


def _read_list(path: Path, subset: str | None) -> list[Row]:
    if subset is None:
        return read_rows(path, COLUMNS)
    rows = [
        row
        for row in read_rows(path, (*COLUMNS, "esc10"))
        if row["esc10"].strip().lower() == "true"
    ]
    if not rows:
        raise ValueError(f"{path} holds no clip of {SUBSET}: esc10 is True for none.")
    return rows


def _entry(row: Row) -> Entry:
    name = Path(row["filename"]).stem
    named = re.fullmatch(
        r"\d+-(\d+)-[A-Z]+-\d+", name
    )  # fold, Freesound id, take, class
    return Entry(
        id=name,
        names=(name,),
        label=row["category"],
        fold=row.whole_number("fold"),
        source=source_of("freesound", named[1]) if named else None,
    )
