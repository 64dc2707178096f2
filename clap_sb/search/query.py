"""Several queries as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clap_sb.search.errors import SearchError


def combine(
    embeddings: np.ndarray, weights: Sequence[float] | None = None
) -> np.ndarray:
    """Adds queries up: of texts, sounds or pictures, in any mixture.

    The score of a sum is the weighted sum of the cosines, over its length.

    Arguments
    ---------
    embeddings : np.ndarray
        ``[queries, dim]``, unit norm.
    weights : sequence of float, optional
        One for each; a negative one leads away from its query. All 1 unless given.

    Returns
    -------
    np.ndarray
        ``[dim]``, unit norm.

    Raises
    ------
    SearchError
        If there is no query, the weights are not as many, or the sum is zero or not
        finite.

    Example
    -------
    >>> combine(np.eye(2), weights=[1, 0]).tolist()
    [1.0, 0.0]
    """
    embeddings = np.asarray(embeddings, dtype=np.float32)
    weights = [1.0] * len(embeddings) if weights is None else list(weights)
    if not len(embeddings):
        raise SearchError("there is no query: give a text, a sound or a picture")
    if len(weights) != len(embeddings):
        raise SearchError(
            f"there are {len(embeddings)} queries and {len(weights)} weights: give one "
            "weight for each: texts first, then sounds, then pictures"
        )
    with np.errstate(over="ignore", invalid="ignore"):  # told below
        total = np.array(weights, dtype=np.float32) @ embeddings
    norm = np.linalg.norm(total)
    if not np.isfinite(norm):
        raise SearchError(
            "the sum of the queries is not finite: look at their weights; where those "
            "are in order, the model is damaged"
        )
    if not norm > 1e-6:
        raise SearchError("the queries cancel each other out: change their weights")
    return total / norm
