"""What tells a recording, whichever set it is in: its id at its site, and its file."""

from __future__ import annotations

import re
from collections.abc import Hashable

from clap_sb.data.csv_rows import NONE, Row
from clap_sb.data.listed_file import identity_of
from clap_sb.data.manifest import Clip

# Columns of a list of recordings, and the site that each is of.
ID_COLUMNS = {"youtube_id": "youtube", "freesound_id": "freesound"}

# What tables have where there is no id.
_NO_ID = (*NONE, "-", "none", "null", "na", "n/a", "not found")

_FREESOUND_PAGE = re.compile(r".*freesound\.org/.*?(\d+)/?(?:[?#].*)?", re.IGNORECASE)
_FREESOUND_FILE = re.compile(r"(\d+)__\S+")  # as the site names what it gives
# several ids, or one among words: as a name, they would be equal to no id
_SEVERAL = re.compile(r".*;.*|(?=.*\d).*[\s,|].*", re.DOTALL)
_YOUTUBE_PAGE = re.compile(r".*youtu\.?be.*?(?:v=|/)([\w-]{11})(?:[?&#/].*)?")
_YOUTUBE_FILE = re.compile(r"Y([\w-]{11})")  # as AudioSet's files are often named
_YOUTUBE_ID = re.compile(r"[\w-]+", re.ASCII)


def source_of(site: str, written: str) -> str | None:
    """Names a recording the same, however its id is written.

    Arguments
    ---------
    site : str
        ``youtube`` or ``freesound``.
    written : str
        The id as a table has it. One of Freesound is a number: with zeros before it,
        with ``.0`` or as ``1.00032e5``, as programs save it, it is the same one. The
        address of a page will do for both.

    Returns
    -------
    str or None
        ``<site>:<id>``; None where the table says that there is none.

    Raises
    ------
    ValueError
        If it is no id.

    Example
    -------
    >>> {source_of("freesound", text) for text in ("100032", "0100032", "1.00032e5")}
    {'freesound:100032'}
    >>> source_of("youtube", "https://youtu.be/r1nicOVtvkQ?t=130")
    'youtube:r1nicOVtvkQ'
    """
    text = written.strip()
    if text.lower() in _NO_ID:
        return None
    found = _freesound(text) if site == "freesound" else _youtube(text)
    if found is None:
        raise ValueError(f"{written!r} is no id of one recording at {site}")
    return f"{site}:{found}"


def _freesound(text: str) -> str | None:
    if _SEVERAL.fullmatch(text):
        return None
    for pattern in (_FREESOUND_PAGE, _FREESOUND_FILE):
        if found := pattern.fullmatch(text):
            text = found[1]
    try:
        number = float(text)
    except ValueError:
        # a list may know its sounds by other names; #NAME? is none
        return None if text.startswith("#") else text
    return str(int(number)) if number > 0 and number.is_integer() else None


def _youtube(text: str) -> str | None:
    for pattern in (_YOUTUBE_PAGE, _YOUTUBE_FILE):
        if found := pattern.fullmatch(text):
            return found[1]
    return text if _YOUTUBE_ID.fullmatch(text) else None


def sources_in(row: Row) -> list[str]:
    """The recordings that a row of a table names.

    Arguments
    ---------
    row : Row
        With the columns ``youtube_id`` and ``freesound_id``, or without.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If what stands there is no id; the row is named.

    Example
    -------
    >>> sources_in(Row({"freesound_id": "12.0", "youtube_id": ""}, "my.csv, line 2"))
    ['freesound:12']
    """
    found = []
    for column, site in ID_COLUMNS.items():
        try:
            found.append(source_of(site, row.get(column, "")))
        except ValueError as error:
            raise ValueError(f"{row.where}: {error}") from None
    return [source for source in found if source is not None]


def recordings_of(clip: Clip) -> dict[Hashable, str]:
    """What a clip may share with another: its source, where known, and its file.

    Arguments
    ---------
    clip : Clip
        A clip.

    Returns
    -------
    dict
        From what is equal for clips of one recording to a name of it.

    Example
    -------
    >>> list(recordings_of(Clip("a", "/a.wav", 5.0, source="freesound:12")).values())
    ['freesound:12', 'file:/a.wav']
    """
    found: dict[Hashable, str] = {}
    if clip.source:
        found[clip.source] = clip.source
    if clip.path:
        found[identity_of(clip.path)] = f"file:{clip.path}"
    return found
