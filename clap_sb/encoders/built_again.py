"""Whether a module is all there where it is built again and its weights are loaded."""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

_CLOSE = 1e-3  # of the largest number: other batches are added up in another order


class TowerError(ValueError):
    """A module that cannot be a tower, as it is."""


@contextlib.contextmanager
def generators_kept() -> Iterator[None]:
    """Leaves the global generators of torch, Python and NumPy as they were.

    Example
    -------
    >>> _ = torch.manual_seed(1)
    >>> with generators_kept():
    ...     first = torch.rand(1)
    >>> first == torch.rand(1)
    tensor([True])
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two embeddings are the same, but for the order of sums.

    Arguments
    ---------
    one : torch.Tensor
        Any shape.
    other : torch.Tensor
        Of the same shape.

    Returns
    -------
    bool

    Example
    -------
    >>> alike(torch.tensor([1.0, 0.0]), torch.tensor([1.00001, 0.0]))
    True
    """
    return bool((one - other).abs().max() <= _CLOSE * one.abs().max())


def check_built_again(
    role: str, module: nn.Module, build: Callable[[], nn.Module], inputs: tuple
) -> None:
    """Makes sure that a checkpoint holds all that a module computes with.

    Arguments
    ---------
    role : str
        What it is in the model.
    module : nn.Module
        In eval mode, called already.
    build : callable
        Builds it anew, as an export does.
    inputs : tuple
        What it is called with.

    Raises
    ------
    TowerError
        If it draws something in eval mode, has a state that cannot be loaded, or gives
        something else where it is built again and its state is loaded.

    Example
    -------
    >>> class Drawn(nn.Module):
    ...     def __init__(self, saved):
    ...         super().__init__()
    ...         self.register_buffer("drawn", torch.rand(2), persistent=saved)
    ...
    ...     def forward(self, x):
    ...         return x * self.drawn
    >>> ones = (torch.ones(1, 2),)
    >>> check_built_again("head", Drawn(True), lambda: Drawn(True), ones)
    >>> check_built_again("head", Drawn(False), lambda: Drawn(False), ones)
    Traceback (most recent call last):
    ...
    clap_sb.encoders.built_again.TowerError: head (clap_sb.encoders.built_again.Drawn) \
gives something else where it is built again and its weights are loaded: what it \
computes with has to be in its state_dict, or to follow from its arguments. Keep what \
is drawn, read, or taken from its weights when it is built, or found as it is called, \
in a buffer that is saved (register_buffer)
    """
    name = f"{role} ({type(module).__module__}.{type(module).__qualname__})"
    expected = module(*inputs)
    torch.manual_seed(torch.initial_seed() + 1)
    if not alike(expected, module(*inputs)):
        raise TowerError(
            f"{name} gives the same input another embedding each time: in eval mode, "
            "it is to draw nothing"
        )
    state = _reloaded(name, module)
    random.seed(1)
    np.random.seed(1)
    twin = build()
    shapeless = [key for key, value in twin.state_dict().items() if is_lazy(value)]
    if shapeless:
        raise TowerError(
            f"{name} has tensors without a shape until it is called "
            f"({', '.join(shapeless)}), which cannot be loaded: say their sizes, in "
            "the place of a Lazy layer"
        )
    try:
        twin.load_state_dict(state, strict=True)
    except Exception as error:
        raise TowerError(
            f"{name} cannot be loaded where it is built again: "
            f"{' '.join(str(error).split())}"
        ) from error
    if not alike(expected, _called(twin.eval(), inputs)):
        raise TowerError(
            f"{name} gives something else where it is built again and its weights are "
            "loaded: what it computes with has to be in its state_dict, or to follow "
            "from its arguments. Keep what is drawn, read, or taken from its weights "
            "when it is built, or found as it is called, in a buffer that is saved "
            "(register_buffer)"
        )


def _called(module: nn.Module, inputs: tuple) -> torch.Tensor:
    """Captions in another order: none is to depend on those before it."""
    if isinstance(inputs[0], list):
        return module(inputs[0][::-1]).flip(0)
    return module(*inputs)


def _reloaded(name: str, module: nn.Module) -> dict[str, Any]:
    """Its state as a checkpoint gives it back."""
    file = io.BytesIO()
    state = module.state_dict()
    others = [k for k, v in state.items() if not isinstance(v, torch.Tensor)]
    if others:
        raise TowerError(
            f"{name} has {', '.join(others)} in its state, and no tensors there: a "
            "checkpoint holds tensors alone; keep it in buffers (register_buffer)"
        )
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
