"""The clips behind the loader of a validation or test set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clap_sb.data.manifest import Clip
from clap_sb.training.data_sets import WholeSet, check_set


def validation_clips(loader: Any) -> Sequence[Clip]:
    """Clips that a loader's batches are drawn from.

    Arguments
    ---------
    loader : torch.utils.data.DataLoader
        Over a :class:`~clap_sb.training.data_sets.WholeSet`.

    Returns
    -------
    sequence of Clip

    Raises
    ------
    ValueError
        If the loader is over something else, or its clips are fewer or more than it.

    Example
    -------
    >>> from torch.utils.data import DataLoader
    >>> from clap_sb.data.whole_clips import WholeClipDataset
    >>> clip = Clip("a", "/audio/a.wav", 5.0, ("a dog",))
    >>> loader = DataLoader(WholeClipDataset([clip], 16000))
    >>> validation_clips(loader) == [clip]
    True
    """
    dataset = getattr(loader, "dataset", loader)
    check_set(dataset, WholeSet)
    if len(dataset.clips) != len(dataset):
        raise ValueError(
            f"a {type(dataset).__name__} has {len(dataset)} items and tells of "
            f"{len(dataset.clips)} clips: they must be the same, in one order"
        )
    return dataset.clips
