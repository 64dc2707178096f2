"""Your own clips: a CSV file with the columns ``path`` and ``caption`` or keywords."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from clap_sb.data.csv_rows import Row
from clap_sb.data.entries import Entry, examine, is_there
from clap_sb.data.manifest import Clip
from clap_sb.data.prepare import prepare_found
from clap_sb.data.printable import printable
from clap_sb.data.recordings import ID_COLUMNS, sources_in
from clap_sb.data.remarks import tell_remarks
from clap_sb.data.rows_by_file import no_audio, rows_by_file

logger = logging.getLogger(__name__)

# What a clip is trained on: captions, or what captions are made of.
SAID = ("caption", "keywords", "label")
_OPTIONAL = (*SAID, *ID_COLUMNS)


def read_captions_csv(path: str | os.PathLike) -> list[Clip]:
    """Reads clips with captions or keywords from a CSV file, and probes their audio.

    The columns are ``path`` and ``caption``; several rows of a path are several
    captions of one clip, and rows that occur twice count once. A relative path is
    relative to the folder of the CSV file. Columns that may be there besides, or in the
    place of ``caption``: ``keywords``, separated by semicolons, and ``label``; a
    label is a keyword where there are none. ``youtube_id`` or ``freesound_id`` tell
    recordings that another set holds too.

    Rows that say nothing are skipped, and so are clips whose audio is missing or cannot
    be read; how many is logged as a warning. A clip's id is its path as the file has
    it.

    Arguments
    ---------
    path : str or path-like
        The CSV file, UTF-8, with commas between the columns; a value that holds a comma
        is in double quotes.

    Returns
    -------
    list of Clip
        In the order of first appearance.

    Raises
    ------
    FileNotFoundError
        If the CSV file is not there, or not one clip has usable audio.
    ValueError
        If a column is missing or there twice, a row has another number of values than
        there are columns, a path is empty, or no row has a caption, keywords or a
        label; the line is named.

    Example
    -------
    >>> import numpy, soundfile
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "a.wav", numpy.zeros(800), 8000)
    >>> rows = "path,caption\\na.wav,A dog barks\\na.wav,Some barking\\n"
    >>> _ = (folder / "my.csv").write_text(rows)
    >>> [clip] = read_captions_csv(folder / "my.csv")
    >>> clip.id, clip.duration, clip.captions
    ('a.wav', 0.1, ('A dog barks', 'Some barking'))
    """
    path = Path(path)
    entries, files = _read_entries(path)
    clips, missing, remarks = examine(entries, files, description=path.name)
    if not clips:
        raise FileNotFoundError(no_audio(path, missing))
    if missing:
        logger.warning(
            "%s: %d of %d clips are left out, their audio is missing or unreadable, "
            "such as %s (%s)",
            *(path, len(missing), len(entries)),
            *(missing[0].path_or_name, printable(missing[0].reason)),
        )
    tell_remarks(str(path), remarks, None)
    return clips


def prepare_captions_csv(path: str | os.PathLike, manifest: str | os.PathLike) -> Path:
    """Writes the manifest of a CSV file, and the list of clips that are left out.

    As `read_captions_csv`, but audio that was probed once is not probed again until
    the CSV file changes, or a file comes or goes.

    Arguments
    ---------
    path : str or path-like
        The CSV file.
    manifest : str or path-like
        Where to write, as ``<save_folder>/<name>.json``; what is left out goes beside
        it, as ``<name>_missing.csv``.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    FileNotFoundError
        If the CSV file is not there, or not one clip has usable audio.
    ValueError
        If a column is missing or there twice, a row has another number of values than
        there are columns, a path is empty, or no row has a caption, keywords or a
        label; the line is named.
    """
    path = Path(path)
    entries, files = _read_entries(path)
    return prepare_found(
        manifest, entries, files, lambda missing: no_audio(path, missing)
    )


def _read_entries(path: Path) -> tuple[list[Entry], dict[str, Path]]:
    """The clips of the list, and the files there are by the clips' ids."""
    clips: dict[Path, list[Row]] = {}
    num_empty = 0
    for file, rows in rows_by_file(path, ("path",), _OPTIONAL).items():
        if not set(SAID) & rows[0].keys():
            raise ValueError(
                f"{path} must have a column {', '.join(SAID[:-1])} or {SAID[-1]} "
                f"besides path; it has {', '.join(rows[0])}."
            )
        kept = [row for row in rows if any(row.said(column) for column in SAID)]
        num_empty += len(rows) - len(kept)
        if kept:
            clips[file] = kept
    if not clips:
        raise ValueError(
            f"{path} holds no caption; each row needs a path, and a caption, keywords "
            "or a label."
        )
    if num_empty:
        logger.warning("%s: %d rows that say nothing are skipped", path, num_empty)
    entries = [_entry(rows) for rows in clips.values()]
    files = dict(zip((entry.id for entry in entries), clips, strict=True))
    return entries, {name: file for name, file in files.items() if is_there(file)}


def _entry(rows: Sequence[Row]) -> Entry:
    """The rows of one clip, which may spell its path in several ways."""
    captions = tuple(
        dict.fromkeys(text for row in rows if (text := row.said("caption")))
    )
    labels = _listed(rows, "label")
    sources = (source for row in rows for source in sources_in(row))
    return Entry(
        id=rows[0]["path"],
        names=(rows[0]["path"],),
        captions=captions,
        # clips of one class are no negatives of each other: not so of captions
        label=labels[0] if len(labels) == 1 and not captions else None,
        source=next(sources, None),
        keywords=_listed(rows, "keywords") or labels,
    )


def _listed(rows: Sequence[Row], column: str) -> tuple[str, ...]:
    """What semicolons separate, each once."""
    words = (word.strip() for row in rows for word in row.said(column).split(";"))
    return tuple(dict.fromkeys(filter(None, words)))
