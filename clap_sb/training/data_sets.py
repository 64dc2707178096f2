"""What the loaders ask of a data set, whatever class it is of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from clap_sb.data.manifest import Clip


class TrainingSet(Protocol):
    """Pairs to train on, as :class:`~clap_sb.data.pairs.PairDataset` has them.

    What is drawn for an item must follow from the epoch and the item alone: then a run
    that was killed ends with the same bits, on any number of workers.
    """

    captions_an_item: int
    """Captions that an item has, rounded where they differ: a validation loss goes over
    as many."""

    def __len__(self) -> int:
        """Number of items."""

    def __getitem__(self, key: tuple[int, int]) -> Any:
        """The item for ``(epoch, index)``, such as a ``Pair``, for the collate_fn."""


class WholeSet(Protocol):
    """Whole clips, as :class:`~clap_sb.data.whole_clips.WholeClipDataset` has them."""

    clips: Sequence[Clip]
    """What is known of each item, in the same order; a path is told, and not read."""

    def __len__(self) -> int:
        """Number of clips."""

    def __getitem__(self, index: int) -> Any:
        """The clip in a place, such as a ``WholeClip``, for the collate_fn."""


def check_set(dataset: Any, protocol: type) -> None:
    """Makes sure, before anything is trained or scored, that a data set can be used.

    Arguments
    ---------
    dataset : Any
        What was given.
    protocol : type
        :class:`TrainingSet` or :class:`WholeSet`.

    Raises
    ------
    ValueError
        If it lacks something; what, is named.

    Example
    -------
    >>> check_set([1, 2, 3], WholeSet)
    Traceback (most recent call last):
    ...
    ValueError: a list is no WholeSet: it lacks clips. Give a WholeClipDataset, or see \
docs/extending.md, "A data set of your own"
    """
    members = ("__len__", "__getitem__", *protocol.__annotations__)
    lacking = [name for name in members if not hasattr(dataset, name)]
    if not lacking:
        return
    known = "PairDataset" if protocol is TrainingSet else "WholeClipDataset"
    raise ValueError(
        f"a {type(dataset).__name__} is no {protocol.__name__}: it lacks "
        f"{', '.join(lacking)}. Give a {known}, or see docs/extending.md, "
        '"A data set of your own"'
    )
