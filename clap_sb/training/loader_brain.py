"""A Brain that takes data sets, or the loaders that it made of them, on any ranks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.dataloader import LoopedLoader
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.logger import get_logger
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from tqdm import tqdm

from clap_sb.data.manifest import Clip
from clap_sb.data.printable import printable
from clap_sb.loader_worker import leave_signals_to_main
from clap_sb.progress import progress
from clap_sb.training.loaders import (
    TrainingPlan,
    WholeLoader,
    train_loader,
    validation_clips,
)
from clap_sb.training.set_contract import try_whole

logger = get_logger(__name__)

_LOADERS = (DataLoader, LoopedLoader)


@contextlib.contextmanager
def _told(loader: Any, about: str, enable: bool) -> Iterator[tuple[Any, bool]]:
    """Its batches, and whether SpeechBrain draws its bar: a log gets lines instead."""
    if not enable or sys.stderr.isatty():
        yield loader, enable
        return
    with progress(loader, about=about, unit="batch") as batches:
        yield batches, False


class LoaderBrain(sb.Brain):
    """Knows what it is trained and scored on, whichever way that is given.

    A training loader (``train_loader``) tells the length of the schedule and the size
    of a loss (``plan``), a validation or test loader (``stage_loader``) its clips
    (``stage_clips``). Loaders of
    other kinds are refused before training begins.

    Arguments
    ---------
    *args, **kwargs
        As ``speechbrain.Brain``; ``hparams`` has a ``seed``.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.plan: TrainingPlan | None = None
        self.train_loader: DataLoader | None = None
        self.stage_loader: DataLoader | LoopedLoader | None = None
        self.stage_clips: Sequence[Clip] = []
        self.scores: dict[str, float] = {}

    def fit(
        self, epoch_counter: Any, train_set: Any, valid_set: Any = None, *args, **kwargs
    ) -> None:
        """Trains; what cannot be trained or validated with is an error beforehand.

        Arguments
        ---------
        epoch_counter : iterable
            Gives the numbers of the epochs.
        train_set : TrainingSet or SaveableDataLoader
            Pairs, or what :meth:`make_dataloader` made of them.
        valid_set : WholeSet or DataLoader, optional
            Whole clips, or a loader of them.
        *args, **kwargs
            As ``speechbrain.Brain.fit``.
        """
        if isinstance(train_set, _LOADERS) and not self.test_only:
            self._go_by(train_set, "dataloader-")
        if isinstance(valid_set, _LOADERS):
            validation_clips(valid_set)
        try:
            with workers_heard():
                super().fit(epoch_counter, train_set, valid_set, *args, **kwargs)
        finally:
            self.on_fit_end()

    def on_fit_end(self) -> None:
        """Called when training ends, however it does."""

    def evaluate(
        self,
        test_set: Any,
        max_key: str | None = None,
        min_key: str | None = None,
        progressbar: bool | None = None,
        test_loader_kwargs: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[str, float]:
        """Scores the best checkpoint; there is no loss of a test.

        Arguments
        ---------
        test_set : WholeSet or DataLoader
            Whole clips, or a loader of them.
        max_key, min_key : str, optional
            See :meth:`on_evaluate_start`.
        progressbar : bool, optional
            Whether it is shown; a run option unless given.
        test_loader_kwargs : mapping
            Options of the data loader.

        Returns
        -------
        dict
            The scores, by name.
        """
        if not isinstance(test_set, _LOADERS):
            options = {**test_loader_kwargs, "ckpt_prefix": None}
            test_set = self.make_dataloader(test_set, sb.Stage.TEST, **options)
        self._score_on(test_set)
        if progressbar is None:
            progressbar = not self.noprogressbar
        told = _told(test_set, "test", progressbar and if_main_process())
        with workers_heard(), told as (batches, has_bar):
            super().evaluate(batches, max_key, min_key, has_bar)
        return self.scores

    def _fit_train(self, train_set: Any, epoch: int, enable: bool) -> None:
        with _told(train_set, f"epoch {epoch}", enable) as (batches, has_bar):
            super()._fit_train(batches, epoch, has_bar)

    def _fit_valid(self, valid_set: Any, epoch: int, enable: bool) -> None:
        if valid_set is None:
            return super()._fit_valid(valid_set, epoch, enable)
        self._score_on(valid_set)
        about = f"validation of epoch {epoch}"
        with _told(valid_set, about, enable) as (batches, has_bar):
            super()._fit_valid(batches, epoch, has_bar)

    def make_dataloader(
        self,
        dataset: Any,
        stage: sb.Stage,
        ckpt_prefix: str | None = "dataloader-",
        **k,
    ) -> DataLoader:
        """Builds the loader of a stage; it never draws from the global generator.

        Arguments
        ---------
        dataset : TrainingSet or WholeSet
            The former for training.
        stage : sb.Stage
            Stage.
        ckpt_prefix : str, optional
            Prefix of the training loader's name in the checkpoint.
        **k
            Options of the data loader.

        Returns
        -------
        DataLoader
        """
        if isinstance(dataset, tqdm):  # of a loader, whose batches are told of
            return dataset
        if stage != sb.Stage.TRAIN:
            k = {"worker_init_fn": leave_signals_to_main, **k}
            loader = WholeLoader(dataset, generator=torch.Generator(), **k)
            validation_clips(loader)  # an error now, not after an epoch
            try_whole(loader)
            return loader
        loader = train_loader(
            dataset, self.hparams.seed, self.grad_accumulation_factor, **k
        )
        self._go_by(loader, ckpt_prefix)
        return loader

    def _score_on(self, loader: DataLoader | LoopedLoader) -> None:
        self.stage_loader, self.stage_clips = loader, validation_clips(loader)

    def _go_by(self, loader: DataLoader, ckpt_prefix: str | None) -> None:
        """Takes a training loader's order and length, and saves where it stands."""
        self.plan = TrainingPlan.of(loader, self.grad_accumulation_factor)
        self.train_loader = loader
        self.train_sampler = loader.sampler
        if self.checkpointer is not None and ckpt_prefix is not None:
            name = ckpt_prefix + sb.Stage.TRAIN.name
            self.checkpointer.add_recoverable(name, loader)

    def _wrap_distributed(self) -> None:
        """Wraps in DDP what is trained: the model, and an objective that learns."""
        if not self.distributed_launch:
            return super()._wrap_distributed()
        for name, module in list(self.modules.items()):
            if any(parameter.requires_grad for parameter in module.parameters()):
                self.modules[name] = wrap(module, self.device)


@contextlib.contextmanager
def workers_heard() -> Iterator[None]:
    """An error of a loader's worker is told as one of the main process is.

    torch puts the worker's whole traceback into the message; it is the cause of the
    error that is raised, and so in a run's log.

    Raises
    ------
    ValueError or OSError
        Of the class that the worker raised, with its message alone.

    Example
    -------
    >>> told = "Caught ValueError in DataLoader worker process 0.\\nOriginal ..."
    >>> with workers_heard():
    ...     raise ValueError(f"{told}\\nValueError: no caption")
    Traceback (most recent call last):
    ...
    ValueError: no caption
    """
    try:
        yield
    except (ValueError, OSError) as error:
        kind, told = type(error), str(error)
        if "in DataLoader worker process" not in told:
            raise
        raise kind(told.rpartition(f"{kind.__name__}: ")[2].strip()) from error


def check_run_options(data_parallel: bool, find_unused_parameters: bool) -> None:
    """Refuses ways of training on several devices that would fail in the first step.

    Arguments
    ---------
    data_parallel : bool
        SpeechBrain's ``--data_parallel_backend``.
    find_unused_parameters : bool
        SpeechBrain's ``--find_unused_parameters``.

    Raises
    ------
    ValueError
        If one of them is asked for.

    Example
    -------
    >>> check_run_options(False, True)
    Traceback (most recent call last):
    ...
    ValueError: leave out --find_unused_parameters: every part of a CLAP takes part in \
every step, and the temperature, which enters the loss alone, would be taken for unused
    """
    if data_parallel:
        raise ValueError(
            "leave out --data_parallel_backend, which does not synchronise batch norm: "
            "for several GPUs, start the script with torchrun --nproc-per-node GPUS"
        )
    if find_unused_parameters:
        raise ValueError(
            "leave out --find_unused_parameters: every part of a CLAP takes part in "
            "every step, and the temperature, which enters the loss alone, would be "
            "taken for unused"
        )


def wrap(module: nn.Module, device: str | torch.device) -> DistributedDataParallel:
    """Wraps a model in DDP; batch norm is synchronised where it can be.

    SpeechBrain converts to synchronised batch norm on a CPU too, where it fails.

    Arguments
    ---------
    module : nn.Module
        The model, on its device.
    device : str or torch.device
        This rank's device.

    Returns
    -------
    DistributedDataParallel
    """
    on_cpu = torch.device(device).type == "cpu"
    if not on_cpu:
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    return DistributedDataParallel(module, device_ids=None if on_cpu else [device])


def unwrap(module: nn.Module) -> nn.Module:
    """The model itself, whether DDP is around it or not.

    Arguments
    ---------
    module : nn.Module
        What may be wrapped.

    Returns
    -------
    nn.Module

    Example
    -------
    >>> layer = nn.Linear(2, 2)
    >>> unwrap(layer) is layer
    True
    """
    return module.module if isinstance(module, DistributedDataParallel) else module


def tell_unreadable(unreadable: Mapping[str, str], told: set[str]) -> None:
    """Warns of clips that scores go without, once in a run.

    Arguments
    ---------
    unreadable : mapping of str to str
        Id of each clip that could not be used, and why.
    told : set of str
        The ids that were told before; the others are added.

    Example
    -------
    >>> told = {"a"}
    >>> tell_unreadable({"a": "a.wav: is empty"}, told)
    >>> told
    {'a'}
    """
    new = [name for name in unreadable if name not in told]
    if not new:
        return
    logger.warning(
        "%d clips could not be used, and the scores go without them, such as %s",
        *(len(new), printable(unreadable[new[0]])),
    )
    told.update(new)
