"""Training-free re-scoring against hubs: items that are close to every query.

In a space of many dimensions some clips are among the best answers to very many
captions (hubs), whether they fit or not. What is learned from a bank of other queries
takes that back: how close an item is to queries in general.

The bank (:class:`~clap_sb.evaluation.query_bank.QueryBank`) holds *training* captions
(or clips), never the queries of the test: statistics over these would make the answer
to one query depend on the others, which nobody has who searches, and scores with it are
not comparable with any others.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor


def inverted_softmax(
    similarity: Tensor, bank: Tensor, temperature: float = 0.05
) -> Tensor:
    """Softmax over queries instead of items (Smith et al., ICLR 2017).

    An item's score is its share of ``exp(similarity / temperature)`` among the bank's
    queries; it is given as a logarithm times the temperature, which ranks the same and
    stays near to a cosine.

    Arguments
    ---------
    similarity : torch.Tensor
        ``[queries, items]``.
    bank : torch.Tensor
        Of the bank's queries ``[bank, items]``.
    temperature : float
        Positive; small ones look at an item's closest queries only.

    Returns
    -------
    torch.Tensor
        ``[queries, items]``.

    Example
    -------
    >>> similarity = torch.tensor([[0.6, 0.5]])  # the first item is a hub
    >>> inverted_softmax(similarity, torch.tensor([[0.7, 0.1]])).argmax().item()
    1
    """
    _check_positive(temperature=temperature)
    return similarity - temperature * (bank / temperature).logsumexp(0)


def qb_norm(
    similarity: Tensor, bank: Tensor, temperature: float = 0.05, top_k: int = 1
) -> Tensor:
    """Inverted softmax where a hub is about to win (QB-Norm, Bogolin et al., 2022).

    A query keeps its similarities unless its best item is among the ``top_k`` best of
    any query of the bank.

    Arguments
    ---------
    similarity : torch.Tensor
        ``[queries, items]``.
    bank : torch.Tensor
        Of the bank's queries ``[bank, items]``.
    temperature : float
        See :func:`inverted_softmax`.
    top_k : int
        How many answers of a bank's query count as activated.

    Returns
    -------
    torch.Tensor
        ``[queries, items]``.

    Example
    -------
    >>> similarity = torch.tensor([[0.6, 0.5, 0.1], [0.1, 0.2, 0.9]])
    >>> bank = torch.tensor([[0.7, 0.1, 0.1]])
    >>> qb_norm(similarity, bank).argmax(1).tolist()
    [1, 2]
    """
    _check_positive(top_k=top_k)
    best = bank.topk(min(top_k, bank.shape[1]), dim=1).indices
    activated = torch.zeros(bank.shape[1], dtype=torch.bool, device=bank.device)
    activated[best.flatten()] = True
    is_hub = activated[similarity.argmax(1)]
    corrected = inverted_softmax(similarity, bank, temperature)
    return torch.where(is_hub[:, None], corrected, similarity)


def nearest_neighbours(
    similarity: Tensor, bank: Tensor, neighbours: int = 128, weight: float = 0.75
) -> Tensor:
    """Nearest-neighbour normalisation (NNN, Chowdhury et al., 2410.24114).

    From each item's similarities, the mean of those to its nearest queries of the bank
    is taken, times a weight.

    Arguments
    ---------
    similarity : torch.Tensor
        ``[queries, items]``.
    bank : torch.Tensor
        Of the bank's queries ``[bank, items]``.
    neighbours : int
        How many of the bank's queries count, at most all of them.
    weight : float
        Positive; how much is taken off.

    Returns
    -------
    torch.Tensor
        ``[queries, items]``.

    Example
    -------
    >>> similarity, bank = torch.tensor([[0.6, 0.5]]), torch.tensor([[0.7, 0.1]])
    >>> nearest_neighbours(similarity, bank, neighbours=1, weight=0.5)
    tensor([[0.2500, 0.4500]])
    """
    _check_positive(neighbours=neighbours, weight=weight)
    if neighbours > len(bank):
        raise ValueError(
            f"neighbours={neighbours} is more than the {len(bank)} queries of the "
            "bank: give fewer, or a larger bank"
        )
    return similarity - weight * bank.topk(neighbours, dim=0).values.mean(0)


METHODS: dict[str, Callable[..., Tensor]] = {
    "inverted_softmax": inverted_softmax,
    "qb_norm": qb_norm,
    "nnn": nearest_neighbours,
}


def rescore(
    similarity: Tensor, bank_similarity: Tensor, method: str, **numbers: float
) -> Tensor:
    """Corrects similarities for hubs among the items.

    Arguments
    ---------
    similarity : torch.Tensor
        Cosines of queries and items ``[queries, items]``.
    bank_similarity : torch.Tensor
        Of the bank's queries and the same items ``[bank, items]``.
    method : str
        One of :data:`METHODS`.
    **numbers : float
        Its parameters, where they differ from the defaults.

    Returns
    -------
    torch.Tensor
        ``[queries, items]``, float64; for ranking, they are no cosines any more.

    Raises
    ------
    ValueError
        If the method or a parameter is unknown, or shapes do not fit.

    Example
    -------
    >>> similarity, bank = torch.tensor([[0.6, 0.5]]), torch.tensor([[0.7, 0.1]])
    >>> rescore(similarity, bank, "nnn", neighbours=1).argmax().item()
    1
    """
    described(method, numbers)
    if (
        bank_similarity.ndim != 2
        or len(bank_similarity) == 0
        or bank_similarity.shape[1] != similarity.shape[1]
    ):
        raise ValueError(
            f"a bank's similarities are [bank, {similarity.shape[1]}] with at least "
            f"one query, got {list(bank_similarity.shape)}"
        )
    return METHODS[method](similarity.double(), bank_similarity.double(), **numbers)


def described(method: str, numbers: dict[str, float]) -> str:
    """Names a method with all of its numbers, for the protocol card.

    Arguments
    ---------
    method : str
        One of :data:`METHODS`.
    numbers : dict
        Parameters that differ from the defaults.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the method, or one of its parameters, is unknown.

    Example
    -------
    >>> described("nnn", {"neighbours": 16})
    'nnn (neighbours 16, weight 0.75)'
    """
    if method not in METHODS:
        raise ValueError(f"rescoring is one of {', '.join(METHODS)}, not {method!r}")
    parameters = list(inspect.signature(METHODS[method]).parameters.values())[2:]
    values = {parameter.name: parameter.default for parameter in parameters}
    unknown = [name for name in numbers if name not in values]
    if unknown:
        raise ValueError(
            f"{method} has no parameter {', '.join(unknown)}; it has "
            f"{', '.join(values)}"
        )
    told = ", ".join(f"{name} {value}" for name, value in {**values, **numbers}.items())
    return f"{method} ({told})"


def _check_positive(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name}={value} must be positive")
