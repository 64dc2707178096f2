"""What the training loop goes by, taken from the loader of the training pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from speechbrain.dataio.dataloader import SaveableDataLoader

from clap_sb.data.epoch_sampler import EpochSampler
from clap_sb.data.pairs import PairDataset


@dataclass(frozen=True)
class TrainingPlan:
    """Lengths that the schedule and the losses depend on.

    Arguments
    ---------
    steps : int
        Optimizer steps an epoch.
    clips : int
        Clips that a training loss goes over: a batch of each rank.
    captions : int
        Captions of each that it goes over, on average.

    Example
    -------
    >>> TrainingPlan.of([1, 2, 3], accumulation=1)
    Traceback (most recent call last):
    ...
    ValueError: a training loader is one that brain.make_dataloader(pair_dataset, \
Stage.TRAIN, batch_size=..., collate_fn=...) builds, not a list: what is drawn for a \
clip and where a killed run goes on depend on it. Give fit that, or the PairDataset
    """

    steps: int
    clips: int
    captions: int

    @classmethod
    def of(cls, loader: Any, accumulation: int) -> TrainingPlan:
        """Reads it off a loader.

        Arguments
        ---------
        loader : SaveableDataLoader
            As :func:`~clap_sb.training.train_loader.train_loader` builds it.
        accumulation : int
            Batches a step.

        Returns
        -------
        TrainingPlan

        Raises
        ------
        ValueError
            If the loader is of another kind.
        """
        known = isinstance(loader, SaveableDataLoader)
        known = known and isinstance(loader.sampler, EpochSampler)
        if not (known and isinstance(loader.dataset, PairDataset)):
            raise ValueError(
                "a training loader is one that brain.make_dataloader(pair_dataset, "
                "Stage.TRAIN, batch_size=..., collate_fn=...) builds, not a "
                f"{type(loader).__name__}: what is drawn for a clip and where a killed "
                "run goes on depend on it. Give fit that, or the PairDataset"
            )
        ranks = 1
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            ranks = torch.distributed.get_world_size()
        captions = 1
        if loader.dataset.takes_all_captions:
            counts = [len(clip.captions) for clip in loader.dataset.clips]
            captions = round(sum(counts) / len(counts))
        steps = len(loader) // accumulation
        return cls(steps, ranks * loader.batch_size, captions)
