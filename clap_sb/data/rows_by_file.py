"""The rows of a user's own CSV file, by the audio file that they are about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from clap_sb.data.missing import MissingClip
from clap_sb.data.prepare import read_rows


def rows_by_file(
    path: str | os.PathLike, columns: Sequence[str]
) -> dict[Path, list[dict[str, str]]]:
    """Reads a CSV file whose column ``path`` names audio files.

    A relative path is relative to the folder of the CSV file; several spellings of one
    path are one file.

    Arguments
    ---------
    path : str or path-like
        The CSV file, UTF-8.
    columns : sequence of str
        Columns it must have, ``path`` among them.

    Returns
    -------
    dict
        The rows of each file, in the order of first appearance.

    Raises
    ------
    FileNotFoundError
        If the CSV file is not there.
    ValueError
        If a column is missing, or a row has no path.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> rows = "path,label\\na.wav,dog\\nx/../a.wav,rain\\n"
    >>> _ = (folder / "my.csv").write_text(rows)
    >>> [rows] = rows_by_file(folder / "my.csv", ["path", "label"]).values()
    >>> [row["label"] for row in rows]
    ['dog', 'rain']
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no CSV file {path} (columns {','.join(columns)})."
        )
    folder = path.expanduser().resolve().parent
    found: dict[Path, list[dict[str, str]]] = {}
    for number, row in enumerate(read_rows(path, columns), start=1):
        name = row["path"].strip()
        if not name:
            raise ValueError(f"{path}: row {number} below the header has no path.")
        file = Path(os.path.normpath(folder / Path(name).expanduser()))
        found.setdefault(file, []).append({**row, "path": name})
    return found


def no_audio(path: str | os.PathLike, missing: Sequence[MissingClip]) -> str:
    """Tells that a CSV file names no audio that can be used.

    Arguments
    ---------
    path : str or path-like
        The CSV file.
    missing : sequence of MissingClip
        What is the matter with its clips.

    Returns
    -------
    str
        The message.
    """
    folder = Path(path).expanduser().resolve().parent
    return (
        f"Not one of the {len(missing)} clips of {path} has usable audio, such as "
        f"{missing[0].path_or_name} ({missing[0].reason}). A relative path is looked "
        f"for in the folder of the CSV file, {folder.as_posix()}."
    )
