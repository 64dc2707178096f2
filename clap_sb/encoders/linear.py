"""Linear layers that use all of a CPU, where torch's own use half of it.

torch multiplies float32 matrices by MKL, which takes AVX-512 on Intel's processors
alone: on AMD's it stays at AVX2, and reaches half of what they can do. oneDNN, which
torch carries for bfloat16 and convolutions, goes by what the processor tells. Both
compute in float32, and differ by rounding.
"""

from __future__ import annotations

import functools
import platform
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

# Entries of a weight from which on oneDNN makes up for what a call of it costs. The
# batch has no part in it, so that a clip is computed the same way in any.
_WORTH_IT = 8192

# Other classes compute in their own way: quantised, of several machines, traced.
_PLAIN = (torch.Tensor, nn.Parameter)


class _FoundAsLinear(type):
    """Finds a class wherever a table of classes has ``torch.nn.Linear``.

    Tools that replace or measure layers have such tables (``quantize_dynamic``), and
    pass over in silence what is not in them.
    """

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is nn.Linear

    def __hash__(cls) -> int:
        return hash(nn.Linear)


class Linear(nn.Linear, metaclass=_FoundAsLinear):
    """``torch.nn.Linear``, by oneDNN where that is faster.

    That is: float32 on AMD's CPUs with AVX-512. All else is torch's own: what is under
    autocast, and graphs that are compiled or exported, too; weights that are sparse, or
    of a class of their own. ``torch.backends.mkldnn.enabled = False`` turns it off.

    Arguments
    ---------
    *args, **kwargs
        As ``torch.nn.Linear``.

    Example
    -------
    >>> Linear(96, 288)(torch.randn(2, 64, 96)).shape
    torch.Size([2, 64, 288])
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[..., in_features]`` to ``[..., out_features]``."""
        if not self._by_onednn(x):
            return F.linear(x, self.weight, self.bias)
        rows = x.reshape(-1, x.shape[-1])
        return _OneDnn.apply(rows, self.weight, self.bias).view(*x.shape[:-1], -1)

    def _by_onednn(self, x: torch.Tensor) -> bool:
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return False
        return (
            type(x) in _PLAIN
            and type(self.weight) in _PLAIN
            and x.device.type == self.weight.device.type == "cpu"
            and x.dtype == self.weight.dtype == torch.float32
            and x.layout == self.weight.layout == torch.strided
            and x.shape[-1:] == self.weight.shape[-1:]  # or else torch tells it
            and x.numel() > 0
            and self.weight.numel() >= _WORTH_IT
            and not torch.is_autocast_enabled("cpu")
            and torch.backends.mkldnn.enabled
            and mkl_holds_back()
        )


@functools.cache
def mkl_holds_back() -> bool:
    """Whether MKL leaves half of this CPU unused, and oneDNN does not.

    Returns
    -------
    bool
        True on AMD's CPUs with AVX-512.
    """
    return (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and "AuthenticAMD" in _processor()
    )


def _processor() -> str:
    """What the system says of the processor; on Linux and Windows, also its maker."""
    told = Path("/proc/cpuinfo")
    return told.read_text(errors="replace") if told.is_file() else platform.processor()


def _product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """``x @ weight.T + bias`` by oneDNN, of matrices that may be transposed views."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class _OneDnn(torch.autograd.Function):
    """A linear layer whose three products are oneDNN's."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        return _product(x, weight, bias)

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: torch.Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.save_for_forward(*inputs[:2])

    @staticmethod
    def jvp(ctx, of_x, of_weight, of_bias):
        x, weight = ctx.saved_tensors
        parts = []
        if of_x is not None:
            parts.append(of_x @ weight.t())
        if of_weight is not None:
            parts.append(x @ of_weight.t())
        if of_bias is not None:
            parts.append(of_bias.expand(len(x), -1))
        return sum(parts)

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        x, weight = ctx.saved_tensors
        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[2]:
            of_bias = grad.sum(0)
        if torch.is_grad_enabled():  # to be differentiated again: oneDNN's cannot be
            return grad @ weight, grad.t() @ x, of_bias
        if ctx.needs_input_grad[0]:
            of_x = _product(grad, weight.t())
        if ctx.needs_input_grad[1]:
            # the narrow side as rows: up to three times as fast as the other way round
            if weight.shape[0] < weight.shape[1]:
                of_weight = _product(grad.t(), x.t())
            else:
                of_weight = _product(x.t(), grad.t()).t()
        return of_x, of_weight, of_bias
