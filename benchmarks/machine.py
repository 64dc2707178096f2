"""The machine that a benchmark runs on: what it is, and the most it can do."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from contestants import Contestant, Tokens
from torch.utils.flop_counter import FlopCounterMode

from clap_sb.encoders.linear import Linear

# rows, inputs and outputs of the towers' linear layers, for a batch of eight clips
SHAPES = ((32768, 96, 384), (8192, 192, 768), (2048, 384, 1536), (152, 768, 3072))
SMALL_SHAPES = ((64, 96, 96),)
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_TRIES = 5


class Limit:
    """Matrix products of the shapes at hand: what the machine reaches at most.

    On a CPU, a thread's, by its CPU time; float32 by MKL, as torch has it, and by what
    clap_sb's layers take. On a GPU by wall time.

    Arguments
    ---------
    device : torch.device
        Where.
    small : bool
        One small shape, for a test.
    """

    def __init__(self, device: torch.device, small: bool):
        self.device, threads = device, torch.get_num_threads()
        self.figures: dict[str, float] = {}
        torch.set_num_threads(1)
        for name in ("torch", "fp32", "bf16", "tf32"):
            if name == "tf32" and device.type != "cuda":
                continue
            shapes = SMALL_SHAPES if small else SHAPES
            self.figures[name] = max(self._reached(name, *shape) for shape in shapes)
        torch.set_num_threads(threads)

    @torch.no_grad()
    def _reached(self, name: str, rows: int, inputs: int, outputs: int) -> float:
        dtype = torch.bfloat16 if name == "bf16" else torch.float32
        kind = torch.nn.Linear if name == "torch" else Linear
        layer = kind(inputs, outputs, device=self.device, dtype=dtype)
        x = torch.randn(rows, inputs, device=self.device, dtype=dtype)
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        layer(x)
        seconds = min(self._seconds(lambda: layer(x)) for _ in range(_TRIES))
        return 2 * rows * inputs * outputs / seconds

    def _seconds(self, function: Callable[[], object]) -> float:
        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        start = clock()
        function()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return max(clock() - start, 1e-9)

    def reached(self, variant: str) -> float:
        """FLOP/s of a variant of the towers."""
        return self.figures["bf16" if variant == "compiled" else variant]

    def told(self) -> list[str]:
        """A line of Markdown."""
        shown = {key: f"{value / 1e9:.0f}" for key, value in self.figures.items()}
        first = shown.pop("torch")
        rest = ", ".join(f"{value} in {key}" for key, value in shown.items())
        where = "a core" if self.device.type == "cpu" else "the GPU"
        return [
            f"- limit, GFLOP/s of {where} in matrix products of the towers' shapes: "
            f"{rest}; fp32 as torch has it {first}"
        ]


def machine(
    options: argparse.Namespace, packages: Iterable[type[Contestant]], load: float
) -> list[str]:
    """What the figures hold for, as a list in Markdown."""
    versions = {one.package: one.version() or "not installed" for one in packages}
    versions |= {"torch": torch.__version__, "python": platform.python_version()}
    told = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
    processor, known = _processor()
    flags = ", ".join(f for f in INSTRUCTIONS if f in known) or "none of them told"
    lines = [
        f"- `python benchmarks/{options.command}`",
        f"- processor: {processor}, {os.cpu_count()} cores, torch takes "
        f"{torch.get_num_threads()}; {flags}; torch's kernels "
        f"{torch.backends.cpu.get_cpu_capability()}",
        f"- {told}",
        f"- batches of {options.batch_size}, {options.rounds} rounds in turn; load of "
        f"the machine {load:.1f} before and {os.getloadavg()[0]:.1f} after",
    ]
    if options.device.type == "cuda":
        lines.insert(2, f"- GPU: {torch.cuda.get_device_name(options.device)}")
    return lines


def _processor() -> tuple[str, set[str]]:
    """Its name, and what instructions it has, where the system tells."""
    told = Path("/proc/cpuinfo")
    if not told.is_file():
        return platform.processor() or platform.machine(), set()
    rows = dict(
        [part.strip() for part in line.split(":", 1)]
        for line in told.read_text(errors="replace").splitlines()
        if ":" in line
    )
    flags = rows.get("flags", rows.get("Features", "")).split()
    return rows.get("model name", platform.machine()), set(flags)


def training_flops(one: Contestant, wavs: torch.Tensor, tokens: Tokens) -> float:
    """FLOP of the products of a training step, forward and backward."""
    one.model.train()
    onednn, counter = torch.backends.mkldnn.enabled, FlopCounterMode(display=False)
    torch.backends.mkldnn.enabled = False  # whose products the counter does not know
    try:
        with counter:
            one.loss(wavs, tokens).backward()
    finally:
        torch.backends.mkldnn.enabled = onednn
    one.model.zero_grad(set_to_none=True)
    one.model.eval()
    return float(counter.get_total_flops())
