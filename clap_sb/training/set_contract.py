"""What any data set has to have and give, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, Protocol

import torch
from speechbrain.utils.logger import get_logger
from torch.utils.data import DataLoader

from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import Pair, PairDataset
from clap_sb.data.whole_clips import WholeClipDataset
from clap_sb.encoders.built_again import generators_kept

logger = get_logger(__name__)


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
        If it lacks something, or something is of another kind; what, is named.

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
    wrong = f"it lacks {', '.join(lacking)}" if lacking else _wrong(dataset, protocol)
    if not wrong:
        return
    known = "PairDataset" if protocol is TrainingSet else "WholeClipDataset"
    raise ValueError(
        f"a {type(dataset).__name__} is no {protocol.__name__}: {wrong}. Give a "
        f'{known}, or see docs/extending.md, "A data set of your own"'
    )


def _wrong(dataset: Any, protocol: type) -> str:
    """What is of another kind than it is to be; empty where nothing is."""
    try:
        size = len(dataset)
    except (TypeError, ValueError) as error:
        return f"its len cannot be told ({error})"
    if size == 0:
        return "it has no items"
    if protocol is TrainingSet:
        captions = dataset.captions_an_item
        if isinstance(captions, Integral) and captions >= 1:
            return ""
        return f"captions_an_item is {captions!r}, and no whole number above 0"
    clips = dataset.clips
    if not isinstance(clips, Sequence):
        return f"clips is a {type(clips).__name__}, and no list of Clip"
    if other := {type(clip).__name__ for clip in clips if not isinstance(clip, Clip)}:
        return f"clips has items that are no Clip but a {', '.join(sorted(other))}"
    if len(clips) != size:
        told = f"it has {size} items and tells of {len(clips)} clips"
        return f"{told}, which must be the same, in one order"
    return ""


def tell_of_other_draws(dataset: TrainingSet) -> None:
    """Warns where one item of one epoch is another one when it is asked for again.

    Two items are read, by the main process: a file that a set opens then would be
    shared by loaders' workers, and so it is not for a set that they read.

    Arguments
    ---------
    dataset : TrainingSet
        Pairs; where it gives other items, they are its collate_fn's to know.

    Example
    -------
    >>> class Same:
    ...     def __getitem__(self, key):
    ...         return Pair("a", torch.ones(4), "a dog barks")
    >>> tell_of_other_draws(Same())
    """
    if type(dataset) is PairDataset:
        return
    with generators_kept():
        pairs = [dataset[1, 0] for _ in range(2)]
    if not all(isinstance(p, Pair) and isinstance(p.wav, torch.Tensor) for p in pairs):
        return
    first, again = pairs
    same_words = replace(first, wav=None) == replace(again, wav=None)
    if not (same_words and torch.equal(first.wav, again.wav)):
        logger.warning(
            "%s gives another item for the same epoch and index when it is asked "
            "again: no run can be repeated, and one that is interrupted ends another "
            "way. Draw from generator_for(seed, epoch, id) alone",
            type(dataset).__name__,
        )


def try_whole(loader: DataLoader) -> None:
    """Makes a batch of the first clip of a set that is not ours, before any epoch.

    As :func:`tell_of_other_draws`, not where a loader has workers.

    Arguments
    ---------
    loader : DataLoader
        Of whole clips.

    Raises
    ------
    ItemError
        If it is no item for the loader's collate_fn, or not the one asked for.

    Example
    -------
    >>> from clap_sb.data.whole_clips import WindowCollate
    >>> try_whole(DataLoader([{"sig": 0}], collate_fn=WindowCollate(8)))
    Traceback (most recent call last):
    ...
    clap_sb.data.item_contract.ItemError: a data set gave a dict for an item, and is \
to give a WholeClip (clap_sb.data.whole_clips), or the loader needs a collate_fn of \
your own: see docs/extending.md, "A data set of your own"
    """
    if loader.num_workers or type(loader.dataset) is WholeClipDataset:
        return
    with generators_kept():
        loader.collate_fn([loader.dataset[0]])
