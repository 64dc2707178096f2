"""A folder that holds one built-in set, wholly or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from clap_sb.whole_file import write_whole

FORMAT_VERSION = 2
"""Raised whenever the same settings would give other files."""

STAMP = "builtin.json"

# Lies in the folder from the first file to the last.
_MARKER = "builtin.unfinished.json"

# What the two layouts put into the folder.
_CONTENT = ("audio", "dataset", "meta")


def write_once(
    folder: str | Path, settings: dict, write: Callable[[Path], None]
) -> Path:
    """Fill a folder with a set, unless it holds just this one already.

    A folder of ours with another set, or with one that was not finished, is emptied
    and filled anew; a folder with anything else in it is left alone. For one process at
    a time: in distributed training, the main one.

    Arguments
    ---------
    folder : str | Path
        Where the set lies; made if need be.
    settings : dict
        All that determines the set, as JSON can hold it; "clips" is its number of
        WAV files.
    write : Callable[[Path], None]
        Writes the set into the folder it is given.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If the folder holds files that are not a built-in set.

    Example
    -------
    >>> import tempfile
    >>> def write(folder):
    ...     print("writing")
    >>> with tempfile.TemporaryDirectory() as place:
    ...     folder = write_once(place, {"clips": 0}, write)
    ...     folder = write_once(place, {"clips": 0}, write)
    writing
    """
    folder = Path(folder)
    settings = {"builtin_format": FORMAT_VERSION, **settings}
    stamp, marker = folder / STAMP, folder / _MARKER
    if not marker.exists() and stamp.exists() and _holds(folder, settings):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (marker.exists() or stamp.exists()):
        raise FileExistsError(
            f"{folder} is not empty and holds no built-in set ({STAMP} is missing); "
            "nothing was written. Give an empty or new folder."
        )
    # The marker comes before the stamp goes: killed anywhere, the folder stays ours.
    write_whole(marker, json.dumps(settings, indent=2) + "\n")
    stamp.unlink(missing_ok=True)
    for name in _CONTENT:
        if (folder / name).exists():
            shutil.rmtree(folder / name)
    write(folder)
    os.replace(marker, stamp)
    return folder


def _holds(folder: Path, settings: dict) -> bool:
    """Whether the stamp names these settings and no clip has gone since."""
    try:
        found = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except ValueError:
        return False
    return found == settings and settings["clips"] == sum(
        1 for _ in folder.glob("audio/**/*.wav")
    )
