"""Hits as the page lists them: a row for each file."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clap_sb.data.printable import printable
from clap_sb.serve.catalogue import suffix_of

if TYPE_CHECKING:
    from clap_sb.search.hits import Hit
    from clap_sb.search.index import SearchIndex
    from clap_sb.search.own_folders import Heard
    from clap_sb.serve.catalogue import FolderNames

_MOST_MARKS = 12


def row_of(
    hit: Hit,
    index: SearchIndex,
    folders: FolderNames,
    heard: Heard,
    query: np.ndarray | None,
) -> dict[str, Any]:
    """What the page tells of a hit, and of the sounds that were folded into it.

    Arguments
    ---------
    hit : Hit
        A hit.
    index : SearchIndex
        Where it was found.
    folders : FolderNames
        Names its folder.
    heard : Heard
        Which files may be given away.
    query : np.ndarray or None
        ``[dim]``, what was searched for; None if it was not found by a search.

    Returns
    -------
    dict
        Plain data; ``marks`` are the twelve windows of the file that are nearest to
        the query, in their order; none without a query.
    """
    row = _plain(hit, index, folders, heard)
    row["copies"] = [printable(path) for path in hit.copies]
    row["similar"] = [_plain(other, index, folders, heard) for other in hit.folded]
    windows = [] if query is None else index.windows_of(hit.sound)
    row["marks"] = _marks(windows, index, query) if windows else []
    return row


def _plain(
    hit: Hit, index: SearchIndex, folders: FolderNames, heard: Heard
) -> dict[str, Any]:
    header = index.store.headers.of(hit.sound)
    return {
        "score": None if math.isnan(hit.score) else hit.score,
        "name": printable(os.path.basename(hit.path)),
        "folder": folders(hit.path),
        "path": printable(hit.path),
        "format": suffix_of(hit.path).upper(),
        "start": hit.start,
        "end": hit.end,
        "duration": hit.duration,
        "sound": hit.sound,
        "window": hit.window,
        "plays": any(heard.holds(path) for path in (hit.path, *hit.copies)),
        "digest": index.store.hash_of(hit.sound),
        "header": None if header is None else vars(header),
    }


def _marks(
    windows: Sequence[tuple[int, float, float]], index: SearchIndex, query: np.ndarray
) -> list[dict[str, Any]]:
    scores = index.embeddings(np.array([row for row, *_ in windows], int)) @ query
    nearest = np.argsort(-scores, kind="stable")[:_MOST_MARKS]
    return [
        {
            "window": int(window),
            "start": windows[window][1],
            "end": windows[window][2],
            "score": float(scores[window]),
        }
        for window in sorted(nearest)
    ]
