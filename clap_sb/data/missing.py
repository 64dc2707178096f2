"""Clips of a data set that cannot be used: the list of them, and the words for it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

NOT_FOUND = "no such file, under any of its names"


@dataclass(frozen=True)
class MissingClip:
    """A row of the list of clips that are left out.

    Arguments
    ---------
    id : str
        Name of the clip.
    path_or_name : str
        The file that cannot be read, or the name of one that is not there.
    reason : str
        What is the matter with it.

    Example
    -------
    >>> MissingClip("abc_30", "abc_30", NOT_FOUND).reason
    'no such file, under any of its names'
    """

    id: str
    path_or_name: str
    reason: str


def write_missing(path: Path, missing: Sequence[MissingClip]) -> None:
    """Writes the list as CSV, or removes one that no longer holds.

    Arguments
    ---------
    path : Path
        The file; missing folders are created.
    missing : sequence of MissingClip
        What is left out; may be empty.

    Example
    -------
    >>> path = getfixture("tmp_path") / "test_missing.csv"
    >>> write_missing(path, [MissingClip("a", "a", NOT_FOUND)])
    >>> path.read_text().splitlines()[1]
    'a,a,"no such file, under any of its names"'
    >>> write_missing(path, [])
    >>> path.exists()
    False
    """
    write_rows(path, missing)


def write_rows(path: Path, rows: Sequence[Any]) -> None:
    """Writes a list that goes beside a manifest, or removes one that no longer holds.

    Arguments
    ---------
    path : Path
        The CSV file; missing folders are created.
    rows : sequence
        Of one dataclass, whose fields are the columns; may be empty. What is no valid
        Unicode, as names of files may be, is written with escapes.
    """
    path.unlink(missing_ok=True)
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as f:
        writer = csv.DictWriter(f, [field.name for field in fields(rows[0])])
        writer.writeheader()
        writer.writerows(map(asdict, rows))
