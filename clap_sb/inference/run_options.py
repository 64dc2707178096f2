"""SpeechBrain's run options, as far as they mean something to a ready model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from speechbrain.utils.run_opts import RunOptions


_AUTOCAST = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class InferenceOptions(NamedTuple):
    """Where a ready model runs, and how.

    Arguments
    ---------
    device : str
        Device.
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.
    """

    device: str
    precision: str = "fp32"


def run_options(run_opts: Mapping[str, Any] | RunOptions | None) -> InferenceOptions:
    """Reads run options.

    Arguments
    ---------
    run_opts : mapping or RunOptions, optional
        A mapping may hold ``device`` and ``precision``. Of SpeechBrain's own object,
        which holds the options of training too, these two are taken.

    Returns
    -------
    InferenceOptions
        With SpeechBrain's defaults: a GPU if there is one, full precision.

    Raises
    ------
    ValueError
        If a mapping holds anything else.

    Example
    -------
    >>> run_options({"device": "cpu"})
    InferenceOptions(device='cpu', precision='fp32')
    """
    best = "cuda" if torch.cuda.is_available() else "cpu"
    if run_opts is None:
        return InferenceOptions(best)
    if not isinstance(run_opts, Mapping):
        return InferenceOptions(run_opts.device or best, run_opts.precision)
    unknown = sorted(run_opts.keys() - set(InferenceOptions._fields))
    if unknown:
        raise ValueError(
            f"run_opts has {', '.join(unknown)}: a ready model takes "
            f"{' and '.join(InferenceOptions._fields)} only"
        )
    chosen = InferenceOptions(**{"device": best, **run_opts})
    return chosen._replace(device=str(chosen.device or best))


def autocast_dtype(precision: str) -> torch.dtype | None:
    """The type that the towers' matrix products are computed in.

    Arguments
    ---------
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.

    Returns
    -------
    torch.dtype or None
        None for full precision.

    Raises
    ------
    ValueError
        If there is no such precision.

    Example
    -------
    >>> autocast_dtype("bf16")
    torch.bfloat16
    """
    if precision not in _AUTOCAST:
        raise ValueError(
            f"precision is one of {', '.join(_AUTOCAST)}, not {precision!r}"
        )
    return _AUTOCAST[precision]
