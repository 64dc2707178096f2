"""What the training loop goes by, taken from the loader of the training pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from speechbrain.dataio.dataloader import SaveableDataLoader

from clap_sb.data.epoch_sampler import EpochSampler
from clap_sb.training.data_sets import TrainingSet, check_set


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
    ValueError: a training loader is one that brain.make_dataloader(data_set, \
Stage.TRAIN, batch_size=..., collate_fn=...) builds, not a list: what is drawn for a \
clip and where a killed run goes on depend on it. Give fit that, or the data set
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
            If the loader is of another kind, or its data set is none to train on.
        """
        known = isinstance(loader, SaveableDataLoader)
        if not (known and isinstance(loader.sampler, EpochSampler)):
            raise ValueError(
                "a training loader is one that brain.make_dataloader(data_set, "
                "Stage.TRAIN, batch_size=..., collate_fn=...) builds, not a "
                f"{type(loader).__name__}: what is drawn for a clip and where a killed "
                "run goes on depend on it. Give fit that, or the data set"
            )
        check_set(loader.dataset, TrainingSet)
        ranks = 1
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            ranks = torch.distributed.get_world_size()
        captions = loader.dataset.captions_an_item
        steps = len(loader) // accumulation
        return cls(steps, ranks * loader.batch_size, captions)
