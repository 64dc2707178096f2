"""The clips behind the loader of a validation or test set."""

from __future__ import annotations

from typing import Any

from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WholeClipDataset


def validation_clips(loader: Any) -> list[Clip]:
    """Clips that a loader's batches are drawn from.

    Arguments
    ---------
    loader : torch.utils.data.DataLoader
        Over a :class:`~clap_sb.data.whole_clips.WholeClipDataset`.

    Returns
    -------
    list of Clip

    Raises
    ------
    ValueError
        If the loader is over something else.

    Example
    -------
    >>> from torch.utils.data import DataLoader
    >>> clip = Clip("a", "/audio/a.wav", 5.0, ("a dog",))
    >>> loader = DataLoader(WholeClipDataset([clip], 16000))
    >>> validation_clips(loader) == [clip]
    True
    """
    dataset = getattr(loader, "dataset", None)
    if not isinstance(dataset, WholeClipDataset):
        found = loader if dataset is None else dataset
        raise ValueError(
            "validation and test take a WholeClipDataset, or a DataLoader of one with "
            f"WindowCollate, but got a {type(found).__name__}"
        )
    return dataset.clips
