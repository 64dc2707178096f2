"""An approximate index beside the exact one, for more vectors than one can compare.

Vectors are sorted into cells around centres (an inverted file, IVF), a byte a number;
a query looks into the nearest cells only. What it proposes is scored again with the
exact vectors, so a score is always exact, and what can be missed is a hit.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clap_sb.search.errors import SearchError
from clap_sb.search.store import Store
from clap_sb.search.vectors import Vectors
from clap_sb.whole_file import whole_file

if TYPE_CHECKING:
    import faiss

# Cells that a query looks into.
PROBES = 64
_POINTS_A_CELL = 64
_ROUNDS = 10
_SEED = 1
# Growth since the centres were fitted, from which on they are fitted again.
_REFIT = 4


def update_approximate(store: Store, exact_up_to: int) -> None:
    """Makes an index's approximate part, or adds to it what is new.

    One that is missing or damaged is made again: all of it is in the exact vectors.

    Arguments
    ---------
    store : Store
        The index, locked.
    exact_up_to : int
        Vectors up to which there is none.

    Raises
    ------
    SearchError
        If it takes faiss, which is not installed, or cannot be written.
    """
    rows, current, vectors = store.num_rows, store.part("approximate"), store.vectors
    if rows <= exact_up_to:
        return
    up_to_date = current is not None and _rows_of(current) == rows
    index = None
    if current is not None and rows <= _REFIT * _fitted_on(current):
        with contextlib.suppress(SearchError):  # damaged, and made again
            index = _read(current, vectors.dim, _rows_of(current), mapped=up_to_date)
    if up_to_date and index is not None:
        return
    fitted_on = rows if index is None else _fitted_on(current)
    if index is None:
        index = fitted(vectors, rows)
    for _, block in vectors.blocks(index.ntotal, rows):
        index.add(block)
    name = f"approximate-{vectors.path.stem}-{fitted_on}-{rows}.faiss"
    _write(index, store.folder / name)
    store.set_fact("approximate", name)
    if current is not None and current.name != name:
        current.unlink(missing_ok=True)


def _rows_of(path: Path) -> int:
    return int(path.stem.split("-")[-1])


def _fitted_on(path: Path) -> int:
    return int(path.stem.split("-")[-2])


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise SearchError(
            "an approximate index takes faiss: install it, as with "
            "`pip install 'clap_sb[search]'`, or raise --exact-up-to"
        ) from error
    return faiss


def number_of_cells(rows: int) -> int:
    """Cells for a number of vectors: the power of two next to twice its root.

    Arguments
    ---------
    rows : int
        Number of vectors.

    Returns
    -------
    int

    Example
    -------
    >>> number_of_cells(1_000_000), number_of_cells(100)
    (2048, 16)
    """
    return 2 ** round(np.log2(2 * np.sqrt(rows)))


def fitted(vectors: Vectors, rows: int) -> faiss.Index:
    """Fits the cells to a sample of the vectors.

    Arguments
    ---------
    vectors : Vectors
        Where they are.
    rows : int
        Their number.

    Returns
    -------
    faiss.Index
        With no vector in it.
    """
    faiss = _faiss()
    cells = number_of_cells(rows)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(vectors.dim),
        vectors.dim,
        cells,
        faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
        False,
    )
    index.cp.niter = _ROUNDS
    index.cp.seed = _SEED
    index.cp.max_points_per_centroid = _POINTS_A_CELL
    # few vectors a cell are no error of the user's
    index.cp.min_points_per_centroid = 1
    index.train(_sample(vectors, rows, min(rows, cells * _POINTS_A_CELL)))
    return index


def _sample(vectors: Vectors, rows: int, count: int) -> np.ndarray:
    """Some rows of all parts of the file, read block by block to spare memory."""
    chosen = np.sort(np.random.default_rng(_SEED).choice(rows, count, replace=False))
    sample = np.empty((count, vectors.dim), dtype=np.float32)
    for start, block in vectors.blocks(0, rows):
        begin, end = np.searchsorted(chosen, [start, start + len(block)])
        sample[begin:end] = block[chosen[begin:end] - start]
    return sample


def _write(index: faiss.Index, path: Path) -> None:
    try:
        with whole_file(path) as unfinished:
            _faiss().write_index(index, str(unfinished))
    except (OSError, RuntimeError) as error:  # the latter is faiss's
        raise SearchError(
            f"{path}, the approximate part of the index, cannot be written "
            f"({_reason(error)}): make room on the disk, and run this again; nothing "
            "that was finished is lost"
        ) from error


def _reason(error: Exception) -> str:
    """What went wrong, without faiss's names and lines of its source."""
    return getattr(error, "strerror", None) or str(error).split("Error: ")[-1]


def _read(path: Path, dim: int, rows: int, mapped: bool) -> faiss.Index:
    """An approximate part of at most so many vectors, looked at."""
    faiss = _faiss()
    flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY if mapped else 0
    try:
        index = faiss.read_index(str(path), flags)
    except RuntimeError as error:
        raise _damaged(path, _reason(error)) from error
    is_ours = isinstance(index, faiss.IndexIVFScalarQuantizer)
    if not is_ours or index.d != dim or not 0 < index.ntotal <= rows:
        raise _damaged(path, "it holds other vectors than the index")
    return index


def _damaged(path: Path, reason: str) -> SearchError:
    return SearchError(
        f"{path}, the approximate part of the index, cannot be used ({reason}): "
        f"`clap-sb index --out {path.parent}` makes it again, and nothing is lost"
    )


class Approximate:
    """The approximate part of an index, opened for queries.

    Arguments
    ---------
    path : Path
        Its file; it is mapped into memory.
    dim : int
        Numbers in a vector.
    rows : int
        Vectors of the exact index.
    probes : int
        Cells that a query looks into.

    Raises
    ------
    SearchError
        If faiss is not installed, or the file is missing or damaged.
    """

    def __init__(self, path: Path, dim: int, rows: int, probes: int = PROBES):
        faiss = _faiss()
        self._path = path
        self._index = _read(path, dim, rows, mapped=True)
        self._index.nprobe = min(probes, self._index.nlist)
        lists = faiss.downcast_InvertedLists(self._index.invlists)
        if isinstance(lists, faiss.OnDiskInvertedLists):
            lists.prefetch_nthread = 0

    @property
    def rows(self) -> int:
        """Vectors in it: the first ones of the exact index."""
        return self._index.ntotal

    def propose(self, query: np.ndarray, count: int) -> np.ndarray:
        """Finds vectors that are probably nearest.

        Arguments
        ---------
        query : np.ndarray
            ``[dim]``.
        count : int
            How many.

        Returns
        -------
        np.ndarray
            Their rows, at most ``count``.

        Raises
        ------
        SearchError
            If the file is damaged.
        """
        _, rows = self._index.search(query[None], min(count, self.rows))
        if rows.max(initial=-1) >= self.rows:
            raise _damaged(self._path, "it proposes vectors that there are not")
        return rows[0][rows[0] >= 0]
