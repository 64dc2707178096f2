"""Trains a run's model, and leaves one that can be used."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import if_main_process, run_on_main

from clap_sb.brain import CLAPBrain
from clap_sb.checkpoints.audio_weights import load_audio_weights
from clap_sb.checkpoints.run_export import export_run
from clap_sb.checkpoints.run_folder import MODEL_FILE, PARTS, TEXT_FOLDER
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import PairCollate, PairDataset
from clap_sb.data.whole_clips import WholeClipDataset
from clap_sb.experiment.run import whole_clip_loader
from clap_sb.experiment.settling import Start

_MODEL_KEYS = (
    "system",
    *PARTS,
    "clap",
    "trained_on",
    "text_tower_origin",
    "best_metric",
)


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
    brain.before_training = functools.partial(_describe, start, hparams)
    brain.fit(
        hparams["epoch_counter"],
        _pairs(hparams, train_clips),
        WholeClipDataset(valid_clips, brain.clap.sample_rate) if valid_clips else None,
        train_loader_kwargs=_train_loader(hparams),
        valid_loader_kwargs=whole_clip_loader(hparams),
    )
    if not brain.debug or brain.debug_persistently:
        run_on_main(export_run, args=[experiment.folder])
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


def _describe(start: Start, hparams: dict[str, Any]) -> None:
    """Writes what tells, with the checkpoints to come, all of the model."""
    experiment = start.experiment
    text_folder = experiment.folder / TEXT_FOLDER
    if Path(hparams["text_source"]) != text_folder:  # a pretrained tower's
        run_on_main(hparams["text_encoder"].save_source, args=[text_folder])
    experiment.keep_settings()
    if if_main_process():
        # what the tower started from is of no account for one that is loaded
        loaded = {"text_source": TEXT_FOLDER, "pretrained_text": False}
        path = experiment.folder / MODEL_FILE
        partial = path.with_suffix(".partial")
        text = experiment.config.updated(loaded).extract(_MODEL_KEYS)
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
    captions = {caption for clip in clips for caption in clip.captions}
    hparams["text_encoder"].tokenize.cut(sorted(captions)).tell()


def _train_loader(hparams: dict[str, Any]) -> dict[str, Any]:
    return {
        "batch_size": hparams["batch_size"],
        "num_workers": hparams["num_workers"],
        "pin_memory": hparams["pin_memory"],
        "collate_fn": PairCollate(hparams["text_encoder"].tokenize.silently),
    }
