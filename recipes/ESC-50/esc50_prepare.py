"""Prepares ESC-50, or a set in its layout such as ESC-10, as one manifest.

The layout is that of the ESC-50 repository (Piczak, ACM Multimedia 2015): the list
`meta/esc50.csv` (columns filename, fold, target, category) and the folder `audio/`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from clap_sb.data.prepare import Entry, prepare_manifest, read_rows

COLUMNS = ("filename", "fold", "target", "category")


def prepare_esc50(
    data_folder: str | os.PathLike,
    save_folder: str | os.PathLike,
    skip_prep: bool = False,
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

    Returns
    -------
    Path
        The manifest; each clip has its category as label, and its fold.

    Raises
    ------
    FileNotFoundError
        If the list is not there, or not one clip has usable audio.

    Example
    -------
    >>> prepare_esc50("ESC-50", "save", skip_prep=True).name
    'esc50.json'
    """
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
    rows = read_rows(clip_list, COLUMNS)
    rows.sort(key=lambda row: (int(row["target"]), row["filename"]))
    entries = [_entry(row) for row in rows]
    return prepare_manifest(manifest, entries, [data_folder / "audio"])


def _entry(row: dict[str, str]) -> Entry:
    name = Path(row["filename"]).stem
    named = re.fullmatch(
        r"\d+-(\d+)-[A-Z]+-\d+", name
    )  # fold, Freesound id, take, class
    return Entry(
        id=name,
        names=(name,),
        label=row["category"],
        fold=int(row["fold"]),
        source=f"freesound:{named[1]}" if named else None,
    )
