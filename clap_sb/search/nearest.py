"""The vectors that are nearest to a query."""

from __future__ import annotations

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
    >>> rows, scores, _ = nearest.find(np.array([0.5, 1.0, 0.8], dtype=np.float32), 2)
    >>> rows.tolist()
    [2, 0]
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

    def find(
        self, query: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray, bool]:
        """Finds the nearest vectors, whatever sound they are of.

        Arguments
        ---------
        query : np.ndarray
            ``[dim]``, float32.
        count : int
            How many.

        Returns
        -------
        rows : np.ndarray
            Where they are, the best first.
        scores : np.ndarray
            Dot products.
        all_seen : bool
            Whether asking for more gives no more.
        """
        if self._approximate is None:
            rows, scores = np.arange(len(self._alive)), self._scores(query)
            proposed = len(rows)
        else:
            rows = self._approximate.propose(query, count)
            proposed = len(rows)
            # what was added since, by an update that was interrupted
            rows = np.r_[rows, self._approximate.rows : len(self._alive)]
            scores = self._vectors[rows] @ query
        kept = self._alive[rows]
        rows, scores = rows[kept], scores[kept]
        all_seen = len(rows) <= count if self.is_exact else proposed < count
        if len(rows) > count:
            best = np.argpartition(scores, -count)[-count:]
            rows, scores = rows[best], scores[best]
        # equal scores in the order of the index
        order = np.lexsort((rows, -scores))
        return rows[order], scores[order], all_seen

    def _scores(self, query: np.ndarray) -> np.ndarray:
        """Block by block: the product of all at once is not faster."""
        scores = np.empty(len(self._vectors), dtype=np.float32)
        for start in range(0, len(scores), _BLOCK):
            block = slice(start, start + _BLOCK)
            np.dot(self._vectors[block], query, out=scores[block])
        return scores
