"""Gathering tensors across ranks, with exact gradients."""

from __future__ import annotations

import torch
import torch.distributed as dist


class _Gather(torch.autograd.Function):
    """All-gather whose backward sums every rank's gradient of the own part."""

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        ctx.size = x.shape[0]
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> torch.Tensor:
        # a copy: autograd may hand the same tensor to another function too
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        start = dist.get_rank() * ctx.size
        return grad[start : start + ctx.size]


def gather(x: torch.Tensor) -> torch.Tensor:
    """Concatenates a tensor over all ranks; without a process group, gives it back.

    When every rank computes the loss over the gathered batch, DDP's average of the
    parameters' gradients equals the gradient of one process with the joint batch.
    Every rank must bring the same shape, and take part: gather in training only,
    since SpeechBrain's validation runs the whole set on each rank.

    Arguments
    ---------
    x : torch.Tensor
        ``[batch, ...]``; gradients flow if it is a floating point tensor.

    Returns
    -------
    torch.Tensor
        ``[ranks * batch, ...]``, rank 0 first.

    Example
    -------
    >>> gather(torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    if not (dist.is_available() and dist.is_initialized()):
        return x
    return _Gather.apply(x)


def gather_rows(*tensors: torch.Tensor) -> list[torch.Tensor]:
    """Concatenates tensors over all ranks, of which each may bring another number.

    As :func:`gather`; the shorter parts are padded for the way.

    Arguments
    ---------
    *tensors : torch.Tensor
        ``[rows, ...]`` each, with the same number of rows on this rank.

    Returns
    -------
    list of torch.Tensor
        ``[rows of all ranks, ...]`` each, rank 0 first.

    Example
    -------
    >>> [x.shape for x in gather_rows(torch.ones(2, 3), torch.ones(2))]
    [torch.Size([2, 3]), torch.Size([2])]
    """
    if not (dist.is_available() and dist.is_initialized()):
        return list(tensors)
    rows = len(tensors[0])
    counts = gather(torch.tensor([rows], device=tensors[0].device))
    most = int(counts.max())
    filled = torch.arange(most, device=counts.device) < counts[:, None]
    gathered = []
    for tensor in tensors:
        padding = tensor.new_zeros(most - rows, *tensor.shape[1:])
        gathered.append(gather(torch.cat([tensor, padding]))[filled.flatten()])
    return gathered
