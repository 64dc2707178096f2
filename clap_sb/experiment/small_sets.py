"""Training figures that suit a small set, or a model that is trained already."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from speechbrain.utils.distributed import if_main_process

from clap_sb.config import Config, top_level_blocks
from clap_sb.experiment.run import Experiment

_RATES = ("lr", "audio_lr", "text_lr")
_WARMUP_SHARE = 0.1
_FEW_STEPS = 10


def suit_settings(experiment: Experiment, num_clips: int) -> Experiment:
    """Brings a system's training figures down to what a set and a start allow.

    Batches are no larger than the set, and where an epoch has few of them, all of its
    clips fill them; warm-up takes a tenth of all steps at most.
    With ``init``, the learning rates are multiplied by ``finetune_lr_factor``, and
    ``finetune_epochs`` takes the place of ``number_of_epochs``, or as many epochs as
    ``finetune_steps`` steps need. What was given on the command line stays as given,
    and so does a learning rate that refers to one. What changes is printed.

    Arguments
    ---------
    experiment : Experiment
        The run.
    num_clips : int
        Training clips.

    Returns
    -------
    Experiment
    """
    ranks = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        ranks = torch.distributed.get_world_size()
    values = experiment.values
    suited = suited_settings(values, num_clips // ranks)
    given = _given(experiment.config)
    changed = {
        key: value
        for key, value in suited.items()
        if key not in given and value != values[key]
    }
    if if_main_process():
        for key, value in changed.items():
            print(f"  {key}: {value} (instead of {values[key]}, for {num_clips} clips)")
    return experiment.updated(changed)


def _given(config: Config) -> set[str]:
    """What the command line sets: itself, or through another rate it refers to."""
    given, blocks = set(config.given), top_level_blocks(config.text)
    for key in _RATES:
        refers = any(f"<{rate}>" in blocks[key] for rate in given.intersection(_RATES))
        if refers and key not in config.overrides:
            given.add(key)
    return given


def suited_settings(values: Mapping[str, Any], num_clips: int) -> dict[str, Any]:
    """The figures for a number of clips; see :func:`suit_settings`.

    Arguments
    ---------
    values : mapping
        ``init``, ``finetune_lr_factor``, ``finetune_epochs``, ``finetune_steps``,
        ``batch_size``, ``grad_accumulation_factor``, ``warmup_steps``,
        ``number_of_epochs``, ``lr``, ``audio_lr`` and ``text_lr``.
    num_clips : int
        Training clips of one process.

    Returns
    -------
    dict
        All figures, changed or not.

    Example
    -------
    >>> figures = {"batch_size": 64, "warmup_steps": 500, "number_of_epochs": 10}
    >>> rates = dict.fromkeys(("lr", "audio_lr", "text_lr"), 0.001)
    >>> others = {"init": None, "grad_accumulation_factor": 1}
    >>> suited = suited_settings({**figures, **rates, **others}, num_clips=30)
    >>> suited["batch_size"], suited["warmup_steps"], suited["lr"]
    (30, 1, 0.001)
    """
    accumulation = values["grad_accumulation_factor"]
    batch_size = values["batch_size"]
    steps_per_epoch = max(1, math.ceil(num_clips / (batch_size * accumulation)))
    if steps_per_epoch < _FEW_STEPS:  # else what does not fill a batch is little
        batch_size = max(1, num_clips // (steps_per_epoch * accumulation))
    steps_per_epoch = max(1, num_clips // (batch_size * accumulation))
    epochs, factor = values["number_of_epochs"], 1.0
    if values["init"] is not None:
        needed = math.ceil(values["finetune_steps"] / steps_per_epoch)
        epochs = max(values["finetune_epochs"], needed)
        factor = values["finetune_lr_factor"]
    warmup = max(1, int(_WARMUP_SHARE * epochs * steps_per_epoch))
    return {
        "batch_size": batch_size,
        "number_of_epochs": epochs,
        "warmup_steps": min(values["warmup_steps"], warmup),
        **{key: values[key] * factor for key in _RATES},
    }
