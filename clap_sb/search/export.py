"""The embeddings of an index as one file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from clap_sb.search.errors import SearchError
from clap_sb.search.index import SearchIndex
from clap_sb.whole_file import whole_file

_SOUNDS = 1024


def export(index: SearchIndex, path: str | os.PathLike) -> int:
    """Writes paths, times and embeddings, a row for each window of each file.

    Arguments
    ---------
    index : SearchIndex
        The index.
    path : str or path-like
        ``.parquet`` (columns ``path``, ``start``, ``end``, ``embedding``) or ``.npz``
        (arrays of these names). Where a file's name is no valid Unicode, ``path`` is
        binary in Parquet, and has Python's surrogate escapes in NumPy: `os.fsdecode`
        and `os.fsencode` take one to the other.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    SearchError
        If the name ends otherwise, pyarrow is missing, or there is no
        sound.
    """
    path = Path(path)
    writers = {".parquet": _write_parquet, ".npz": _write_npz}
    if path.suffix not in writers:
        raise SearchError(
            f"embeddings are exported as .parquet or .npz, not as {path.name}"
        )
    with whole_file(path) as unfinished:
        return writers[path.suffix](index, unfinished)


def _write_parquet(index: SearchIndex, path: Path) -> int:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise SearchError(
            "Parquet takes pyarrow: install it, as with `pip install "
            "'clap_sb[search]'`, or export to .npz"
        ) from error
    rows = _rows(index)
    unicode = all(_is_unicode(path) for path, *_ in rows)
    embedding = pa.list_(pa.float32(), index.model.dim)
    fields = {"path": pa.string() if unicode else pa.binary()}
    fields |= {"start": pa.float64(), "end": pa.float64()}
    schema = pa.schema({**fields, "embedding": embedding})
    with pq.ParquetWriter(path, schema) as writer:
        for table in _tables(index, rows):
            if not unicode:
                table["path"] = [os.fsencode(name) for name in table["path"]]
            flat = pa.array(table["embedding"].reshape(-1))
            columns = [pa.array(table[name], kind) for name, kind in fields.items()]
            columns.append(pa.FixedSizeListArray.from_arrays(flat, index.model.dim))
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return len(rows)


def _write_npz(index: SearchIndex, path: Path) -> int:
    tables = list(_tables(index, _rows(index)))
    names = ("path", "start", "end", "embedding")
    columns = {name: np.concatenate([t[name] for t in tables]) for name in names}
    with open(path, "wb") as file:
        np.savez(file, **columns)
    return len(columns["embedding"])


def _rows(index: SearchIndex) -> list[tuple[str, float, float, int]]:
    rows = list(index.windows())
    if not rows:
        raise SearchError("the index holds no sound, so there is nothing to export")
    return rows


def _is_unicode(path: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in path)


def _tables(
    index: SearchIndex, rows: list[tuple[str, float, float, int]]
) -> Iterator[dict[str, Any]]:
    for begin in range(0, len(rows), _SOUNDS):
        paths, starts, ends, places = zip(*rows[begin : begin + _SOUNDS], strict=True)
        yield {
            "path": np.array(paths),
            "start": np.array(starts),
            "end": np.array(ends),
            "embedding": index.embeddings(np.array(places)),
        }
