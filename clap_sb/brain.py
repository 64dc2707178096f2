"""CLAPBrain: SpeechBrain's training loop for contrastive language-audio models."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clap_sb.training  # noqa: F401  before SpeechBrain: says what it lacks

# isort: split
import speechbrain as sb
import torch
from speechbrain.utils.distributed import ddp_broadcast

from clap_sb.compiled_towers import CompiledTowers
from clap_sb.data.item_contract import check_heard
from clap_sb.data.keys import key_of
from clap_sb.data.pairs import PairBatch
from clap_sb.data.whole_clips import WindowBatch, WindowCollate
from clap_sb.evaluation.embedding import Embedded, Embedder
from clap_sb.evaluation.finite_clips import check_finite
from clap_sb.evaluation.frozen_towers import FrozenTowers
from clap_sb.evaluation.retrieval import Retrieval, retrieval
from clap_sb.evaluation.validation_loss import validation_loss
from clap_sb.frozen_cache import AUDIO, TEXT, FrozenCache
from clap_sb.model import CLAP
from clap_sb.objectives.gather import gather_rows
from clap_sb.objectives.info_nce import not_negatives
from clap_sb.training.epochs import (
    BEST_METRICS,
    LAST,
    check_best_metric,
    tell_of_no_negatives,
)
from clap_sb.training.loader_brain import (
    LoaderBrain,
    check_run_options,
    tell_unreadable,
    unwrap,
)
from clap_sb.training.loaders import WholeLoader
from clap_sb.training.optimization import parameter_groups, seed_step, warmup_cosine
from clap_sb.training.step_guard import FiniteSteps, Stopped, StopRequest
from clap_sb.training.wav_augment import augmented, move_augmenter

# of a parameter group: the schedule makes the learning rate of the first and the step
_GIVEN_RATES = ("base_lr", "weight_decay")


class CLAPBrain(LoaderBrain):
    """Trains a :class:`~clap_sb.model.CLAP`; validates it by retrieval.

    Training batches come from :class:`~clap_sb.data.pairs.PairDataset`, validation
    and test batches are whole clips with all their captions
    (:class:`~clap_sb.data.whole_clips.WholeClipDataset`). Without a validation set the
    last epoch is kept: ``best_metric`` is ``epoch``.

    What is random in a training step (drop-path, dropout, SpecAugment, ``wav_augment``)
    follows from (seed, epoch, step, rank), so a run that was killed ends with the same
    weights as one that was not.

    An ``objective`` that has parameters or buffers is on the device, in DDP where there
    are several ranks, and in the checkpoints; its parameters are trained at ``lr``. It
    is given float32 embeddings, outside of autocast.

    Gradient accumulation (``grad_accumulation_factor``) averages the gradients of
    several batches. It does not give a clip more negatives: those are the other clips
    of one batch, over all ranks. Batches that do not fill a last step of the epoch
    are dropped.

    A step whose loss or gradients are not finite is left out, its clips are named, and
    what it has left in buffers is undone; more than ``nonfinite_patience`` of them in
    an epoch end the training, and so do more validation clips whose embeddings are
    not, without which it is scored. Ctrl-C and a SIGTERM are heeded after the next
    step, with a checkpoint and :class:`~clap_sb.training.step_guard.Stopped`.
    Where ``cache_frozen`` is on, what frozen towers give is computed once, and kept in
    ``frozen_folder`` (:class:`~clap_sb.frozen_cache.FrozenCache`). Where
    ``compile_towers`` is on, the towers are compiled while it trains
    (:class:`~clap_sb.compiled_towers.CompiledTowers`).

    What it takes from ``hparams``, besides SpeechBrain's run options: ``seed``,
    ``objective``, ``wav_augment``, ``cache_frozen``, ``compile_towers``, ``lr``,
    ``audio_lr``, ``text_lr``, ``weight_decay``, ``warmup_steps``,
    ``number_of_epochs``, ``best_metric``, ``epoch_counter``, ``statistics``,
    ``train_logger``, ``history``.

    What is set as ``before_training`` is called once, as the first epoch begins; not
    where there is none left to do.

    Arguments
    ---------
    *args, **kwargs
        As ``speechbrain.Brain``; ``modules`` is ``{"clap": CLAP(...)}``.

    Raises
    ------
    ValueError
        If ``max_grad_norm`` is not positive, with which SpeechBrain would ascend the
        loss, ``best_metric`` is none of ``best_metrics``, ``objective`` is no module,
        or a run option is given that does not go with a contrastive loss.
    """

    best_metrics: tuple[str, ...] = (*BEST_METRICS, LAST)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.max_grad_norm <= 0:
            raise ValueError(
                f"max_grad_norm is {self.max_grad_norm}; it must be positive: to "
                "train without clipping, set it to a large number (1e9)"
            )
        check_best_metric(self.hparams.best_metric, self.best_metrics)
        check_run_options(self.data_parallel_backend, self.find_unused_parameters)
        objective = self.hparams.objective
        if not isinstance(objective, torch.nn.Module):
            raise ValueError(
                f"objective is {objective!r}, and no torch.nn.Module: make a class of "
                "it, with forward(audio, text, logit_scale, clip_keys, caption_keys)"
            )
        self.modules["objective"] = objective.to(self.device)
        if self.checkpointer is not None and objective.state_dict():
            # a test has no use for it; of a training see on_fit_start
            self.checkpointer.add_recoverable(
                "objective", objective, optional_load=True
            )
        move_augmenter(self.hparams.wav_augment, self.device)
        self._finite = FiniteSteps(self.modules, self.nonfinite_patience)
        self._stop = StopRequest()
        self.epoch = 0
        self.before_training: Callable[[], None] | None = None
        self.embedded: Embedded | None = None
        self.retrieval: Retrieval | None = None
        self._frozen: FrozenCache | None = None
        self._compiled: CompiledTowers | None = None
        self._towers: FrozenTowers | None = None
        self._embedder: Embedder | None = None
        self._told: set[str] = set()
        self._train_row: dict[str, float] = {}
        self._rates: list[dict[str, float]] = []

    @property
    def clap(self) -> CLAP:
        """The model itself, without DDP around it."""
        return unwrap(self.modules.clap)

    @property
    def embedding_model(self) -> CLAP | FrozenTowers:
        """What embeds in evaluation: the model, or what stands for it."""
        return self.clap if self._towers is None else self._towers

    def on_fit_batch_start(self, batch: PairBatch, should_step: bool) -> None:
        """Seeds what is random in this step."""
        rank = torch.distributed.get_rank() if self.distributed_launch else 0
        seed_step(key_of(self.hparams.seed, self.epoch, self.step, rank))
        if (self.step - 1) % self.grad_accumulation_factor == 0:
            self._finite.begin()

    def compute_forward(
        self, batch: PairBatch, stage: sb.Stage
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeds a training batch.

        Arguments
        ---------
        batch : PairBatch
            Pairs.
        stage : sb.Stage
            ``TRAIN``; the others come through :meth:`evaluate_batch`.

        Returns
        -------
        audio : torch.Tensor
            ``[captions, joint_dim]``, unit norm: each clip's once for each of its
            captions.
        text : torch.Tensor
            ``[captions, joint_dim]``, unit norm.
        """
        known = {} if self._frozen is None else self._frozen.embeddings(batch)
        if "audio_embedding" not in known:
            check_heard(batch.ids, batch.wav_lens)
        batch = batch.to(self.device)
        wavs, wav_lens = batch.wavs, batch.wav_lens
        if self.hparams.wav_augment is not None:
            longest = None if self.clap.takes_whole_clips else self.clap.clip_samples
            wavs, wav_lens = augmented(
                self.hparams.wav_augment, wavs, wav_lens, longest
            )
        audio, text = self.modules.clap(wavs, wav_lens, batch.tokens, **known)
        return audio[batch.caption_clip], text

    def compute_objectives(
        self,
        predictions: tuple[torch.Tensor, torch.Tensor],
        batch: PairBatch,
        stage: sb.Stage,
    ) -> torch.Tensor:
        """Computes the loss of a training batch, over all ranks.

        Arguments
        ---------
        predictions : tuple of torch.Tensor
            What :meth:`compute_forward` gave.
        batch : PairBatch
            The batch.
        stage : sb.Stage
            ``TRAIN``.

        Returns
        -------
        torch.Tensor
            Scalar.
        """
        self._finite.see(batch, *predictions)
        keys = (batch.clip_keys.to(self.device), batch.caption_keys.to(self.device))
        audio, text, clip_keys, caption_keys = gather_rows(*predictions, *keys)
        self.hparams.statistics.update(
            audio, text, not_negatives(clip_keys, caption_keys)
        )
        with torch.autocast(audio.device.type, enabled=False):
            return self.modules.objective(
                audio, text, self.clap.logit_scale, clip_keys, caption_keys
            )

    def evaluate_batch(self, batch: WindowBatch, stage: sb.Stage) -> torch.Tensor:
        """Embeds whole clips and their captions.

        Arguments
        ---------
        batch : WindowBatch
            Whole clips.
        stage : sb.Stage
            ``VALID`` or ``TEST``.

        Returns
        -------
        torch.Tensor
            NaN, which enters no average: scores and loss are of the whole set.
        """
        with self.evaluation_ctx:
            self._embedder.add(self.embedding_model, batch)
            if self._towers is not None:
                self._towers.keep(batch)
        return torch.tensor(math.nan)

    def optimizers_step(self) -> None:
        """Schedules, clips over all groups, steps and clamps the temperature."""
        factor = warmup_cosine(
            self.optimizer_step,
            self.hparams.warmup_steps,
            self.hparams.number_of_epochs * self.plan.steps,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        self.scaler.unscale_(self.optimizer)
        trained = [p for g in self.optimizer.param_groups for p in g["params"]]
        norm = torch.nn.utils.clip_grad_norm_(trained, self.max_grad_norm)
        by_scale = self.scaler.is_enabled() and self.scaler.get_scale() > 1
        if self._finite.is_spoilt(norm, by_scale):
            self.scaler.update(self.scaler.get_scale() if by_scale else None)
            self._finite.leave_out(self.epoch, self.step)
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.clap.logit_scale.clamp_()
        self.optimizer_step += 1

    def check_loss_isfinite(self, loss: torch.Tensor) -> None:
        """Notes whether it is, for the step that it is part of."""
        self._finite.see_loss(loss)

    def on_stage_start(self, stage: sb.Stage, epoch: int | None = None) -> None:
        """Prepares the statistics of a stage."""
        if stage != sb.Stage.TRAIN:
            self._embedder = Embedder(self.stage_clips, self.device)
            if self._frozen is not None:
                self._recall()
            return
        if self.epoch == 0 and self.before_training is not None:
            self.before_training()
        if self._frozen is not None:
            with self.training_ctx:
                self._frozen.prepare(self.train_loader)
        self.epoch = epoch
        self._finite.reset()
        if self.step == 0:  # not where an interrupted epoch goes on
            self.hparams.statistics.reset()

    def on_stage_end(
        self, stage: sb.Stage, stage_loss: float, epoch: int | None = None
    ) -> None:
        """Scores, logs and saves; for the loss see :func:`validation_loss`."""
        if stage == sb.Stage.TRAIN:
            scale = self.clap.logit_scale.scale().item()
            self._train_row = {
                "train_loss": float(stage_loss),
                **self.hparams.statistics.summary(),
                "temperature": 1.0 / scale,
                "learning_rate": max(g["lr"] for g in self.optimizer.param_groups),
            }
            tell_of_no_negatives(self._train_row, epoch)
            return
        self.embedded = self._embedder.result()
        if self._frozen is not None:
            self._frozen.save()
            if isinstance(self.stage_loader, WholeLoader):
                self.stage_loader.known = None
        tell_unreadable(self.embedded.unreadable, self._told)
        if stage == sb.Stage.VALID:
            check_finite(self.embedded, self.nonfinite_patience, epoch)
        self.scores = self.score()
        if stage == sb.Stage.VALID:
            loss = validation_loss(
                unwrap(self.modules.objective),
                self.embedded,
                self.clap.logit_scale,
                self.plan.clips,
                self.plan.captions,
            )
            self._finish_epoch(epoch, {"valid_loss": loss, **self.scores})

    def score(self) -> dict[str, float]:
        """Scores the clips of the stage that has ended, which are in ``embedded``.

        Returns
        -------
        dict
            Numbers by name; those that the best checkpoint may be selected by are in
            ``best_metrics``.
        """
        self.retrieval = retrieval(
            self.embedded.audio, self.embedded.text, self.embedded.caption_clip
        )
        scores = self.retrieval.scores()
        del scores["num_clips"], scores["num_captions"]  # the same in every epoch
        return scores

    def _fit_valid(self, valid_set: Any, epoch: int, enable: bool) -> None:
        """Validates; without a set to do it on, the last epoch may be kept."""
        super()._fit_valid(valid_set, epoch, enable)
        if valid_set is None and self.hparams.best_metric == LAST:
            self._finish_epoch(epoch, {})

    def _finish_epoch(self, epoch: int, valid: dict[str, float]) -> None:
        self.hparams.train_logger.log_stats({"epoch": epoch}, self._train_row, valid)
        if sb.utils.distributed.if_main_process():
            self.hparams.history.add(epoch, {**self._train_row, **valid})
        metric = self.hparams.best_metric
        # without synchronised batch norm the ranks' scores differ a little, and ranks
        # that do not stop at the same epoch wait for each other for ever
        score = epoch if metric == LAST else ddp_broadcast(float(valid[metric]), src=0)
        self.hparams.epoch_counter.update_metric(score)
        self.checkpointer.save_and_keep_only(
            meta={"epoch": epoch, metric: score}, max_keys=[metric]
        )

    def init_optimizers(self) -> None:
        """Builds the optimizer over one group a tower and kind of parameter."""
        groups = parameter_groups(
            self.clap,
            lr=self.hparams.lr,
            audio_lr=self.hparams.audio_lr,
            text_lr=self.hparams.text_lr,
            weight_decay=self.hparams.weight_decay,
            objective=unwrap(self.modules.objective),
        )
        self.optimizer = self.opt_class(groups)
        # what its state brings back of an earlier command gives way to what is given
        given = {*_GIVEN_RATES, *getattr(self.opt_class, "keywords", {})}
        self._rates = [
            {key: group[key] for key in given if key in group}
            for group in self.optimizer.param_groups
        ]
        self.optimizers_dict = {"opt_class": self.optimizer}
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("optimizer", self.optimizer)

    def on_fit_start(self) -> None:
        """Recovers the latest checkpoint; the rates are those that are given now."""
        if self.checkpointer is not None:
            self.checkpointer.check_shared("objective")
        super().on_fit_start()
        for group, rates in zip(self.optimizer.param_groups, self._rates, strict=True):
            group.update(rates)
        self._begin_frozen()
        if self._frozen is not None:
            augments = self.hparams.wav_augment is not None
            is_plain = type(self).compute_forward is CLAPBrain.compute_forward
            if not self._frozen.has_use(self.train_loader, augments, is_plain):
                self._frozen = None
        if self.hparams.compile_towers:
            self._compiled = CompiledTowers(self.clap)

    def on_fit_end(self) -> None:
        """Leaves the training set and the towers as they were, for others to use."""
        if self._frozen is not None:
            self._frozen.release()
        if self._compiled is not None:
            self._compiled.release()

    def _begin_frozen(self) -> None:
        """Takes the towers as they are now, with all weights loaded."""
        if self.hparams.cache_frozen:
            folder = Path(self.hparams.frozen_folder)
            progress = not self.noprogressbar
            self._frozen = FrozenCache(self.clap, folder, self.device, progress)

    def _recall(self) -> None:
        """Has the loader of whole clips read them where they are not known alone."""
        loader, dataset, audio = self.stage_loader, None, None
        plain = WindowCollate(self.clap.clip_samples, self.clap.takes_whole_clips)
        with self.evaluation_ctx:
            text = self._frozen.rows(TEXT)
            if isinstance(loader, WholeLoader) and loader.is_plain(plain):
                audio, dataset = self._frozen.rows(AUDIO), loader.dataset
        self._towers = FrozenTowers(self.clap, audio, text, dataset)
        if audio is not None:
            loader.known = self._towers.recall(loader.batch_sampler)

    def on_evaluate_start(
        self, max_key: str | None = None, min_key: str | None = None
    ) -> None:
        """Loads the best checkpoint; none is an error, not a random model.

        Arguments
        ---------
        max_key : str, optional
            Score that the best has most of; ``best_metric`` unless given.
        min_key : str, optional
            Not for these scores: all of them are the better the higher.
        """
        if min_key is not None:
            raise ValueError(f"higher is better: give max_key, not min_key={min_key!r}")
        if self.checkpointer is not None:
            metric = max_key or self.hparams.best_metric
            self.best_checkpoint = self.checkpointer.recover_best(metric)
        self._begin_frozen()

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Trains; asked to stop by Ctrl-C or a SIGTERM, it saves after the step."""
        with self._stop.heeded():
            super().fit(*args, **kwargs)
            if self._stop.is_made():  # while the last epoch was validated
                raise self._stopped()

    def _should_save_intra_epoch_ckpt(self, *args: Any) -> bool:
        # in between, the gradients of an accumulation window would be lost
        if self.step % self.grad_accumulation_factor:
            return False
        if not self._stop.is_made():
            return super()._should_save_intra_epoch_ckpt(*args)
        if self.checkpointer is not None:
            self._save_intra_epoch_ckpt()
        raise self._stopped()

    def _stopped(self) -> Stopped:
        found = self.checkpointer and self.checkpointer.find_checkpoint()
        return Stopped(self._stop.number, found.path if found else None)
