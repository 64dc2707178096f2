"""The model in DDP, and out of it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def check_run_options(data_parallel: bool, find_unused_parameters: bool) -> None:
    """Refuses ways of training on several devices that would fail in the first step.

    Arguments
    ---------
    data_parallel : bool
        SpeechBrain's ``--data_parallel_backend``.
    find_unused_parameters : bool
        SpeechBrain's ``--find_unused_parameters``.

    Raises
    ------
    ValueError
        If one of them is asked for.

    Example
    -------
    >>> check_run_options(False, True)
    Traceback (most recent call last):
    ...
    ValueError: leave out --find_unused_parameters: every part of a CLAP takes part in \
every step, and the temperature, which enters the loss alone, would be taken for unused
    """
    if data_parallel:
        raise ValueError(
            "leave out --data_parallel_backend, which does not synchronise batch norm: "
            "for several GPUs, start the script with torchrun --nproc-per-node GPUS"
        )
    if find_unused_parameters:
        raise ValueError(
            "leave out --find_unused_parameters: every part of a CLAP takes part in "
            "every step, and the temperature, which enters the loss alone, would be "
            "taken for unused"
        )


def wrap(module: nn.Module, device: str | torch.device) -> DistributedDataParallel:
    """Wraps a model in DDP; batch norm is synchronised where it can be.

    SpeechBrain converts to synchronised batch norm on a CPU too, where it fails.

    Arguments
    ---------
    module : nn.Module
        The model, on its device.
    device : str or torch.device
        This rank's device.

    Returns
    -------
    DistributedDataParallel
    """
    on_cpu = torch.device(device).type == "cpu"
    if not on_cpu:
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    return DistributedDataParallel(module, device_ids=None if on_cpu else [device])


def unwrap(module: nn.Module) -> nn.Module:
    """The model itself, whether DDP is around it or not.

    Arguments
    ---------
    module : nn.Module
        What may be wrapped.

    Returns
    -------
    nn.Module

    Example
    -------
    >>> layer = nn.Linear(2, 2)
    >>> unwrap(layer) is layer
    True
    """
    return module.module if isinstance(module, DistributedDataParallel) else module
