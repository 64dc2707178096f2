"""Against hubs: windows that are near to every query."""

from __future__ import annotations

import numpy as np

from clap_sb.search.index import Rescore


def against_bank(bank: np.ndarray, method: str = "nnn") -> Rescore:
    """Makes what corrects scores by those of a bank of other queries.

    Arguments
    ---------
    bank : np.ndarray
        Embeddings of typical queries, ``[bank, dim]``, such as a training set's
        captions; not the queries that are asked.
    method : str
        One of :data:`clap_sb.evaluation.rescoring.METHODS`.

    Returns
    -------
    callable
        For `SearchIndex.search`. What it gives ranks, and is no cosine any more.

    Example
    -------
    >>> bank = np.array([[1.0, 0.0], [0.8, 0.6]])  # all of them near to the first axis
    >>> correct = against_bank(bank, "inverted_softmax")
    >>> int(correct(np.array([0.6, 0.5]), np.eye(2)).argmax())
    1
    """

    def correct(scores: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        import torch

        from clap_sb.evaluation.rescoring import rescore

        similarity = torch.as_tensor(scores)[None]
        of_bank = torch.as_tensor(bank @ vectors.T)
        return rescore(similarity, of_bank, method)[0].numpy()

    return correct
