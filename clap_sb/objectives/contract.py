"""What any objective has to do, whoever wrote it."""

from __future__ import annotations

import copy

import torch
from torch import nn

_TOLD = "docs/extending.md tells what an objective is given and gives"
_CALLS = 3


class ObjectiveError(ValueError):
    """A module that cannot be an objective, as it is."""


def try_objective(
    objective: nn.Module, logit_scale: nn.Module, rows: int, joint_dim: int
) -> None:
    """Calls an objective a few times, before an epoch is spent on it.

    It works on copies: nothing of the objective or the scale is changed. torch's
    generator is left as it was, too.

    Arguments
    ---------
    objective : nn.Module
        On the CPU.
    logit_scale : nn.Module
        The model's.
    rows : int
        Pairs in a batch.
    joint_dim : int
        Width of the embeddings.

    Raises
    ------
    ObjectiveError
        If it fails, gives no scalar that can be trained by, or remembers something
        from call to call that is in no checkpoint.

    Example
    -------
    >>> from clap_sb.objectives.info_nce import InfoNCE
    >>> from clap_sb.objectives.logit_scale import LogitScale
    >>> try_objective(InfoNCE(), LogitScale(), rows=4, joint_dim=8)
    >>> try_objective(nn.Identity(), LogitScale(), rows=4, joint_dim=8)
    Traceback (most recent call last):
    ...
    clap_sb.objectives.contract.ObjectiveError: objective \
(torch.nn.modules.linear.Identity) fails on a batch of 4: TypeError: \
Identity.forward() takes 2 positional arguments but 6 were given; \
docs/extending.md tells what an objective is given and gives
    """
    name = f"objective ({type(objective).__module__}.{type(objective).__qualname__})"
    used, scale = _copied(name, objective), copy.deepcopy(logit_scale)
    with torch.random.fork_rng(devices=[]):
        for call in range(_CALLS):
            _check(name, _loss(name, used, scale, call, rows, joint_dim))
        loaded = _copied(name, objective)
        loaded.load_state_dict(used.state_dict())
        told = [_loss(name, it, scale, 0, rows, joint_dim) for it in (used, loaded)]
    if not torch.equal(*told):
        raise ObjectiveError(
            f"{name} remembers something from call to call that no checkpoint holds, "
            "so that a run that was interrupted would end another way: keep it in "
            "buffers that are saved (register_buffer)"
        )


def _copied(name: str, objective: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(objective).train()
    except Exception as error:
        raise ObjectiveError(
            f"{name} cannot be copied to be tried: {' '.join(str(error).split())}"
        ) from error


def _loss(
    name: str, objective: nn.Module, scale: nn.Module, seed: int, rows: int, dim: int
) -> torch.Tensor:
    torch.manual_seed(seed)
    audio, text = (
        nn.functional.normalize(torch.randn(rows, dim), dim=-1).requires_grad_()
        for _ in range(2)
    )
    keys = torch.arange(rows)
    try:
        return objective(audio, text, scale, keys, keys)
    except Exception as error:
        raise ObjectiveError(
            f"{name} fails on a batch of {rows}: {type(error).__name__}: "
            f"{' '.join(str(error).split())}; {_TOLD}"
        ) from error


def _check(name: str, loss: object) -> None:
    """Raises where nothing could be trained by a loss."""
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        shape = list(loss.shape) if isinstance(loss, torch.Tensor) else type(loss)
        raise ObjectiveError(f"{name} gives {shape}, and not a scalar: {_TOLD}")
    if not loss.requires_grad:
        raise ObjectiveError(
            f"{name} gives a number that does not follow from the embeddings (it has "
            f"no gradient): {_TOLD}"
        )
    if not loss.isfinite():
        raise ObjectiveError(f"{name} gives {loss.item()} for a batch of noise")
