"""Similarity of embeddings, as the metrics need it: checked and exact."""

from __future__ import annotations

import torch
from torch import Tensor

# Rounding must not decide a rank: similarities this close count as equal.
TIE_TOLERANCE = 1e-6

_NORM_TOLERANCE = 1e-3


def check_embeddings(**embeddings: Tensor) -> None:
    """Makes sure that embeddings can be compared by their dot products.

    Arguments
    ---------
    **embeddings : torch.Tensor
        Embeddings ``[items, dim]``, each under the name used in the messages.

    Raises
    ------
    ValueError
        If one is not a matrix with at least one row, is not finite or not of
        unit norm (within 1e-3), or if their dimensions differ.

    Example
    -------
    >>> check_embeddings(audio=torch.eye(3), text=torch.eye(3)[:2])
    >>> check_embeddings(audio=2 * torch.eye(3))
    Traceback (most recent call last):
        ...
    ValueError: audio: row 0 has norm 2, not 1; use torch.nn.functional.normalize first
    """
    for name, embedding in embeddings.items():
        if embedding.ndim != 2 or len(embedding) == 0:
            raise ValueError(
                f"{name}: expected embeddings [items, dim] with at least one row, "
                f"got shape {tuple(embedding.shape)}"
            )
        _check_rows(name, torch.linalg.vector_norm(embedding.detach().float(), dim=1))
    dims = {name: embedding.shape[1] for name, embedding in embeddings.items()}
    if len(set(dims.values())) > 1:
        raise ValueError(
            f"embeddings of different dimensions {dims}; they must come from the "
            "two projections of one model"
        )


def _check_rows(name: str, norms: Tensor) -> None:
    """Raises for the first row that is not finite, or not of unit norm."""
    broken = (~norms.isfinite()).nonzero()
    if len(broken):
        raise ValueError(
            f"{name}: {len(broken)} rows are not finite, the first is row "
            f"{int(broken[0])}; look for broken audio or a diverged model"
        )
    unscaled = ((norms - 1).abs() > _NORM_TOLERANCE).nonzero()
    if len(unscaled):
        row = int(unscaled[0])
        raise ValueError(
            f"{name}: row {row} has norm {norms[row].item():g}, not 1; use "
            "torch.nn.functional.normalize first"
        )


def similarity(left: Tensor, right: Tensor) -> Tensor:
    """Cosine similarity of all pairs of two sets of unit-norm embeddings.

    Computed in float64: neither autocast nor TF32 (which SpeechBrain turns on)
    touches it, so that a rank depends on the embeddings alone.

    Arguments
    ---------
    left : torch.Tensor
        Embeddings ``[num_left, dim]``.
    right : torch.Tensor
        Embeddings ``[num_right, dim]``.

    Returns
    -------
    torch.Tensor
        Similarities ``[num_left, num_right]``, float64 (float32 on MPS).

    Example
    -------
    >>> similarity(torch.eye(2), torch.eye(2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    with torch.autocast(left.device.type, enabled=False):
        return _exact(left) @ _exact(right).T


def paired_similarity(left: Tensor, right: Tensor) -> Tensor:
    """Cosine similarity of each row with the row beside it.

    Arguments
    ---------
    left : torch.Tensor
        Unit-norm embeddings ``[num_pairs, dim]``.
    right : torch.Tensor
        Unit-norm embeddings ``[num_pairs, dim]``.

    Returns
    -------
    torch.Tensor
        Similarities ``[num_pairs]``, float64 (float32 on MPS).

    Example
    -------
    >>> paired_similarity(torch.eye(2), torch.eye(2)).tolist()
    [1.0, 1.0]
    """
    return (_exact(left) * _exact(right)).sum(dim=1)


def precision(device: torch.device) -> torch.dtype:
    """The floating-point type that similarities have on a device.

    Arguments
    ---------
    device : torch.device
        Device of the embeddings.

    Returns
    -------
    torch.dtype
        float64; float32 on MPS, which has nothing finer.

    Example
    -------
    >>> precision(torch.device("cpu"))
    torch.float64
    """
    return torch.float32 if device.type == "mps" else torch.float64


def _exact(embedding: Tensor) -> Tensor:
    """The embedding in the precision of similarities."""
    return embedding.to(precision(embedding.device))
