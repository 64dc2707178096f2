"""Where a model can run, checked before it is loaded."""

from __future__ import annotations

import torch


def usable_device(device: str | torch.device) -> torch.device:
    """Makes sure that tensors can be put on a device.

    Arguments
    ---------
    device : str or torch.device
        Such as ``cpu``, ``cuda``, ``cuda:1``.

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If there is no such device, or this machine has none that works.

    Example
    -------
    >>> usable_device("cpu")
    device(type='cpu')
    """
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    # a build of PyTorch without the device asserts
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(". ")
        raise ValueError(
            f"the device {device} cannot be used: {reason}. "
            "The name of a GPU is cuda or cuda:N; cpu is always there"
        ) from error
    return found
