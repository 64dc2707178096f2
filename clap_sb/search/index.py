"""An index, opened for queries."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from clap_sb.search.approximate import PROBES, Approximate
from clap_sb.search.compaction import alive_rows
from clap_sb.search.errors import SearchError
from clap_sb.search.hits import Hit
from clap_sb.search.records import ModelFacts
from clap_sb.search.store import Store

_BLOCK = 65536
# Vectors looked at for one query, to find sounds that differ.
_MOST = 50_000


class SearchIndex:
    """Sounds of folders, to be searched by any vector of the model's joint space.

    What it says is of the moment when it was opened. The vectors stay on disk, mapped
    into memory. With an approximate part, that one proposes what the exact vectors
    score; without it, all vectors are compared.

    Arguments
    ---------
    folder : str or path-like
        The index.
    probes : int
        Cells of the approximate part that a query looks into: more find more, slower.

    Raises
    ------
    SearchError
        If there is no index, or it cannot be read.

    Example
    -------
    >>> from clap_sb.search.records import FileRecord, ModelFacts, NewSound
    >>> from clap_sb.search.scan import Stamp
    >>> facts = ModelFacts("f00d", "a model", "model.pt", None, "", 2, 10, 20)
    >>> store = Store.create(getfixture("tmp_path") / "sounds.index", facts)
    >>> ids = store.add_sounds([NewSound("ab12", 35, np.eye(2))])
    >>> store.set_files({"/sounds/a.wav": FileRecord(Stamp(1, 1), ids["ab12"])})
    >>> index = SearchIndex(store.folder)
    >>> [(hit.path, hit.start, hit.end) for hit in index.search(np.array([0.0, 1.0]))]
    [('/sounds/a.wav', 1.5, 3.5)]
    """

    def __init__(self, folder: str | os.PathLike, probes: int = PROBES):
        self.store = Store(folder)
        self.model: ModelFacts = self.store.model
        self._spans = self.store.spans()
        rows = self.store.num_rows
        self._vectors = self.store.vectors.mapped(rows)
        self._alive = alive_rows(self._spans, rows)
        name = self.store.fact("approximate")
        self._approximate = (
            None if name is None else Approximate(self.store.folder / name, probes)
        )

    @property
    def num_sounds(self) -> int:
        """Sounds that differ in their bytes."""
        return len(self._spans)

    @property
    def num_windows(self) -> int:
        """Vectors that can be found."""
        return int(self._spans[:, 2].sum())

    @property
    def is_exact(self) -> bool:
        """Whether a query is compared with all vectors."""
        return self._approximate is None

    def search(
        self,
        query: np.ndarray,
        k: int = 10,
        every_window: bool = False,
        fold: float | None = None,
    ) -> list[Hit]:
        """Finds the sounds that are nearest to a query.

        Arguments
        ---------
        query : np.ndarray
            ``[dim]``, of any length but zero; see :func:`combine`.
        k : int
            Hits wanted.
        every_window : bool
            Whether a sound may be found more than once, by several windows.
        fold : float, optional
            Cosine from which on a window is a near-duplicate of a better hit, and
            listed with it.

        Returns
        -------
        list of Hit
            The best first.

        Raises
        ------
        SearchError
            If the query is no vector of the index's space.
        """
        query = self._checked(query)
        count = max(64, 8 * k)
        while True:
            rows, scores, all_seen = self.nearest(query, count)
            chosen = self._choose(rows, k, every_window, fold)
            if len(chosen) >= k or all_seen or count >= _MOST:
                break
            count *= 4
        score_of = dict(zip(rows.tolist(), scores.tolist(), strict=True))
        return [
            self._hit(row, score_of[row], similar) for row, similar in chosen.items()
        ]

    def windows(self) -> Iterator[tuple[str, float, float, int]]:
        """Lists what can be found.

        Yields
        ------
        path : str
            A file; each one that holds the sound.
        start : float
            Where the window begins, in seconds.
        end : float
            Where it ends, in seconds.
        row : int
            Where its vector is; see :meth:`embeddings`.
        """
        for sound, first_row, count, samples in self._spans.tolist():
            for path in self.store.paths(sound):
                for window in range(count):
                    times = self._times(window, samples)
                    yield (path, *times, first_row + window)

    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """Looks vectors up.

        Arguments
        ---------
        rows : np.ndarray
            Where they are, ``[windows]``.

        Returns
        -------
        np.ndarray
            ``[windows, dim]``, unit norm.
        """
        return self._vectors[rows]

    def nearest(
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

    def _checked(self, query: np.ndarray) -> np.ndarray:
        query = np.ascontiguousarray(query, dtype=np.float32)
        norm = np.linalg.norm(query)
        if query.shape != (self.model.dim,) or not 0 < norm < np.inf:
            raise SearchError(
                f"a query is a vector [{self.model.dim}] of finite numbers that are "
                f"not all zero, got {list(query.shape)} with the norm {norm}"
            )
        return query / norm

    def _choose(
        self, rows: np.ndarray, k: int, every_window: bool, fold: float | None
    ) -> dict[int, list[int]]:
        """The rows to show, each with the sounds that were folded into it."""
        sounds = self._sounds_of(rows)
        if not every_window:
            first = np.sort(np.unique(sounds, return_index=True)[1])
            rows, sounds = rows[first], sounds[first]
        if fold is None:
            return {row: [] for row in rows[:k].tolist()}
        chosen: dict[int, list[int]] = {}
        vectors = np.empty((0, self.model.dim), dtype=np.float32)
        for row, sound in zip(rows.tolist(), sounds.tolist(), strict=True):
            likeness = vectors @ self._vectors[row]
            if len(likeness) and likeness.max() >= fold:
                chosen[list(chosen)[likeness.argmax()]].append(sound)
            elif len(chosen) < k:
                chosen[row] = []
                vectors = np.vstack([vectors, self._vectors[row]])
        return chosen

    def _sounds_of(self, rows: np.ndarray) -> np.ndarray:
        """Places in the list of sounds."""
        return np.searchsorted(self._spans[:, 1], rows, side="right") - 1

    def _hit(self, row: int, score: float, similar: Sequence[int]) -> Hit:
        place = self._sounds_of(np.array([row]))[0]
        sound, first_row, _, samples = self._spans[place].tolist()
        paths = self.store.paths(sound)
        start, end = self._times(row - first_row, samples)
        folded = {p for other in similar for p in self.store.paths(self._id(other))}
        return Hit(
            score=score,
            path=paths[0],
            start=start,
            end=end,
            duration=samples / self.model.sample_rate,
            sound=sound,
            row=row,
            copies=tuple(paths[1:]),
            similar=tuple(sorted(folded - set(paths))),
        )

    def _id(self, place: int) -> int:
        return int(self._spans[place, 0])

    def _times(self, window: int, samples: int) -> tuple[float, float]:
        """In seconds: the last window ends with the file."""
        size, rate = self.model.clip_samples, self.model.sample_rate
        start = min(window * size, max(samples - size, 0))
        return start / rate, min(start + size, samples) / rate
