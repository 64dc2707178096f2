"""Parameter groups: a learning rate for each tower, weight decay where it belongs."""

from __future__ import annotations

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
        If nothing is left to train.
    """
    rates = [
        (clap.audio_encoder, audio_lr),
        (clap.text_encoder, text_lr),
        (clap.audio_projection, lr),
        (clap.text_projection, lr),
        (clap.logit_scale, lr),
    ]
    if objective is not None:
        rates.append((objective, lr))
    groups = []
    for part, rate in rates:
        decayed, plain = _split(part)
        for parameters, decay in ((decayed, weight_decay), (plain, 0.0)):
            if parameters:
                group = {"params": parameters, "lr": rate, "base_lr": rate}
                groups.append(group | {"weight_decay": decay})
    if not groups:
        raise ValueError("every part of the model is frozen: there is nothing to train")
    return groups


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
