"""Graphs that ONNX Runtime computes."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

if TYPE_CHECKING:
    from clap_sb.runtimes.tower_graph import TowerGraph

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_OPSET = 18


def convert(graph: TowerGraph) -> dict[str, bytes]:
    """Converts a graph.

    Arguments
    ---------
    graph : TowerGraph
        The graph.

    Returns
    -------
    dict of str to bytes
        The ``onnx`` file.
    """
    program = exported_onnx(
        graph, tuple(graph.example().values()), graph.dynamic_shapes(), graph.names
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        program.save(str(path))
        return {"onnx": path.read_bytes()}


def exported_onnx(
    graph: nn.Module,
    example: tuple[torch.Tensor, ...],
    shapes: Any,
    inputs: Sequence[str],
    outputs: Sequence[str] | None = None,
) -> torch.onnx.ONNXProgram:
    """Exports a module as ONNX, without what the exporter says of its own internals.

    Arguments
    ---------
    graph : nn.Module
        It is put into eval mode.
    example : tuple of torch.Tensor
        What it is called with.
    shapes : mapping or tuple
        How their shapes vary, as ``torch.onnx.export`` takes it.
    inputs : sequence of str
        Their names.
    outputs : sequence of str, optional
        Those of what it gives.

    Returns
    -------
    torch.onnx.ONNXProgram
    """
    # fused kernels lay their results out in ways that the written-out one does not
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _quietly():
        return torch.onnx.export(
            graph.eval(),
            example,
            dynamo=True,
            input_names=list(inputs),
            output_names=None if outputs is None else list(outputs),
            dynamic_shapes=shapes,
            opset_version=_OPSET,
            verbose=False,
        )


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporter warns of its own internals, which nobody can mend."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


class OnnxRuntimeGraph:
    """A graph, ready to compute.

    Threads are as many as torch has, and sleep while they wait: beside other work, one
    that spins takes the core that it waits for.

    Arguments
    ---------
    parts : mapping of str to bytes
        What :func:`convert` gave.
    precision : str
        ``fp32``; there is no other.
    """

    def __init__(self, parts: Mapping[str, bytes | memoryview], precision: str):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            bytes(parts["onnx"]), options, providers=["CPUExecutionProvider"]
        )
        self._names = [entry.name for entry in self._session.get_inputs()]

    def __call__(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Computes the outputs.

        Arguments
        ---------
        inputs : sequence of torch.Tensor
            In the graph's order.

        Returns
        -------
        list of torch.Tensor
            Float32.
        """
        arrays = [value.contiguous().numpy() for value in inputs]
        given = dict(zip(self._names, arrays, strict=True))
        return [torch.from_numpy(array) for array in self._session.run(None, given)]
