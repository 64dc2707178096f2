"""Builds a model whose weights are about to be replaced, and draws none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from clap_sb.checkpoints.architecture import Architecture, build
from clap_sb.model import CLAP

# How parameters get their first values; torch asks about some as a whole, and then no
# more about what they call.
_FILLING = {
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.kaiming_uniform_,
    torch.Tensor.normal_,
    torch.Tensor.uniform_,
    torch.Tensor.erfinv_,  # this and what follows: torch 2.11's truncated normal
    torch.Tensor.mul_,
    torch.Tensor.add_,
    torch.Tensor.clamp_,
}


def build_undrawn(
    architecture: Architecture, text_source: str | Path | None = None
) -> CLAP:
    """Builds a model as :func:`~clap_sb.checkpoints.architecture.build` does.

    To draw weights is most of the time that loading takes. Here, parameters have no
    memory while they are built, so that drawing does nothing, and torch's generator
    stays where it is; buffers, which are computed, are as they should be. Where a class
    is not ours, its weights are drawn, and the generator stays where it is, too.

    Arguments
    ---------
    architecture : Architecture
        What to build.
    text_source : str or Path, optional
        As in `build`.

    Returns
    -------
    CLAP
        In eval mode. Each parameter holds whatever was in memory: load it.

    Example
    -------
    >>> from clap_sb.checkpoints.architecture import Part
    >>> log_mel = Part("clap_sb.features.LogMel")
    >>> tower = Part("clap_sb.encoders.cnn14.CNN14", {"log_mel": log_mel})
    >>> cnn14 = Architecture("PANNs", "CNN14", tower, Part("torch.nn.Identity"), 2048)
    >>> before = torch.get_rng_state()
    >>> clap = build_undrawn(cnn14)
    >>> torch.equal(torch.get_rng_state(), before)
    True
    """
    if architecture.strange_names:  # what they do with their parameters is not known
        with torch.random.fork_rng(devices=[]):
            return build(architecture, text_source)
    _this_thread.builds = True
    try:
        with _WithoutDrawing():
            clap = build(architecture, text_source)
    finally:
        _this_thread.builds = False
    memory = {
        # with its strides: a tower may hold weights channels last
        name: torch.empty_strided(p.shape, p.stride(), dtype=p.dtype)
        for name, p in clap.named_parameters()
    }
    clap.load_state_dict(memory, strict=False, assign=True)
    return clap


def _without_memory(
    module: nn.Module, name: str, parameter: nn.Parameter
) -> nn.Parameter | None:
    if _this_thread.builds:
        return nn.Parameter(parameter.to("meta"), parameter.requires_grad)
    return None


class _ThisThread(threading.local):
    builds = False


# One hook for the whole process, that stays: another thread may build something while
# one is added or removed.
_this_thread = _ThisThread()
register_module_parameter_registration_hook(_without_memory)


class _WithoutDrawing(TorchFunctionMode):
    """Without memory, torch would do this by itself, and import its compiler for it."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FILLING:
            filled = args[0] if args else kwargs["tensor"]
            if filled.is_meta:
                return filled
        return func(*args, **kwargs)
