"""What is searched for, as one vector."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from clap_sb.data.audio import AudioError
from clap_sb.data.printable import printable
from clap_sb.search.errors import SearchError
from clap_sb.search.searcher import Searcher
from clap_sb.serve.examples import Examples, Sent
from clap_sb.serve.wanted import Wanted

if TYPE_CHECKING:
    import torch

# What leads away does so with half the weight of what is looked for, lest it be all
# that counts.
_WITHOUT = 0.5


class Queries:
    """Embeds what is asked for, and remembers what was sent for it.

    Not for several threads at once.

    Arguments
    ---------
    searcher : Searcher
        The index and its model.
    """

    def __init__(self, searcher: Searcher):
        self._searcher = searcher
        self._examples = Examples()

    @property
    def takes_pictures(self) -> bool:
        """Whether a picture may be sent."""
        try:
            return self._searcher.clap.images is not None
        except ValueError:  # its space is no CLIP's
            return False

    def vector(self, wanted: Wanted, sent: Sent | None) -> tuple[np.ndarray, str]:
        """Adds up what is asked for.

        Arguments
        ---------
        wanted : Wanted
            Words, a sound of the index, a sound or a picture that was sent before.
        sent : Sent or None
            One that is sent now.

        Returns
        -------
        query : np.ndarray
            ``[dim]``, unit norm.
        example : str
            The name that what was sent goes by; empty if there is nothing.

        Raises
        ------
        SearchError
            If there is nothing to search for, or no such sound or example.
        AudioError
            If the sound cannot be used.
        """
        example, index, vectors = wanted.example, self._searcher.index, []
        if sent is not None:
            example = self._examples.keep(sent, self.embedding(sent)[0].numpy())
        if wanted.like is not None:
            row, *_ = index.window(wanted.like, wanted.window)
            vectors.append(index.embeddings(np.array([row]))[0])
        if example:
            vectors.append(self._examples.of(example))
        text, without = wanted.text.strip(), wanted.without.strip()
        if not (text or vectors):
            raise SearchError("there is no query: say what to listen for")
        share, rest = (wanted.words, 1 - wanted.words) if text and vectors else (1, 1)
        weights = [share] * bool(text) + [-_WITHOUT * share] * bool(without)
        query = self._searcher.query(
            [words for words in (text, without) if words],
            weights=weights + [rest] * len(vectors),
            vectors=np.stack(vectors) if vectors else None,
        )
        return query, example

    def embedding(self, sent: Sent) -> torch.Tensor:
        """Embeds a sound, or a picture.

        Arguments
        ---------
        sent : Sent
            Its file.

        Returns
        -------
        torch.Tensor
            ``[1, dim]``, unit norm.

        Raises
        ------
        AudioError
            If the sound cannot be used.
        OSError
            If the picture cannot.
        """
        name = printable(sent.name) or "the file that was sent"
        if not sent.content:
            raise AudioError(f"{name}: the file is empty (0 bytes)")
        clap, file = self._searcher.clap, io.BytesIO(sent.content)
        file.name = name  # what an error calls it
        return clap.encode_image(file) if sent.is_picture else clap.embed_files([file])
