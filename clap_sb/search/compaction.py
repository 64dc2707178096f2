"""Gives back the room of sounds that no file holds any more."""

from __future__ import annotations

import time

import numpy as np

from clap_sb.search.store import Store
from clap_sb.search.vectors import Vectors

# Of all vectors, before it pays to write them again.
_DEAD_SHARE = 0.2
# How long the vectors of a sound without a file are kept, at least: files that were
# moved away, or whose disk was not mounted, are recognised when they are back.
_KEPT_SECONDS = 7 * 24 * 3600


def compact(
    store: Store, dead_share: float = _DEAD_SHARE, kept_seconds: int = _KEPT_SECONDS
) -> bool:
    """Writes the vectors again without those that are of no use, if they are many.

    A reader that is open keeps the file that it has.

    Arguments
    ---------
    store : Store
        The index, locked.
    dead_share : float
        Share of the vectors from which on it is done.
    kept_seconds : int
        For how long a sound must have had no file, as far as updates have seen.

    Returns
    -------
    bool
        Whether it was.
    """
    remove_leftovers(store)
    now = int(time.time())
    store.note_lost(now)
    lost_before = now - kept_seconds
    spans = store.kept_spans(lost_before)
    rows, kept_rows = store.num_rows, int(spans[:, 2].sum())
    if rows - kept_rows <= dead_share * rows:
        return False
    old = store.vectors
    number = int(old.path.stem.partition("-")[2]) + 1
    new = Vectors(store.folder / f"vectors-{number}.f32", old.dim)
    keep = alive_rows(spans, rows)
    written = 0
    for start, block in old.blocks(0, rows):
        kept = block[keep[start : start + len(block)]]
        new.write(written, kept)
        written += len(kept)
    firsts = np.cumsum(spans[:, 2]) - spans[:, 2]
    with store.moving(new.path.name) as connection:
        connection.execute("DELETE FROM sounds WHERE lost_at <= ?", (lost_before,))
        store.headers.forget(connection)
        connection.executemany(
            "UPDATE sounds SET first_row = ? WHERE id = ?",
            np.stack([firsts, spans[:, 0]], axis=1).tolist(),
        )
    remove_leftovers(store)
    return True


def alive_rows(spans: np.ndarray, rows: int) -> np.ndarray:
    """Which vectors belong to one of some sounds.

    Arguments
    ---------
    spans : np.ndarray
        From `Store.spans` or `Store.kept_spans`.
    rows : int
        Number of vectors.

    Returns
    -------
    np.ndarray
        ``[rows]``, bool.

    Example
    -------
    >>> alive_rows(np.array([[7, 1, 2, 100]]), 4).tolist()
    [False, True, True, False]
    """
    change = np.zeros(rows + 1, dtype=np.int64)
    np.add.at(change, spans[:, 1], 1)
    np.add.at(change, spans[:, 1] + spans[:, 2], -1)
    return change[:-1].cumsum() > 0


def remove_leftovers(store: Store) -> None:
    """Removes files that the index no longer names, or never came to name.

    Arguments
    ---------
    store : Store
        The index, locked.
    """
    named = {store.fact("vectors"), store.fact("approximate")}
    for pattern in ("vectors-*.f32", "approximate-*.faiss", ".*.partial.*", "*.tmp"):
        for path in store.folder.glob(pattern):
            if path.name not in named:
                path.unlink()
