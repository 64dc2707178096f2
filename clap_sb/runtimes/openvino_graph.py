"""Graphs that OpenVINO computes: converted from torch's export, without ONNX."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from clap_sb.runtimes.choice import RuntimeChoiceError

if TYPE_CHECKING:
    from clap_sb.runtimes.tower_graph import TowerGraph

PACKAGES = ("openvino",)


def convert(graph: TowerGraph) -> dict[str, bytes]:
    """Converts a graph.

    Arguments
    ---------
    graph : TowerGraph
        The graph.

    Returns
    -------
    dict of str to bytes
        OpenVINO's ``xml`` and ``bin``; weights as they are, float32.
    """
    import openvino

    model = openvino.convert_model(graph.exported())
    shapes = [
        openvino.PartialShape([-1 if size is None else size for size in sizes])
        for sizes in graph.shapes().values()
    ]
    # the converter forgets what does not vary, and kernels are chosen by it
    model.reshape(dict(zip(model.inputs, shapes, strict=True)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        weights = path.with_suffix(".bin")
        return {"xml": path.read_bytes(), "bin": weights.read_bytes()}


class OpenVinoGraph:
    """A graph, ready to compute.

    Threads are as many as torch has. They are not bound to cores: beside other work,
    one that is bound waits for it.

    Arguments
    ---------
    parts : mapping of str to bytes
        What :func:`convert` gave.
    precision : str
        ``fp32`` or ``bf16``.

    Raises
    ------
    RuntimeChoiceError
        If this processor has no bf16.
    """

    def __init__(self, parts: Mapping[str, bytes | memoryview], precision: str):
        import openvino

        core = openvino.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in able:
            raise RuntimeChoiceError(
                "this processor has no instructions for bf16 (avx512_bf16 or amx): "
                "take --precision fp32"
            )
        weights = np.frombuffer(parts["bin"], dtype=np.uint8)
        model = core.read_model(bytes(parts["xml"]), openvino.Tensor(weights))
        settings = {
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled = core.compile_model(model, "CPU", settings)
        self._one_at_a_time = threading.Lock()

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
        with self._one_at_a_time:
            outputs = self._compiled(arrays, share_inputs=True)
        return [torch.from_numpy(outputs[port]) for port in self._compiled.outputs]
