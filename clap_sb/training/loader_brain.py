"""A Brain that takes data sets, or the loaders that it made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import speechbrain as sb
import torch
from speechbrain.dataio.dataloader import LoopedLoader
from torch.utils.data import DataLoader

from clap_sb.data.audio_source import AudioError
from clap_sb.data.manifest import Clip
from clap_sb.training.stopping import leave_signals_to_main
from clap_sb.training.train_loader import train_loader
from clap_sb.training.training_plan import TrainingPlan
from clap_sb.training.validation_clips import validation_clips

_LOADERS = (DataLoader, LoopedLoader)


class LoaderBrain(sb.Brain):
    """Knows what it is trained and scored on, whichever way that is given.

    A training loader tells the length of the schedule and the size of a loss
    (``plan``), a validation or test loader its clips (``stage_clips``). Loaders of
    other kinds are refused before training begins.

    Arguments
    ---------
    *args, **kwargs
        As ``speechbrain.Brain``; ``hparams`` has a ``seed``.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.plan: TrainingPlan | None = None
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
            super().fit(epoch_counter, train_set, valid_set, *args, **kwargs)
        except AudioError as error:  # a worker's comes with its traceback
            reason = str(error).rpartition(f"{AudioError.__name__}: ")[2]
            raise AudioError(reason.strip()) from None

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
        self.stage_clips = validation_clips(test_set)
        super().evaluate(test_set, max_key, min_key, progressbar)
        return self.scores

    def _fit_valid(self, valid_set: Any, epoch: int, enable: bool) -> None:
        if valid_set is not None:
            self.stage_clips = validation_clips(valid_set)
        super()._fit_valid(valid_set, epoch, enable)

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
        if stage != sb.Stage.TRAIN:
            k = {"worker_init_fn": leave_signals_to_main, **k}
            loader = DataLoader(dataset, generator=torch.Generator(), **k)
            validation_clips(loader)  # an error now, not after an epoch
            return loader
        loader = train_loader(
            dataset, self.hparams.seed, self.grad_accumulation_factor, **k
        )
        self._go_by(loader, ckpt_prefix)
        return loader

    def _go_by(self, loader: DataLoader, ckpt_prefix: str | None) -> None:
        """Takes a training loader's order and length, and saves where it stands."""
        self.plan = TrainingPlan.of(loader, self.grad_accumulation_factor)
        self.train_sampler = loader.sampler
        if self.checkpointer is not None and ckpt_prefix is not None:
            name = ckpt_prefix + sb.Stage.TRAIN.name
            self.checkpointer.add_recoverable(name, loader)
