"""Training figures: rates, their course, what suits small sets, and a step's seed."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from speechbrain.utils.distributed import if_main_process
from torch import nn

from clap_sb.config import Config, top_level_blocks
from clap_sb.model import CLAP

_RATES = ("lr", "audio_lr", "text_lr")
_WARMUP_SHARE = 0.1
_FEW_STEPS = 10


def parameter_groups(
    clap: CLAP,
    lr: float,
    audio_lr: float,
    text_lr: float,
    weight_decay: float,
    objective: nn.Module | None = None,
) -> list[dict[str, Any]]:
    """Groups the parameters that are trained.

    Weight decay falls on matrices and convolution kernels. Vectors and scalars
    (biases, norms, the logit scale), embeddings and tables of positions have none.

    Arguments
    ---------
    clap : CLAP
        The model, not wrapped.
    lr : float
        Learning rate of the projections, of the logit scale and its bias, and of the
        objective.
    audio_lr : float
        Learning rate of the audio tower.
    text_lr : float
        Learning rate of the text tower.
    weight_decay : float
        Weight decay.
    objective : nn.Module, optional
        The loss, which may have parameters of its own; not wrapped.

    Returns
    -------
    list of dict
        What an optimizer takes. ``base_lr`` is what the schedule multiplies.

    Raises
    ------
    ValueError
        If nothing is left to train, or two parts share a parameter.
    """
    rates = {
        "audio_encoder": (clap.audio_encoder, audio_lr),
        "text_encoder": (clap.text_encoder, text_lr),
        "audio_projection": (clap.audio_projection, lr),
        "text_projection": (clap.text_projection, lr),
        "logit_scale": (clap.logit_scale, lr),
    }
    if objective is not None:
        rates["objective"] = (objective, lr)
    _check_apart({name: part for name, (part, _) in rates.items()})
    groups = []
    for part, rate in rates.values():
        decayed, plain = _split(part)
        for parameters, decay in ((decayed, weight_decay), (plain, 0.0)):
            if parameters:
                group = {"params": parameters, "lr": rate, "base_lr": rate}
                groups.append(group | {"weight_decay": decay})
    if not groups:
        raise ValueError("every part of the model is frozen: there is nothing to train")
    return groups


def _check_apart(parts: Mapping[str, nn.Module]) -> None:
    """Raises where two parts share a parameter: each is saved, and built, by itself."""
    owners: dict[int, str] = {}
    for name, part in parts.items():
        for inner, parameter in part.named_parameters():
            owner = owners.setdefault(id(parameter), name)
            if owner != name:
                raise ValueError(
                    f"{name} has a parameter ({inner}) that is {owner}'s, too: each "
                    "part of a model is saved, exported and loaded by itself, and so "
                    "is to have its own. An objective is given the model's logit_scale "
                    "when it is called; what else it takes of a model, it copies"
                )


def _split(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Trained parameters of a module: those with weight decay, those without."""
    tables = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, nn.Embedding)
        for parameter in part.parameters(recurse=False)
    }
    decayed, plain = [], []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        bare = parameter.dim() < 2 or id(parameter) in tables
        # tables that are no nn.Embedding: CLIP's positions, Swin's position bias
        bare = bare or "position" in name.rpartition(".")[2]
        (plain if bare else decayed).append(parameter)
    return decayed, plain


def warmup_cosine(step: int, warmup_steps: int, total_steps: int) -> float:
    """Factor of every group's own learning rate, a function of the step alone.

    There is nothing to save: a resumed run knows its step.

    Arguments
    ---------
    step : int
        Optimizer steps taken so far.
    warmup_steps : int
        Steps of the rise; the first one has ``1 / warmup_steps``.
    total_steps : int
        Steps of the whole training.

    Returns
    -------
    float
        In (0, 1] during the rise, in [0, 1] after it.

    Example
    -------
    >>> [round(warmup_cosine(step, 2, 6), 3) for step in range(7)]
    [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return 0.5 * (1.0 + math.cos(math.pi * done))


def seed_step(seed: int) -> None:
    """Seeds every generator that a step may draw from.

    SpeechBrain's augmentations draw from Python's generator as well as from torch's,
    those of others from NumPy's, and a loader that SpeechBrain makes for a list of
    noises is shuffled by a seed in the environment. None of these states is in a
    checkpoint: where each step is seeded, a run that goes on draws what it would have
    drawn.

    Arguments
    ---------
    seed : int
        Non-negative, of at most 63 bits.

    Example
    -------
    >>> seed_step(2**62 + 1)
    >>> first = torch.rand(1).item(), random.random(), np.random.rand()
    >>> seed_step(2**62 + 1)
    >>> first == (torch.rand(1).item(), random.random(), np.random.rand())
    True
    """
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    os.environ["SB_GLOBAL_SEED"] = str(seed)


def suited_settings(config: Config, num_clips: int) -> dict[str, Any]:
    """A system's training figures, brought down to what a set and a start allow.

    Batches are no larger than the set, and where an epoch has few of them, all of its
    clips fill them; warm-up takes a tenth of all steps at most.
    With ``init``, the learning rates are multiplied by ``finetune_lr_factor``, and
    ``finetune_epochs`` takes the place of ``number_of_epochs``, or as many epochs as
    ``finetune_steps`` steps need. What was given on the command line stays as given,
    and so does a learning rate that refers to one. What changes is printed.

    Arguments
    ---------
    config : Config
        The run's configuration.
    num_clips : int
        Training clips.

    Returns
    -------
    dict
        The settings that change.
    """
    ranks = 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        ranks = torch.distributed.get_world_size()
    values = config.values()
    given = _given(config)
    changed = {
        key: value
        for key, value in training_figures(values, num_clips // ranks).items()
        if key not in given and value != values[key]
    }
    if if_main_process():
        for key, value in changed.items():
            print(f"  {key}: {value} (instead of {values[key]}, for {num_clips} clips)")
    return changed


def _given(config: Config) -> set[str]:
    """What the command line sets: itself, or through another rate it refers to."""
    given, blocks = set(config.given), top_level_blocks(config.text)
    for key in _RATES:
        refers = any(f"<{rate}>" in blocks[key] for rate in given.intersection(_RATES))
        if refers and key not in config.overrides:
            given.add(key)
    return given


def training_figures(values: Mapping[str, Any], num_clips: int) -> dict[str, Any]:
    """The figures for a number of clips; see :func:`suited_settings`.

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
    >>> suited = training_figures({**figures, **rates, **others}, num_clips=30)
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
