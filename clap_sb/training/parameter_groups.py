"""Parameter groups: a learning rate for each tower, weight decay where it belongs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from clap_sb.model import CLAP


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
