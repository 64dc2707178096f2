"""The vectors that are nearest to a query."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from clap_sb.search.approximate import Approximate

_BLOCK = 65536


class Nearest:
    """Compares queries with vectors: with all, or with those that are proposed.

    Arguments
    ---------
    vectors : np.ndarray
        ``[rows, dim]``, float32.
    alive : np.ndarray
        Which of them may be found, ``[rows]``, bool.
    approximate : Approximate, optional
        Proposes some of the first rows; those that follow are all compared.

    Example
    -------
    >>> nearest = Nearest(np.eye(3, dtype=np.float32), np.array([True, False, True]))
    >>> query = np.array([0.5, 1.0, 0.8], dtype=np.float32)
    >>> [rows.tolist() for rows, scores in nearest.growing(query, count=1, most=4)]
    [[2], [2, 0]]
    """

    def __init__(
        self,
        vectors: np.ndarray,
        alive: np.ndarray,
        approximate: Approximate | None = None,
    ):
        self._vectors = vectors
        self._alive = alive
        self._approximate = approximate

    @property
    def is_exact(self) -> bool:
        """Whether a query is compared with all vectors."""
        return self._approximate is None

    def among(self, alive: np.ndarray) -> Nearest:
        """The same with fewer vectors that may be found.

        Arguments
        ---------
        alive : np.ndarray
            Which, ``[rows]``, bool.

        Returns
        -------
        Nearest
        """
        return Nearest(self._vectors, alive, self._approximate)

    def growing(
        self, query: np.ndarray, count: int, most: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Finds the nearest vectors, whatever sound they are of, and then ever more.

        Arguments
        ---------
        query : np.ndarray
            ``[dim]``, float32.
        count : int
            How many; four times as many each time that more is asked for.
        most : int
            It ends with this many or more, or where there are no more.

        Yields
        ------
        rows : np.ndarray
            Where they are, the best first.
        scores : np.ndarray
            Dot products.
        """
        # what was added since the approximate part was made, or all
        first = 0 if self._approximate is None else self._approximate.rows
        others, their_scores = self._compared(query, first)
        while True:
            rows, exhausted = self._proposed(query, count)
            scores = np.r_[self._vectors[rows] @ query, their_scores]
            rows = np.r_[rows, others]
            yield _best(rows, scores, count)
            if (exhausted and len(rows) <= count) or count >= most:
                return
            count *= 4

    def _proposed(self, query: np.ndarray, count: int) -> tuple[np.ndarray, bool]:
        """Rows, and whether asking for more gives no more."""
        if self._approximate is None:
            return np.empty(0, dtype=np.int64), True
        rows = self._approximate.propose(query, count)
        return rows[self._alive[rows]], len(rows) < count

    def _compared(self, query: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
        """Block by block: the product of all at once is not faster."""
        scores = np.empty(len(self._vectors) - start, dtype=np.float32)
        for begin in range(0, len(scores), _BLOCK):
            part = scores[begin : begin + _BLOCK]
            first = start + begin
            np.dot(self._vectors[first : first + len(part)], query, out=part)
        alive = np.flatnonzero(self._alive[start:])
        return start + alive, scores[alive]


def _best(
    rows: np.ndarray, scores: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    if len(rows) > count:
        best = np.argpartition(scores, -count)[-count:]
        rows, scores = rows[best], scores[best]
    # equal scores in the order of the index
    order = np.lexsort((rows, -scores))
    return rows[order], scores[order]
