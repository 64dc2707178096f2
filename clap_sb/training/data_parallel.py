"""The model in DDP, and out of it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def wrap(
    module: nn.Module, device: str | torch.device, find_unused_parameters: bool
) -> DistributedDataParallel:
    """Wraps a model in DDP; batch norm is synchronised where it can be.

    SpeechBrain converts to synchronised batch norm on a CPU too, where it fails.

    Arguments
    ---------
    module : nn.Module
        The model, on its device.
    device : str or torch.device
        This rank's device.
    find_unused_parameters : bool
        See DDP.

    Returns
    -------
    DistributedDataParallel
    """
    on_cpu = torch.device(device).type == "cpu"
    if not on_cpu:
        module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    return DistributedDataParallel(
        module,
        device_ids=None if on_cpu else [device],
        find_unused_parameters=find_unused_parameters,
    )


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
