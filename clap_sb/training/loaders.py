"""Loaders of training pairs and whole clips, and what the loop goes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from speechbrain.dataio.dataloader import SaveableDataLoader
from speechbrain.utils.logger import get_logger
from torch import nn
from torch.utils.data import DataLoader, SequentialSampler

from clap_sb.data.epoch_sampler import EpochSampler
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import PairCollate
from clap_sb.data.whole_clips import WholeClipDataset, WindowBatch, WindowCollate
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.loader_worker import leave_signals_to_main
from clap_sb.ranks import of_all_ranks
from clap_sb.training.set_contract import (
    TrainingSet,
    WholeSet,
    check_set,
    tell_of_other_draws,
)

logger = get_logger(__name__)


def train_loader(
    dataset: TrainingSet, seed: int, accumulation: int, **options: Any
) -> SaveableDataLoader:
    """Builds the loader of this rank's share.

    All batches are full: every rank needs batches of one size, since embeddings are
    gathered across ranks. Where one has fewer clips than the others, all take as many.
    The global random generator is not drawn from.

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
    if not options.get("num_workers"):  # a file opened here would be theirs, too
        tell_of_other_draws(dataset)
    rank, ranks = 0, 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        rank = torch.distributed.get_rank()
        ranks = torch.distributed.get_world_size()
    sizes = of_all_ranks(len(dataset))
    if len(set(sizes)) > 1:
        logger.warning(
            "the ranks have different numbers of training clips (%s): the first %d of "
            "each are trained on. See that all of them read the same manifests",
            *(", ".join(map(str, sizes)), min(sizes)),
        )
    loader = SaveableDataLoader(
        dataset,
        sampler=EpochSampler(min(sizes), seed, rank, ranks),
        drop_last=True,
        generator=torch.Generator(),
        **{"worker_init_fn": leave_signals_to_main, **options},
    )
    if len(loader) < accumulation:
        raise ValueError(
            f"{min(sizes)} training clips over {ranks} rank(s) do not fill one step "
            f"of batch_size {options['batch_size']} x grad_accumulation_factor "
            f"{accumulation}: make one of them smaller"
        )
    return loader


class WholeLoader(DataLoader):
    """Loader of whole clips, which need not be read where their batches are known.

    Arguments
    ---------
    *args, **kwargs
        As ``torch.utils.data.DataLoader``.
    """

    known: list[WindowBatch] | None = None

    def __iter__(self) -> Iterator[Any]:
        """Yields what is in ``known``, or reads."""
        return super().__iter__() if self.known is None else iter(self.known)

    def is_plain(self, collate: WindowCollate) -> bool:
        """Whether a batch is known where its clips are, and their files as they were.

        Arguments
        ---------
        collate : WindowCollate
            How batches are put together from whole clips as a rule.

        Returns
        -------
        bool
            False for a data set, an order or a collate_fn of one's own.
        """
        ours = type(self.dataset) is WholeClipDataset and self.collate_fn == collate
        return ours and isinstance(self.sampler, SequentialSampler)


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
            As :func:`train_loader` builds it.
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


def validation_clips(loader: Any) -> Sequence[Clip]:
    """Clips that a loader's batches are drawn from.

    Arguments
    ---------
    loader : torch.utils.data.DataLoader
        Over a :class:`WholeSet`.

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
    return dataset.clips


def dataio_prep(
    hparams: dict[str, Any], splits: Mapping[str, Sequence[Clip]]
) -> dict[str, Any]:
    """Makes the data sets of a run, and how their batches are put together.

    Arguments
    ---------
    hparams : dict
        Built settings: ``train_dataset`` and ``valid_dataset`` make a data set of
        clips, for the model's ``clap``; ``train_dataloader_opts`` and
        ``valid_dataloader_opts`` are given a ``collate_fn``, unless they have one.
    splits : mapping
        The clips of train, valid and test.

    Returns
    -------
    dict
        A :class:`TrainingSet` for train, a :class:`WholeSet` each for valid and test,
        or None where there are no clips.
    """
    clap = hparams["clap"]
    tokenize = _train_tokenize(hparams["text_encoder"], splits["train"])
    whole = WindowCollate(clap.clip_samples, clap.takes_whole_clips)
    hparams["train_dataloader_opts"].setdefault("collate_fn", PairCollate(tokenize))
    hparams["valid_dataloader_opts"].setdefault("collate_fn", whole)
    datasets = {
        split: hparams["valid_dataset"](clips, clap.sample_rate) if clips else None
        for split, clips in splits.items()
        if split != "train"
    }
    return datasets | {
        "train": hparams["train_dataset"](
            splits["train"],
            clap.sample_rate,
            clap.clip_samples,
            whole_clips=clap.takes_whole_clips,
        )
    }


def _train_tokenize(
    text_encoder: nn.Module, clips: Sequence[Clip]
) -> Callable[[list[str]], dict[str, torch.Tensor]]:
    """What is cut is told once, beforehand; a frozen tower gives a caption's bits."""
    tokenize = text_encoder.tokenize
    if not isinstance(tokenize, CaptionTokenizer):
        return tokenize
    captions = [caption for clip in clips for caption in clip.captions]
    is_trained = any(weight.requires_grad for weight in text_encoder.parameters())
    if captions and not is_trained:
        tokenize = tokenize.padded_for(list(dict.fromkeys(captions)))
    return tokenize.silently
