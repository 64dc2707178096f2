"""The loader of the training pairs: same order whatever the number of workers."""

from __future__ import annotations

from typing import Any

import torch
from speechbrain.dataio.dataloader import SaveableDataLoader

from clap_sb.data.epoch_sampler import EpochSampler
from clap_sb.training.data_sets import TrainingSet, check_set
from clap_sb.training.stopping import leave_signals_to_main


def train_loader(
    dataset: TrainingSet, seed: int, accumulation: int, **options: Any
) -> SaveableDataLoader:
    """Builds the loader of this rank's share.

    All batches are full: every rank needs batches of one size, since embeddings are
    gathered across ranks. The global random generator is not drawn from.

    Arguments
    ---------
    dataset : TrainingSet
        Pairs.
    seed : int
        Seed of the order.
    accumulation : int
        Batches a step.
    **options : Any
        ``batch_size`` and further options of the data loader.

    Returns
    -------
    SaveableDataLoader
        Its ``sampler`` is an :class:`~clap_sb.data.epoch_sampler.EpochSampler`.

    Raises
    ------
    ValueError
        If it is no such set, or does not fill one step on each rank.
    """
    check_set(dataset, TrainingSet)
    rank, ranks = 0, 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        rank = torch.distributed.get_rank()
        ranks = torch.distributed.get_world_size()
    loader = SaveableDataLoader(
        dataset,
        sampler=EpochSampler(len(dataset), seed, rank, ranks),
        drop_last=True,
        generator=torch.Generator(),
        **{"worker_init_fn": leave_signals_to_main, **options},
    )
    if len(loader) < accumulation:
        raise ValueError(
            f"{len(dataset)} training clips over {ranks} rank(s) do not fill one step "
            f"of batch_size {options['batch_size']} x grad_accumulation_factor "
            f"{accumulation}: make one of them smaller"
        )
    return loader
