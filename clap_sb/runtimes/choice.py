"""Which program computes the towers, and what it takes to be chosen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clap_sb.model import CLAP

AUTO = "auto"
TORCH = "torch"
OTHERS = {
    "openvino": ("openvino",),
    "onnxruntime": ("onnx", "onnxscript", "onnxruntime"),
}
"""Packages that each takes, in the order in which ``auto`` tries them."""
RUNTIMES = (TORCH, *OTHERS, AUTO)


class RuntimeChoiceError(ValueError):
    """A runtime that cannot be had here, or cannot take the model; it says why."""


def check_choice(runtime: str, precision: str, device: str) -> None:
    """Sees, before a model is loaded, that a runtime can be used.

    Arguments
    ---------
    runtime : str
        One of :data:`RUNTIMES`.
    precision : str
        ``fp32``, ``bf16`` or ``fp16``.
    device : str
        Where the model is to be.

    Raises
    ------
    RuntimeChoiceError
        If there is no such runtime, it is not installed, or has no such precision or
        device. ``auto`` is never refused: it takes PyTorch then.

    Example
    -------
    >>> check_choice("torch", "bf16", "cuda")
    >>> check_choice("fast", "fp32", "cpu")
    Traceback (most recent call last):
    ...
    clap_sb.runtimes.choice.RuntimeChoiceError: runtime is one of torch, openvino, \
onnxruntime, auto, not 'fast'
    """
    if runtime not in RUNTIMES:
        raise RuntimeChoiceError(
            f"runtime is one of {', '.join(RUNTIMES)}, not {runtime!r}"
        )
    if runtime in OTHERS and (reason := why_not(runtime, precision, device)):
        raise RuntimeChoiceError(f"{reason}, or take --runtime torch")


def usable(precision: str, device: str, tell: Callable[[str], object]) -> list[str]:
    """The runtimes that ``auto`` may take before it takes PyTorch.

    Arguments
    ---------
    precision : str
        As in :func:`check_choice`.
    device : str
        Likewise.
    tell : callable
        Called with a line if there is none, which says why.

    Returns
    -------
    list of str
        The one to be tried first comes first.

    Example
    -------
    >>> usable("fp32", "cuda", print)
    runtime auto takes torch: openvino and onnxruntime compute on the CPU, and the \
model is on cuda: give --device cpu
    []
    """
    reasons = {name: why_not(name, precision, device) for name in OTHERS}
    found = [name for name, reason in reasons.items() if reason is None]
    if not found:
        told = dict.fromkeys(reason for reason in reasons.values() if reason)
        tell(f"runtime {AUTO} takes {TORCH}: {'; '.join(told)}")
    return found


def taken(
    model: CLAP,
    runtime: str,
    precision: str,
    device: str,
    is_frozen: bool,
    tell: Callable[[str], object],
) -> CLAP | None:
    """A model whose towers a runtime computes.

    Arguments
    ---------
    model : CLAP
        The model.
    runtime : str
        One of :data:`RUNTIMES`.
    precision : str
        As in :func:`check_choice`.
    device : str
        Where the model is.
    is_frozen : bool
        Whether it takes no gradients.
    tell : callable
        Called with a line where ``auto`` takes PyTorch, or there is something to wait
        for.

    Returns
    -------
    CLAP or None
        None if PyTorch computes it.

    Raises
    ------
    RuntimeChoiceError
        As :func:`check_choice` does, and if gradients are asked for.
    """
    check_choice(runtime, precision, device)
    if runtime == TORCH:
        return None
    if not is_frozen:
        raise RuntimeChoiceError(
            f"runtime {runtime} gives no gradients: take torch, or freeze_params"
        )
    if runtime == AUTO and not usable(precision, device, tell):
        return None
    # heavy: torch alone does without
    from clap_sb.runtimes.towers import through_runtime

    return through_runtime(model, runtime, precision, tell)


def why_not(runtime: str, precision: str, device: str) -> str | None:
    """Why a runtime cannot be used here, and how to mend it.

    Arguments
    ---------
    runtime : str
        ``openvino`` or ``onnxruntime``.
    precision : str
        As in :func:`check_choice`.
    device : str
        Likewise.

    Returns
    -------
    str or None
        None if it can.
    """
    if not str(device).startswith("cpu"):
        return (
            f"{' and '.join(OTHERS)} compute on the CPU, and the model is on {device}: "
            "give --device cpu"
        )
    lacking = [name for name in OTHERS[runtime] if not is_installed(name)]
    if lacking:
        return (
            f"runtime {runtime} takes {', '.join(lacking)}: "
            f"pip install 'clap_sb[{runtime}]'"
        )
    if precision == "fp32" or (precision == "bf16" and runtime == "openvino"):
        return None
    return f"runtime {runtime} has no precision {precision}: give --precision fp32"


def is_installed(package: str) -> bool:
    """Whether a package can be imported; it is not.

    Arguments
    ---------
    package : str
        Its name.

    Returns
    -------
    bool

    Example
    -------
    >>> is_installed("torch"), is_installed("no_such_package")
    (True, False)
    """
    return importlib.util.find_spec(package) is not None
