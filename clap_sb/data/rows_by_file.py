"""The rows of a user's own CSV file, by the audio file that they are about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from clap_sb.data.csv_rows import Row, read_rows
from clap_sb.data.listed_file import find_listed, identity_of
from clap_sb.data.missing import MissingClip


def rows_by_file(
    path: str | os.PathLike,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    key: str = "path",
) -> dict[Path, list[Row]]:
    """Reads a CSV file one of whose columns names audio files.

    A relative path is relative to the folder of the CSV file; several spellings of one
    path are one file, and so are links to it.

    Arguments
    ---------
    path : str or path-like
        The CSV file, UTF-8.
    columns : sequence of str
        Columns it must have, the one of the files among them.
    optional : sequence of str
        Columns it may have.
    key : str
        The column of the files.

    Returns
    -------
    dict
        The rows of each file, in the order of first appearance; its name in them is
        the one by which it is found.

    Raises
    ------
    FileNotFoundError
        If the CSV file is not there.
    ValueError
        If a column is missing, a row has no path, or the file is no good CSV; the line
        is named.

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
    # a list that is a link may lie beside its files, or where it points to
    folders = (path.expanduser().resolve().parent, path.expanduser().absolute().parent)
    found: dict[Path, list[Row]] = {}
    by_name: dict[str, Path] = {}
    by_identity: dict[object, Path] = {}
    for row in read_rows(path, columns, optional):
        name = row[key]
        if not row.said(key):
            raise ValueError(f"{row.where} has no {key}.")
        if name not in by_name:
            files = [find_listed(folder, name) for folder in dict.fromkeys(folders)]
            file = next(filter(os.path.exists, files), files[0])
            by_name[name] = by_identity.setdefault(identity_of(file), file)
        file = by_name[name]
        if file.name != Path(name).name:
            name = name.strip()
        found.setdefault(file, []).append(Row({**row, key: name}, row.where))
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
