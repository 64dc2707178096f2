"""An index, opened for queries."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from clap_sb.search.approximate import PROBES, Approximate
from clap_sb.search.compaction import alive_rows
from clap_sb.search.errors import SearchError
from clap_sb.search.hits import Hit
from clap_sb.search.nearest import Nearest
from clap_sb.search.records import ModelFacts
from clap_sb.search.store import Store

# Vectors looked at for one query, to find sounds that differ.
_MOST = 50_000
# Vectors that are scored again, where that is asked for.
_RESCORED = 1000


Rescore = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
        self._version = self.store.version()
        with self.store.snapshot():
            self._open(probes)

    def _open(self, probes: int) -> None:
        self.model: ModelFacts = self.store.model
        self._spans = self.store.spans()
        rows = self.store.num_rows
        self._vectors = self.store.vectors.mapped(rows)
        self._alive = alive_rows(self._spans, rows)
        approximate = self.store.part("approximate")
        if approximate is not None:
            approximate = Approximate(approximate, self.model.dim, rows, probes)
        self._nearest = Nearest(self._vectors, self._alive, approximate)

    @property
    def num_sounds(self) -> int:
        """Sounds that differ in their bytes."""
        return len(self._spans)

    @property
    def sounds(self) -> np.ndarray:
        """Their ids, ``[sounds]``, in the order of their vectors."""
        return self._spans[:, 0]

    @property
    def num_windows(self) -> int:
        """Vectors that can be found."""
        return int(self._spans[:, 2].sum())

    @property
    def is_exact(self) -> bool:
        """Whether a query is compared with all vectors."""
        return self._nearest.is_exact

    def search(
        self,
        query: np.ndarray,
        k: int = 10,
        every_window: bool = False,
        fold: float | None = None,
        rescore: Rescore | None = None,
        among: np.ndarray | None = None,
    ) -> list[Hit]:
        """Finds the sounds that are nearest to a query.

        Arguments
        ---------
        query : np.ndarray
            ``[dim]``, of any length but zero; from `combine`, for instance.
        k : int
            Hits wanted.
        every_window : bool
            Whether a sound may be found more than once, by several windows.
        fold : float, optional
            Cosine from which on a window is a near-duplicate of a better hit, and
            listed with it.
        rescore : callable, optional
            Scores and vectors ``[rows, dim]`` of the nearest 1,000 windows to better
            scores ``[rows]``; see :func:`~clap_sb.search.against_bank.against_bank`.
        among : np.ndarray, optional
            Ids of the sounds that may be found, ``[sounds]``; all unless given.

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
        count = max(64 if rescore is None else _RESCORED, 8 * k)
        nearest = (
            self._nearest
            if among is None
            else self._nearest.among(
                alive_rows(
                    self._spans[np.isin(self._spans[:, 0], among)], self._alive.size
                )
            )
        )
        for rows, scores in nearest.growing(query, count, _MOST):
            if rescore is not None and len(rows):
                scores = rescore(scores, self._vectors[rows])
                order = np.argsort(-scores, kind="stable")
                rows, scores = rows[order], scores[order]
            chosen = self._choose(rows, k, every_window, fold)
            if len(chosen) >= k:
                break
        score_of = dict(zip(rows.tolist(), scores.tolist(), strict=True))
        hits = []
        for row, folded in chosen.items():
            others = [self._hit(other, score_of[other]) for other in folded]
            hits.append(self._hit(row, score_of[row], [h for h in others if h]))
        return [hit for hit in hits if hit is not None]

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
            for path in self.store.files_of(sound):
                for window in range(count):
                    times = self._times(window, samples)
                    yield (path, *times, first_row + window)

    def window(self, sound: int, number: int) -> tuple[int, float, float]:
        """Finds a window of a sound, also after its vector was moved.

        Arguments
        ---------
        sound : int
            Id of the sound.
        number : int
            Which of its windows, from 0.

        Returns
        -------
        row : int
            Where its vector is.
        start : float
            Where it begins, in seconds.
        end : float
            Where it ends, in seconds.

        Raises
        ------
        SearchError
            If there is none.
        """
        spans = self._spans[self._spans[:, 0] == sound].tolist()
        if not (spans and 0 <= number < spans[0][2]):
            raise SearchError(
                f"there is no window {number} of a sound {sound} in "
                f"{self.store.folder}, or not any more: search again"
            )
        _, first_row, _, samples = spans[0]
        return (first_row + number, *self._times(number, samples))

    def hit(self, sound: int, number: int) -> Hit | None:
        """Gives a window of a sound as if it had been found, with no score.

        Arguments
        ---------
        sound : int
            Id of the sound.
        number : int
            Which of its windows, from 0.

        Returns
        -------
        Hit or None
            Its score is NaN; None if there is no such window, or not any more.
        """
        windows = self.windows_of(sound)
        if not 0 <= number < len(windows):
            return None
        return self._hit(windows[number][0], math.nan)

    def windows_of(self, sound: int) -> list[tuple[int, float, float]]:
        """Lists the windows of a sound.

        Arguments
        ---------
        sound : int
            Id of the sound.

        Returns
        -------
        list of tuple
            Row, start and end of each, as of :meth:`window`; empty if there is no
            such sound, or not any more.
        """
        spans = self._spans[self._spans[:, 0] == sound].tolist()
        return [
            (first_row + window, *self._times(window, samples))
            for _, first_row, count, samples in spans
            for window in range(count)
        ]

    def is_outdated(self) -> bool:
        """Whether another process has changed the index since it was opened."""
        return self.store.version() != self._version

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
        """The rows to show, each with those that were folded into it."""
        sounds = self._sounds_of(rows)
        if not every_window:
            first = np.sort(np.unique(sounds, return_index=True)[1])
            rows, sounds = rows[first], sounds[first]
        if fold is None:
            return {row: [] for row in rows[:k].tolist()}
        chosen: dict[int, list[int]] = {}
        vectors = np.empty((0, self.model.dim), dtype=np.float32)
        for row in rows.tolist():
            likeness = vectors @ self._vectors[row]
            if len(likeness) and likeness.max() >= fold:
                chosen[list(chosen)[likeness.argmax()]].append(row)
            elif len(chosen) < k:
                chosen[row] = []
                vectors = np.vstack([vectors, self._vectors[row]])
        return chosen

    def _sounds_of(self, rows: np.ndarray) -> np.ndarray:
        """Places in the list of sounds."""
        return np.searchsorted(self._spans[:, 1], rows, side="right") - 1

    def _hit(self, row: int, score: float, folded: Sequence[Hit] = ()) -> Hit | None:
        """None if its files went away after the index was opened."""
        place = self._sounds_of(np.array([row]))[0]
        sound, first_row, _, samples = self._spans[place].tolist()
        paths = list(self.store.files_of(sound))
        if not paths:
            return None
        if len(paths) > 1:  # a sorting that keeps the order of those that are there
            paths.sort(key=lambda path: not os.path.exists(path))
        start, end = self._times(row - first_row, samples)
        similar = {path for hit in folded for path in (hit.path, *hit.copies)}
        return Hit(
            score=score,
            path=paths[0],
            start=start,
            end=end,
            duration=samples / self.model.sample_rate,
            sound=sound,
            window=row - first_row,
            row=row,
            copies=tuple(paths[1:]),
            similar=tuple(sorted(similar - set(paths))),
            folded=tuple(folded),
        )

    def _times(self, window: int, samples: int) -> tuple[float, float]:
        """In seconds: the last window ends with the file."""
        size, rate = self.model.clip_samples, self.model.sample_rate
        start = min(window * size, max(samples - size, 0))
        return start / rate, min(start + size, samples) / rate
