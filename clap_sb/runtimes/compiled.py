"""From a tower to what computes it: out of the cache, or converted and compared."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import torch

from clap_sb.runtimes.choice import RuntimeChoiceError
from clap_sb.runtimes.graph_cache import VARIABLE, graph_path
from clap_sb.runtimes.graph_file import DamagedGraphError, read_graph, write_graph
from clap_sb.runtimes.tower_graph import TowerGraph

Engine = Callable[[Sequence[torch.Tensor]], Sequence[torch.Tensor]]
Parts = Mapping[str, bytes | memoryview]

TOLERANCE = 1e-4
"""What fp32 may differ by from PyTorch's, as a share of the largest number."""

_GRAPHS = {"openvino": "OpenVinoGraph", "onnxruntime": "OnnxRuntimeGraph"}


def compiled(
    graph: TowerGraph, runtime: str, precision: str, tell: Callable[[str], object]
) -> Engine:
    """Has a tower computed by a runtime.

    It is converted the first time, and compared with PyTorch on several shapes; what
    was right is kept on disk.

    Arguments
    ---------
    graph : TowerGraph
        The tower.
    runtime : str
        ``openvino`` or ``onnxruntime``.
    precision : str
        ``fp32``, or ``bf16`` where the runtime has it.
    tell : callable
        Called with a line where there is something to wait for.

    Returns
    -------
    callable
        Inputs to outputs, both in the graph's order; float32.

    Raises
    ------
    RuntimeChoiceError
        If the tower cannot be converted, or gives something else then, or the processor
        has no such precision, or this user no place for what is kept.
    """
    room = importlib.import_module(f"clap_sb.runtimes.{runtime}_graph")
    try:
        path = graph_path(graph.tower, type(graph).__name__, room.PACKAGES)
    except FileNotFoundError as error:
        raise RuntimeChoiceError(f"{error}, or {VARIABLE}") from None
    load = getattr(room, _GRAPHS[runtime])
    parts = _kept(path, tell)
    if parts is not None:
        return load(parts, precision)
    tell(
        f"{runtime}: the {graph.role} ({type(graph.tower).__name__}) is converted, "
        "which is done once"
    )
    parts = _converted(graph, runtime, room)
    check_same(graph, load(parts, "fp32"), runtime)
    engine = load(parts, precision)
    try:
        write_graph(path, parts)
    except OSError as error:  # a disk that is full, a folder of somebody else's
        tell(f"{runtime}: the converted tower is not kept: {error}")
    return engine


def _kept(path: Path, tell: Callable[[str], object]) -> Parts | None:
    try:
        return read_graph(path)
    except FileNotFoundError:
        return None
    except (DamagedGraphError, OSError) as error:
        tell(f"the kept tower is made again: {error}")
        return None


@torch.no_grad()
def _converted(graph: TowerGraph, runtime: str, room: ModuleType) -> Parts:
    try:
        # a graph is of float32, whatever is computed around it
        with torch.autocast("cpu", enabled=False):
            return room.convert(graph)
    except Exception as error:  # exporters raise anything, over towers of any kind
        raise _refused(
            graph, runtime, f"cannot be converted: {_reason(error)}"
        ) from error


@torch.no_grad()
def check_same(graph: TowerGraph, engine: Engine, runtime: str) -> None:
    """Sees that a converted tower is still the same.

    Arguments
    ---------
    graph : TowerGraph
        The tower.
    engine : callable
        What computes it in fp32.
    runtime : str
        By which runtime.

    Raises
    ------
    RuntimeChoiceError
        If it fails, or its numbers are others.
    """
    for example in graph.examples():
        inputs = list(example.values())
        try:
            found = engine(inputs)
        except Exception as error:  # runtimes' errors have no common base
            raise _refused(graph, runtime, f"fails: {_reason(error)}") from error
        with torch.autocast("cpu", enabled=False):
            expected = graph.computed(inputs)
        if (difference := largest_difference(found, expected)) > TOLERANCE:
            raise _refused(
                graph,
                runtime,
                f"gives other embeddings than PyTorch, by {difference:.1e} of the "
                "largest number",
            )


def largest_difference(
    found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]
) -> float:
    """How far outputs are from others, as a share of the largest number.

    Arguments
    ---------
    found : sequence of torch.Tensor
        Outputs.
    expected : sequence of torch.Tensor
        What they should be.

    Returns
    -------
    float
        Infinity for another shape, and for what is not finite in one of them alone.

    Example
    -------
    >>> one = torch.tensor([2.0, 1.0])
    >>> largest_difference([one], [one + 1.0]), largest_difference([one], [one[:1]])
    (0.3333333432674408, inf)
    """
    worst = 0.0
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape or not torch.equal(one.isnan(), other.isnan()):
            return float("inf")
        scale = other.abs().nan_to_num().max()
        difference = ((one - other).abs() / scale.clamp(min=1e-30)).nan_to_num()
        worst = max(worst, float(difference.max()))
    return worst


def _reason(error: BaseException) -> str:
    """The first line of what was raised first: exporters wrap it in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _refused(graph: TowerGraph, runtime: str, what: str) -> RuntimeChoiceError:
    tower = type(graph.tower)
    return RuntimeChoiceError(
        f"runtime {runtime}: {graph.role} ({tower.__module__}.{tower.__qualname__}) "
        f"{what}: take --runtime torch"
    )
