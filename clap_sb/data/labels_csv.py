"""Your own labelled clips: a CSV file with the columns ``path`` and ``label``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from clap_sb.data.csv_rows import Row
from clap_sb.data.entries import Entry, is_there
from clap_sb.data.prepare import prepare_found
from clap_sb.data.rows_by_file import no_audio, rows_by_file
from clap_sb.data.text_file import read_lines

COLUMNS = ("path", "label")
SEPARATOR = ";"


def prepare_labels_csv(path: str | os.PathLike, manifest: str | os.PathLike) -> Path:
    """Writes the manifest of a CSV file, and the list of clips that are left out.

    The columns are ``path`` and ``label``, and ``fold`` where there are folds. A clip
    has several labels where it has several rows, or semicolons between them; one
    without any is an example of no class. A relative path is relative to the folder of
    the CSV file. Audio that was probed once is not probed again until the CSV file
    changes, or a file comes or goes.

    Arguments
    ---------
    path : str or path-like
        The CSV file, UTF-8.
    manifest : str or path-like
        Where to write, as ``<save_folder>/<name>.json``; what is left out goes beside
        it, as ``<name>_missing.csv``.

    Returns
    -------
    Path
        The manifest: the labels are a clip's ``keywords``, and its ``label`` too where
        it has just one.

    Raises
    ------
    FileNotFoundError
        If the CSV file is not there, or not one clip has usable audio.
    ValueError
        If a column is missing, a row has another number of values than there are
        columns, a path is empty, no row has a label, or a fold is no whole number, is
        there for some clips alone, or differs between the rows of one; the line is
        named.

    Example
    -------
    >>> import numpy, soundfile
    >>> from clap_sb.data.manifest import read_manifest
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", numpy.zeros(800), 8000)
    >>> rows = "path,label,fold\\na.wav,dog;rain,2\\n"
    >>> _ = (folder / "my.csv").write_text(rows)
    >>> manifest = prepare_labels_csv(folder / "my.csv", folder / "save" / "my.json")
    >>> [clip] = read_manifest(manifest)
    >>> clip.keywords, clip.label, clip.fold
    (('dog', 'rain'), None, 2)
    """
    by_file = rows_by_file(path, COLUMNS, ("fold",))
    entries = {file: _entry(rows) for file, rows in by_file.items()}
    _check_folds(by_file, entries)
    if not any(entry.keywords for entry in entries.values()):
        raise ValueError(f"{path} holds no label; each clip needs a path and one.")
    files = {entry.id: file for file, entry in entries.items() if is_there(file)}
    return prepare_found(
        manifest,
        list(entries.values()),
        files,
        lambda missing: no_audio(path, missing),
    )


def _check_folds(
    by_file: Mapping[Path, Sequence[Row]], entries: Mapping[Path, Entry]
) -> None:
    """All clips have a fold, or none has: without one, no fold could be held out."""
    without = [file for file, entry in entries.items() if entry.fold is None]
    if 0 < len(without) < len(entries):
        row = by_file[without[0]][0]
        raise ValueError(
            f"{row.where}: {row['path']} has no fold; of {len(entries)} clips, "
            f"{len(without)} have none. Give all of them one, or leave the column out"
        )


def _entry(rows: Sequence[Row]) -> Entry:
    """The rows of one clip."""
    names = (
        name.strip() for row in rows for name in row.said("label").split(SEPARATOR)
    )
    labels = tuple(dict.fromkeys(name for name in names if name))
    return Entry(
        id=rows[0]["path"],
        names=(rows[0]["path"],),
        label=labels[0] if len(labels) == 1 else None,
        keywords=labels,
        fold=_fold(rows),
    )


def _fold(rows: Sequence[Row]) -> int | None:
    """Of a clip with several rows, one will do."""
    given = [row for row in rows if row.said("fold")]
    folds = sorted({row.whole_number("fold") for row in given})
    if len(folds) > 1:
        raise ValueError(
            f"{given[-1].where}: the fold of {rows[0]['path']} is "
            f"{' and '.join(map(str, folds))}; it has to be one"
        )
    return folds[0] if folds else None


def read_label_set(path: str | os.PathLike) -> list[str]:
    """Reads the classes of a data set.

    Arguments
    ---------
    path : str or path-like
        A text file with one name a line; lines that begin with ``#`` are comments.

    Returns
    -------
    list of str

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no name, or one twice.

    Example
    -------
    >>> path = getfixture("tmp_path") / "set.txt"
    >>> _ = path.write_text("# two classes\\ndog\\nsea_waves\\n")
    >>> read_label_set(path)
    ['dog', 'sea_waves']
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no list of labels {path}.")
    labels = [line for line in read_lines(path) if not line.startswith("#")]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice or not labels:
        raise ValueError(
            f"{path} must hold each label once; it has "
            f"{f'{twice[0]!r} twice' if twice else 'none'}"
        )
    return labels
