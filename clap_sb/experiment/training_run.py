"""A training run that is settled: what it is built of, and what it leaves."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import if_main_process, run_on_main
from speechbrain.utils.run_opts import RunOptions
from torch import nn

from clap_sb.brain import CLAPBrain
from clap_sb.checkpoints.audio_weights import load_audio_weights
from clap_sb.checkpoints.part import strange_names
from clap_sb.checkpoints.run_description import PARTS, TEXT_FOLDER, built_facts, plain
from clap_sb.checkpoints.run_export import export_run
from clap_sb.checkpoints.run_folder import MODEL_FILE
from clap_sb.config import ConfigError
from clap_sb.data.manifest import Clip
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.contract import try_towers
from clap_sb.encoders.text_tower import TextTower
from clap_sb.experiment.initial import Initial
from clap_sb.experiment.run import Experiment, tell
from clap_sb.objectives.contract import try_objective
from clap_sb.ranks import limit_waiting
from clap_sb.training.text_start import has_source
from clap_sb.training.wav_augment import try_augment
from clap_sb.whole_file import write_whole

Splits = Mapping[str, Sequence[Clip]]

_MODEL_KEYS = ("system", *PARTS, "clap", "trained_on", "text_tower_origin")
_MODEL_KEYS += ("best_metric", "weights_of")
_FREEZES = {"freeze_audio": "audio_encoder", "freeze_text": "text_encoder"}


@dataclass(frozen=True)
class TrainingRun:
    """A run that may begin, or go on: see :func:`~clap_sb.experiment.settle.settle`.

    Arguments
    ---------
    experiment : Experiment
        The run, with the files of its text tower in place.
    splits : mapping
        Its clips, of the splits train, valid and test.
    initial : Initial or None
        What the whole model starts from.
    goes_on : bool
        Whether there are checkpoints of this run.
    """

    experiment: Experiment
    splits: Splits
    initial: Initial | None
    goes_on: bool

    @property
    def run_opts(self) -> RunOptions:
        """SpeechBrain's run options."""
        return self.experiment.run_opts

    @property
    def tests(self) -> bool:
        """Whether the test clips are to be scored."""
        return self.experiment.stage != "train" and bool(self.splits["test"])

    def build(self) -> tuple[dict[str, Any], Callable[[], None]]:
        """Builds what the YAML says, and tries the model before an epoch is spent.

        Returns
        -------
        hparams : dict
            Built settings.
        describe : callable
            For the brain's ``before_training``: writes, beside the checkpoints to come,
            what tells with them all of the model.

        Raises
        ------
        TowerError
            If a part of the model fails on two clips and captions.
        ConfigError
            If a tower is to be frozen, and takes no notice.
        CheckpointError
            If the weights to start from do not fit.
        ValueError
            If ranks are to wait for no time at all.
        """
        hparams = self.experiment.config.build()
        values = self.experiment.values
        limit_waiting(values["rank_timeout_minutes"])  # the data are prepared
        joint_dim = try_towers(hparams["clap"], _builders(values))
        _check_source(values, hparams["text_encoder"])
        _check_frozen(hparams)
        if self.experiment.trains:
            _try_what_trains(hparams, joint_dim)
        if self.initial is not None:
            self.initial.load_into(hparams["clap"])
        path = hparams["audio_weights"]
        if path is not None and not self.goes_on:
            loaded = load_audio_weights(hparams["audio_encoder"], path)
            tell(f"audio tower: from {path} ({loaded})")
        if if_main_process():
            _tell_of_cut_captions(hparams, self.splits["train"])
        return hparams, functools.partial(self._describe, hparams, joint_dim)

    def export(self, brain: CLAPBrain) -> None:
        """Writes the best model as a folder that stands by itself.

        Arguments
        ---------
        brain : CLAPBrain
            After training; with ``--debug`` there is nothing to keep.
        """
        values, folder = self.experiment.values, self.experiment.folder
        if not brain.debug or brain.debug_persistently:
            own = strange_names([plain(values[name]) for name in PARTS])
            run_on_main(export_run, args=[folder, own])
        if not self.splits["test"] and self.experiment.stage == "all":
            tell(f"no test clips: nothing is scored. Use it: --checkpoint {folder}")

    def _describe(self, hparams: dict[str, Any], joint_dim: int) -> None:
        experiment = self.experiment
        text_folder = experiment.folder / TEXT_FOLDER
        sourced = has_source(experiment.values)
        if sourced and Path(hparams["text_source"]) != text_folder:  # a pretrained's
            run_on_main(hparams["text_encoder"].save_source, args=[text_folder])
        experiment.keep_settings()
        if if_main_process():
            # what the tower started from is of no account for one that is loaded
            loaded = {}
            if sourced:
                loaded = {"text_source": TEXT_FOLDER, "pretrained_text": False}
            text = experiment.config.updated(loaded).extract(_MODEL_KEYS)
            text += built_facts(hparams["clap"], joint_dim)
            write_whole(experiment.folder / MODEL_FILE, text)


def _builders(values: Mapping[str, Any]) -> dict[str, Callable[[], nn.Module]]:
    """What builds the parts that are not ours anew, as their export does."""
    parts = {name: plain(values[name]) for name in PARTS}
    return {name: part.build for name, part in parts.items() if strange_names([part])}


def _try_what_trains(hparams: dict[str, Any], joint_dim: int) -> None:
    """Tries the loss and the augmentation, which may be anybody's."""
    clap, objective = hparams["clap"], hparams["objective"]
    if isinstance(objective, nn.Module):  # else the brain says so
        rows = hparams["batch_size"]
        try_objective(objective, clap.logit_scale, rows, joint_dim)
    if hparams["wav_augment"] is not None:
        longest = None if clap.takes_whole_clips else clap.clip_samples
        try_augment(hparams["wav_augment"], clap.sample_rate, longest)


def _check_source(values: Mapping[str, Any], text_encoder: nn.Module) -> None:
    """Raises where a tower takes a folder, which it could not be exported with."""
    if has_source(values) and not isinstance(text_encoder, TextTower):
        raise ConfigError(
            f"text_encoder ({type(text_encoder).__name__}) takes text_source, and is "
            "to derive from clap_sb.encoders.text_tower.TextTower: run and export keep "
            "its tokenizer (docs/extending.md)"
        )


def _check_frozen(hparams: dict[str, Any]) -> None:
    """Raises where a tower is to be frozen, and takes no notice."""
    for setting, name in _FREEZES.items():
        trained = [p for p in hparams[name].parameters() if p.requires_grad]
        if setting in hparams and hparams[setting] and trained:
            raise ConfigError(
                f"{setting} is on, and {name} ({type(hparams[name]).__name__}) trains "
                f"{len(trained)} tensors: have the tower take an argument for it, and "
                f"give it in the YAML (freeze: !ref <{setting}>)"
            )


def _tell_of_cut_captions(hparams: dict[str, Any], clips: Sequence[Clip]) -> None:
    tokenize = hparams["text_encoder"].tokenize
    if isinstance(tokenize, CaptionTokenizer):  # of another, no limit is known
        captions = {caption for clip in clips for caption in clip.captions}
        tokenize.cut(sorted(captions)).tell()
