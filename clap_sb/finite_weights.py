"""Weights that are no numbers, found before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

# Buffers that a model computes with; others may hold infinity for good, as masks do.
_STATISTICS = ("running_mean", "running_var")
_NAMED = 5


def nonfinite_weights(
    state: Mapping[str, Any], buffers: Mapping[str, Any] | None = None
) -> str | None:
    """Looks for NaN and infinity among weights.

    Arguments
    ---------
    state : mapping
        A state dict; what is no tensor of floats is passed over.
    buffers : mapping, optional
        Those of its names that are buffers: infinity is theirs to hold, but for running
        statistics.

    Returns
    -------
    str or None
        The names, the first of them, with what they hold; None if all are finite.

    Example
    -------
    >>> nonfinite_weights({"a": torch.ones(2), "b": torch.tensor([0.0, torch.nan])})
    'b holds NaN'
    >>> nonfinite_weights({"mask": torch.tensor(-torch.inf)}, {"mask": None})
    """
    faults = []
    for name, value in state.items():
        kind = _kind_of_fault(value)
        is_mask = name in (buffers or {}) and not name.endswith(_STATISTICS)
        if kind == "NaN" or (kind == "infinity" and not is_mask):
            faults.append(f"{name} holds {kind}")
    more = len(faults) - _NAMED
    named = ", ".join(faults[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return named or None


def check_finite(
    state: Mapping[str, Any], what: str, buffers: Mapping[str, Any] | None = None
) -> None:
    """Refuses weights among which there is NaN, or infinity.

    Arguments
    ---------
    state, buffers
        See :func:`nonfinite_weights`.
    what : str
        What is being loaded, for the message.

    Raises
    ------
    ValueError
        If there is any.

    Example
    -------
    >>> check_finite({"a": torch.tensor(torch.inf)}, "a.pt")
    Traceback (most recent call last):
    ...
    ValueError: a.pt is of no use: a holds infinity. Its training went wrong, or the \
file is damaged: take another one, or an earlier checkpoint of the run
    """
    found = nonfinite_weights(state, buffers)
    if found is not None:
        raise ValueError(
            f"{what} is of no use: {found}. Its training went wrong, or the file is "
            "damaged: take another one, or an earlier checkpoint of the run"
        )


def _kind_of_fault(value: Any) -> str | None:
    if not isinstance(value, torch.Tensor) or not value.numel() or value.is_meta:
        return None
    value = torch.view_as_real(value) if value.is_complex() else value
    if not value.is_floating_point():
        return None
    value = value.detach()
    wide = torch.float64 if value.dtype is torch.float64 else torch.float32
    if value.sum(dtype=wide).isfinite():  # a quick look, which finite ones may fail
        return None
    if value.isnan().any():
        return "NaN"
    return "infinity" if value.isinf().any() else None
