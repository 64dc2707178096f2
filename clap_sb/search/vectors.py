"""Vectors in a plain file: appended to, mapped into memory, read block by block."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from clap_sb.search.errors import SearchError, remake

_TYPE = np.dtype("<f4")


class Vectors:
    """Rows of float32, one after the other, with no header.

    How many rows count is not in the file: what a killed process left behind them is
    overwritten by the next one.

    Arguments
    ---------
    path : Path
        The file; it may be missing as long as there is no row.
    dim : int
        Numbers in a row.

    Example
    -------
    >>> vectors = Vectors(getfixture("tmp_path") / "vectors.f32", 2)
    >>> vectors.write(0, np.ones((3, 2)))
    >>> vectors.write(1, np.zeros((1, 2)))
    >>> vectors.mapped(2).tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """

    def __init__(self, path: Path, dim: int):
        self.path = path
        self.dim = dim

    def write(self, row: int, values: np.ndarray) -> None:
        """Puts rows at a place, drops whatever followed, and waits for the disk.

        Arguments
        ---------
        row : int
            Place of the first one.
        values : np.ndarray
            ``[rows, dim]``.

        Raises
        ------
        SearchError
            If the disk is full, or may not be written to.
        """
        try:
            with open(self.path, "r+b" if self.path.exists() else "w+b") as file:
                file.seek(row * self.dim * _TYPE.itemsize)
                file.write(np.ascontiguousarray(values, dtype=_TYPE).data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SearchError(
                f"{self.path} cannot be written to ({error.strerror}): mend that, as "
                "by making room on the disk, and run this again; nothing that was "
                "finished is lost"
            ) from error

    def mapped(self, rows: int) -> np.ndarray:
        """The rows without reading them: the system loads what is looked at.

        Arguments
        ---------
        rows : int
            How many.

        Returns
        -------
        np.ndarray
            ``[rows, dim]``, not to be written to.

        Raises
        ------
        SearchError
            See :meth:`check`.
        """
        if not rows:
            return np.empty((0, self.dim), dtype=_TYPE)
        self.check(rows)
        shape = (rows, self.dim)
        return np.asarray(np.memmap(self.path, dtype=_TYPE, mode="r", shape=shape))

    def check(self, rows: int) -> None:
        """Sees that the file has them all.

        Arguments
        ---------
        rows : int
            How many count.

        Raises
        ------
        SearchError
            If it is missing, or has fewer: nothing else knows what they were.
        """
        try:
            size = self.path.stat().st_size if rows else 0
        except OSError as error:
            raise SearchError(
                f"{self.path}, the vectors of the index, cannot be read "
                f"({error.strerror}): {remake(self.path.parent)}"
            ) from error
        there = size // (self.dim * _TYPE.itemsize)
        if there < rows:
            raise SearchError(
                f"{self.path}, the vectors of the index, is cut short: it has {there} "
                f"of {rows} vectors; {remake(self.path.parent)}"
            )

    def read(self, start: int, stop: int) -> np.ndarray:
        """Reads some rows.

        Arguments
        ---------
        start : int
            The first.
        stop : int
            The one after the last.

        Returns
        -------
        np.ndarray
            ``[stop - start, dim]``.
        """
        width = self.dim * _TYPE.itemsize
        count = (stop - start) * self.dim
        values = np.fromfile(self.path, _TYPE, count, offset=start * width)
        return values.reshape(-1, self.dim)

    def blocks(
        self, start: int, stop: int, size: int = 65536
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Reads rows in blocks, so that a file larger than the memory will do.

        Arguments
        ---------
        start : int
            The first.
        stop : int
            The one after the last.
        size : int
            Rows in a block.

        Yields
        ------
        start : int
            Place of the block.
        values : np.ndarray
            ``[size, dim]``; the last one may be shorter.
        """
        self.check(stop)
        for begin in range(start, stop, size):
            yield begin, self.read(begin, min(begin + size, stop))
