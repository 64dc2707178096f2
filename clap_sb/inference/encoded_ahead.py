"""Groups of windows to embeddings: in order, and ahead of whoever takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

import torch

from clap_sb.inference.ahead import ahead, threads
from clap_sb.inference.tower_threads import tower_threads

if TYPE_CHECKING:
    from clap_sb.inference.listener import Heard, Listener

_AT_ONCE = 4
"""Windows that a thread computes at once, by itself: sixteen take a fifth longer each,
since their maps do not stay in its core's caches."""

_Whose = TypeVar("_Whose")
_Group = tuple[_Whose, list[torch.Tensor]]


def encoded_ahead(
    clap: Listener,
    groups: Iterable[_Group[_Whose]],
    embed: Callable[[Heard], torch.Tensor] | None = None,
    turn: AbstractContextManager[object] | None = None,
) -> Iterator[tuple[_Whose, torch.Tensor]]:
    """Embeds groups of windows.

    As many groups as the model has ``tower_workers`` go through it side by side, each
    in a thread, some windows at once. What does not make so many goes by itself, each
    group as one batch, with all threads of torch, while the front end hears the next
    one.

    Arguments
    ---------
    clap : Listener
        The model.
    groups : iterable of (anything, list of torch.Tensor)
        Whose windows they are, and the windows, ``[time]`` each; there may be none.
        Taken one by one, by the thread that takes the embeddings.
    embed : callable, optional
        From what the front end gives to rows; ``clap.encode_heard`` unless given.
    turn : context manager, optional
        Entered for each batch, by the thread that takes the embeddings: they go through
        the tower one by one then.

    Yields
    ------
    whose
        As it was given.
    rows : torch.Tensor
        ``[windows, joint_dim]``, on the CPU; none for no windows.

    Example
    -------
    >>> class Loudness:
    ...     tower_workers = 2
    ...
    ...     def hear_unlearned(self, windows):
    ...         return torch.stack(windows)
    ...
    ...     def encode_heard(self, heard):
    ...         return heard.abs().mean(1, keepdim=True)
    >>> groups = [("a", [torch.ones(3), torch.zeros(3)]), ("b", []), ("c", [])]
    >>> found = encoded_ahead(Loudness(), groups)
    >>> [(whose, rows.flatten().tolist()) for whose, rows in found]
    [('a', [1.0, 0.0]), ('b', []), ('c', [])]
    """
    embed = embed or clap.encode_heard

    def hear(group: _Group[_Whose]) -> tuple[_Whose, Heard | None]:
        whose, windows = group
        return whose, clap.hear_unlearned(windows) if windows else None

    @torch.no_grad()  # which each thread has to be told
    def embedded(group: tuple[_Whose, Heard | None]) -> tuple[_Whose, torch.Tensor]:
        whose, heard = group
        return whose, torch.empty(0) if heard is None else embed(heard)

    def encoded(group: _Group[_Whose]) -> tuple[_Whose, torch.Tensor]:
        whose, windows = group
        starts = range(0, max(1, len(windows)), _AT_ONCE)
        parts = ((whose, windows[start : start + _AT_ONCE]) for start in starts)
        return whose, torch.cat([embedded(hear(part))[1] for part in parts])

    rest = groups
    workers = 1 if turn is not None else clap.tower_workers
    if workers > 1:
        rest = []
        full = _full_rounds(groups, workers, rest)
        with tower_threads(workers) as pool:
            yield from ahead(pool, encoded, full, 2 * workers)
    with threads(1) as hearer:
        for heard in ahead(hearer, hear, rest, 2):
            with turn or nullcontext():
                result = embedded(heard)
            yield result


def _full_rounds(
    groups: Iterable[_Group[_Whose]], size: int, left: list[_Group[_Whose]]
) -> Iterator[_Group[_Whose]]:
    """Gives groups as soon as so many of them have windows, and leaves the last few."""
    few: list[_Group[_Whose]] = []
    for group in groups:
        few.append(group)
        if sum(bool(windows) for _, windows in few) in (0, size):
            yield from few
            few = []
    left += few
