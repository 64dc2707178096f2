"""What is searched for, as one vector."""

from __future__ import annotations

import numpy as np

from clap_sb.search.errors import SearchError
from clap_sb.search.searcher import Searcher
from clap_sb.serve.examples import Examples, Sent
from clap_sb.serve.fair_lock import FairLock
from clap_sb.serve.listening import embedding_of
from clap_sb.serve.wanted import Wanted

# What leads away does so with half the weight of what is looked for, lest it be all
# that counts.
_WITHOUT = 0.5


class Queries:
    """Embeds what is asked for, and remembers what was sent for it.

    Arguments
    ---------
    searcher : Searcher
        The index and its model.
    lock : FairLock
        Held while they are asked.
    """

    def __init__(self, searcher: Searcher, lock: FairLock):
        self._searcher = searcher
        self._lock = lock
        self._examples = Examples()

    @property
    def takes_pictures(self) -> bool:
        """Whether a picture may be sent."""
        try:
            return self._searcher.clap.images is not None
        except ValueError:  # its space is no CLIP's
            return False

    def of_sent(self, sent: Sent) -> tuple[str, np.ndarray]:
        """Embeds what was sent, and keeps that; not for who holds the lock.

        Arguments
        ---------
        sent : Sent
            A sound or a picture.

        Returns
        -------
        example : str
            The name that it goes by from now on.
        embedding : np.ndarray
            ``[dim]``, unit norm.

        Raises
        ------
        AudioError, OSError, ValueError
            As of :func:`~clap_sb.serve.listening.embedding_of`.
        """
        embedding = embedding_of(self._searcher.clap, sent, self._lock)[0].numpy()
        with self._lock:
            return self._examples.keep(sent, embedding), embedding

    def vector(self, wanted: Wanted, example: np.ndarray | None = None) -> np.ndarray:
        """Adds up what is asked for; for who holds the lock.

        Arguments
        ---------
        wanted : Wanted
            Words, a sound of the index, a sound or a picture that was sent before.
        example : np.ndarray, optional
            The embedding of one that is sent now, ``[dim]``.

        Returns
        -------
        np.ndarray
            ``[dim]``, unit norm.

        Raises
        ------
        SearchError
            If there is nothing to search for, or no such sound or example.
        """
        index, vectors = self._searcher.index, []
        if wanted.like is not None:
            row, *_ = index.window(wanted.like, wanted.window)
            vectors.append(index.embeddings(np.array([row]))[0])
        if example is None and wanted.example:
            example = self._examples.of(wanted.example)
        if example is not None:
            vectors.append(example)
        text, without = wanted.text.strip(), wanted.without.strip()
        if not (text or vectors):
            raise SearchError("there is no query: say what to listen for")
        share, rest = (wanted.words, 1 - wanted.words) if text and vectors else (1, 1)
        weights = [share] * bool(text) + [-_WITHOUT * share] * bool(without)
        return self._searcher.query(
            [words for words in (text, without) if words],
            weights=weights + [rest] * len(vectors),
            vectors=np.stack(vectors) if vectors else None,
        )
