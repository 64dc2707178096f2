"""Trains a run's model, and leaves one that can be used."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import if_main_process, run_on_main
from torch import nn

from clap_sb.brain import CLAPBrain
from clap_sb.checkpoints.audio_weights import load_audio_weights
from clap_sb.checkpoints.part import strange_names
from clap_sb.checkpoints.run_description import built_facts, plain
from clap_sb.checkpoints.run_export import export_run
from clap_sb.checkpoints.run_folder import MODEL_FILE, PARTS, TEXT_FOLDER
from clap_sb.config import ConfigError
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import PairCollate, PairDataset
from clap_sb.data.whole_clips import WholeClipDataset
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.contract import try_towers
from clap_sb.encoders.text_tower import TextTower
from clap_sb.experiment.run import whole_clip_loader
from clap_sb.experiment.settling import Start
from clap_sb.objectives.contract import try_objective
from clap_sb.training.text_tower import has_source
from clap_sb.training.wav_augment import try_augment

_MODEL_KEYS = (
    "system",
    *PARTS,
    "clap",
    "trained_on",
    "text_tower_origin",
    "best_metric",
)
_FREEZES = {"freeze_audio": "audio_encoder", "freeze_text": "text_encoder"}


def train(
    start: Start, train_clips: Sequence[Clip], valid_clips: Sequence[Clip]
) -> CLAPBrain:
    """Builds the model and trains it, or goes on where a run was interrupted.

    Arguments
    ---------
    start : Start
        The run, settled, and what its model starts from.
    train_clips : sequence of Clip
        Training clips.
    valid_clips : sequence of Clip
        Validation clips; none where ``best_metric`` is ``epoch``.

    Returns
    -------
    CLAPBrain
        After the last epoch.
    """
    experiment = start.experiment
    hparams = experiment.config.build()
    joint_dim = try_towers(hparams["clap"], _builders(experiment.values))
    _check_frozen(hparams)
    _check_source(experiment.values, hparams["text_encoder"])
    if experiment.trains:
        _try_what_trains(hparams, joint_dim)
    _load_weights(start, hparams)
    brain = hparams["brain_class"](
        modules={"clap": hparams["clap"]},
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=experiment.run_opts,
        checkpointer=hparams["checkpointer"],
    )
    if if_main_process():
        _tell_of_cut_captions(hparams, train_clips)
    brain.before_training = functools.partial(_describe, start, hparams, joint_dim)
    brain.fit(
        hparams["epoch_counter"],
        _pairs(hparams, train_clips),
        WholeClipDataset(valid_clips, brain.clap.sample_rate) if valid_clips else None,
        train_loader_kwargs=_train_loader(hparams),
        valid_loader_kwargs=whole_clip_loader(hparams),
    )
    if not brain.debug or brain.debug_persistently:
        own = strange_names([plain(experiment.values[name]) for name in PARTS])
        run_on_main(export_run, args=[experiment.folder, own])
    return brain


def _load_weights(start: Start, hparams: dict[str, Any]) -> None:
    """What the model starts from; a run that is gone on with loads its own."""
    if start.initial is not None:
        start.initial.load_into(hparams["clap"])
    path = hparams["audio_weights"]
    if path is not None and not start.goes_on:
        loaded = load_audio_weights(hparams["audio_encoder"], path)
        if if_main_process():
            print(f"audio tower: from {path} ({loaded})")


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


def _describe(start: Start, hparams: dict[str, Any], joint_dim: int) -> None:
    """Writes what tells, with the checkpoints to come, all of the model."""
    experiment = start.experiment
    text_folder = experiment.folder / TEXT_FOLDER
    sourced = has_source(experiment.values)
    if sourced and Path(hparams["text_source"]) != text_folder:  # a pretrained tower's
        run_on_main(hparams["text_encoder"].save_source, args=[text_folder])
    experiment.keep_settings()
    if if_main_process():
        # what the tower started from is of no account for one that is loaded
        loaded = {}
        if sourced:
            loaded = {"text_source": TEXT_FOLDER, "pretrained_text": False}
        path = experiment.folder / MODEL_FILE
        partial = path.with_suffix(".partial")
        text = experiment.config.updated(loaded).extract(_MODEL_KEYS)
        text += built_facts(hparams["clap"], joint_dim)
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)


def _pairs(hparams: dict[str, Any], clips: Sequence[Clip]) -> PairDataset:
    clap = hparams["clap"]
    return PairDataset(
        clips,
        clap.sample_rate,
        clap.clip_samples,
        hparams["seed"],
        whole_clips=clap.takes_whole_clips,
        caption_policy=hparams["caption_policy"],
    )


def _tell_of_cut_captions(hparams: dict[str, Any], clips: Sequence[Clip]) -> None:
    tokenize = hparams["text_encoder"].tokenize
    if isinstance(tokenize, CaptionTokenizer):  # of another, no limit is known
        captions = {caption for clip in clips for caption in clip.captions}
        tokenize.cut(sorted(captions)).tell()


def _train_loader(hparams: dict[str, Any]) -> dict[str, Any]:
    tokenize = hparams["text_encoder"].tokenize
    if isinstance(tokenize, CaptionTokenizer):
        tokenize = tokenize.silently
    return {
        "batch_size": hparams["batch_size"],
        "num_workers": hparams["num_workers"],
        "pin_memory": hparams["pin_memory"],
        "collate_fn": PairCollate(tokenize),
    }
