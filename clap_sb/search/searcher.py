"""An index together with its model: words, sounds and pictures in, hits out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clap_sb.search.errors import SearchError
from clap_sb.search.hits import Hit
from clap_sb.search.index import Rescore, SearchIndex
from clap_sb.search.matching import check_model, sources
from clap_sb.search.query import combine

if TYPE_CHECKING:
    from clap_sb.inference import CLAP


class Searcher:
    """Answers queries.

    Not for several threads at once.

    Arguments
    ---------
    index : SearchIndex
        The index.
    clap : CLAP
        The model whose embeddings it holds.

    Raises
    ------
    SearchError
        If it is another model.
    """

    def __init__(self, index: SearchIndex, clap: CLAP):
        check_model(index.store, clap)
        self.index = index
        self.clap = clap

    @classmethod
    def open(
        cls,
        folder: str | os.PathLike,
        checkpoint: str | None = None,
        tokenizer: str | None = None,
        device: str | None = None,
        trust: bool = False,
        **how: Any,
    ) -> Searcher:
        """Opens an index and its model.

        Arguments
        ---------
        folder : str or path-like
            The index.
        checkpoint : str, optional
            The model, if it is no longer where the index notes it.
        tokenizer : str, optional
            The text tower's, likewise.
        device : str, optional
            Where the model goes.
        trust : bool
            Whether it may be of classes that are not clap_sb's.
        **how
            What computes it: ``runtime``, ``precision`` and ``tell`` of
            :class:`~clap_sb.inference.clap.CLAP`.

        Returns
        -------
        Searcher

        Raises
        ------
        SearchError
            If there is no index, or the model is not its own.
        CheckpointError
            If the model cannot be loaded.
        """
        index = SearchIndex(folder)
        checkpoint, tokenizer = sources(index.model, checkpoint, tokenizer)
        # heavy: whoever named no index should not wait for it
        from clap_sb.inference import CLAP

        clap = CLAP.from_checkpoint(checkpoint, tokenizer, device, trust=trust, **how)
        return cls(index, clap)

    def refresh(self) -> None:
        """Opens the index again if it was changed since."""
        if self.index.is_outdated():
            index = SearchIndex(self.index.store.folder)
            if index.model != self.index.model:
                check_model(index.store, self.clap)
            self.index = index

    def find(
        self,
        texts: Sequence[str] = (),
        sounds: Sequence[str | os.PathLike] = (),
        weights: Sequence[float] | None = None,
        pictures: Sequence[str | os.PathLike] = (),
        clip: str | None = None,
        vectors: np.ndarray | None = None,
        k: int = 10,
        every_window: bool = False,
        fold: float | None = None,
        rescore: Rescore | None = None,
    ) -> list[Hit]:
        """Finds the sounds that are nearest to a sum of queries.

        Arguments
        ---------
        texts : sequence of str
            What is to be heard.
        sounds : sequence of str or path-like
            Files that sound like it.
        weights : sequence of float, optional
            One for each text, sound, picture and vector, in this order; 1 unless given.
        pictures : sequence of str or path-like
            Image files that fit it, for models whose space is a CLIP's.
        clip : str, optional
            Where that CLIP is now, if no longer where it was in training.
        vectors : np.ndarray, optional
            Embeddings of whatever else the joint space holds, ``[vectors, dim]``.
        k : int
            Hits wanted.
        every_window : bool
            See `SearchIndex.search`.
        fold : float, optional
            See `SearchIndex.search`.
        rescore : callable, optional
            See `SearchIndex.search`.

        Returns
        -------
        list of Hit
            The best first.

        Raises
        ------
        SearchError
            If there is no query, one is no text, or the weights do not fit.
        AudioError
            If a sound cannot be read.
        ValueError
            If there is a picture, and the model's space is no CLIP's.
        """
        query = self.query(texts, sounds, weights, pictures, clip, vectors)
        return self.index.search(query, k, every_window, fold, rescore)

    def query(
        self,
        texts: Sequence[str] = (),
        sounds: Sequence[str | os.PathLike] = (),
        weights: Sequence[float] | None = None,
        pictures: Sequence[str | os.PathLike] = (),
        clip: str | None = None,
        vectors: np.ndarray | None = None,
    ) -> np.ndarray:
        """Makes one vector of several queries.

        Arguments
        ---------
        texts, sounds, weights, pictures, clip, vectors
            See :meth:`find`.

        Returns
        -------
        np.ndarray
            ``[dim]``, unit norm, for `SearchIndex.search`.

        Raises
        ------
        SearchError, AudioError, ValueError
            As :meth:`find` does.
        """
        parts = []
        if texts:
            _check_texts(texts)
            parts.append(self.clap.encode_text(list(texts)).numpy())
        if sounds:
            parts.append(self.clap.embed_files([Path(s) for s in sounds]).numpy())
        if pictures:
            paths = [Path(picture) for picture in pictures]
            parts.append(self.clap.encode_image(paths, clip).numpy())
        if vectors is not None:
            parts.append(np.asarray(vectors, dtype=np.float32))
        if not parts:
            raise SearchError("there is no query: give a text, a sound or a picture")
        return combine(np.concatenate(parts), weights)


def _check_texts(texts: Sequence[str]) -> None:
    # heavy: who asks with a sound alone should not wait for it
    from clap_sb.encoders.readable import is_blank, why_unreadable

    for text in texts:
        if (reason := why_unreadable(text)) is not None:
            raise SearchError(f"a query {reason}")
        if is_blank(text):
            raise SearchError("a query is empty: say what to listen for")
