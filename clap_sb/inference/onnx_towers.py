"""Writes one tower as ONNX, and compares it with PyTorch's by onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clap_sb.inference.onnx_graphs import AudioGraph, TextGraph
from clap_sb.model import CLAP
from clap_sb.runtimes.onnxruntime_graph import exported_onnx

TOLERANCE = 1e-4
"""What an element of an embedding may differ by from PyTorch's."""

_ONE_FILE = 1_900_000_000  # bytes; protobuf ends at 2 GiB
_CAPTIONS = ["a dog barks", "rain falls on a tin roof while a train passes", "wind"]


class ExportError(ValueError):
    """A model that cannot be exported; the message says why."""


def write_audio(clap: CLAP, folder: Path, described: Mapping[str, Any]) -> float:
    """Writes the audio tower, the front end inside.

    Arguments
    ---------
    clap : CLAP
        The model.
    folder : Path
        Where the file goes.
    described : mapping
        Its ``file``, ``inputs`` and ``output``; all entries are kept in the file too.

    Returns
    -------
    float
        Largest difference of an embedding's element from PyTorch's.

    Raises
    ------
    ExportError
        If that is more than :data:`TOLERANCE`.
    ValueError
        If the model has feature fusion.
    """
    size = clap.clip_samples
    batch = torch.export.Dim("batch")
    _write(
        AudioGraph(clap),
        _sounds(3, size),
        {"wavs": {0: batch, 1: torch.export.Dim("samples")}, "lengths": {0: batch}},
        folder / described["file"],
        described,
    )
    differences = []
    # other shapes too: the exporter may keep those of its example, without a word
    for count, samples in ((3, size), (1, size), (2, size // 4)):
        wavs, lengths = _sounds(count, samples)
        with torch.no_grad():
            expected = clap.encode_audio(wavs, lengths.double() / wavs.shape[1])
        given = {"wavs": wavs, "lengths": lengths}
        differences.append(_difference(folder / described["file"], given, expected))
    return max(differences)


def _sounds(count: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise, each clip fainter and shorter than the one before, and their lengths."""
    step = torch.arange(count)
    loudness = 0.1 * 10.0 ** -step.unsqueeze(1)
    return loudness * torch.randn(count, size), size // (1 + 9 * step)


def write_text(clap: CLAP, folder: Path, described: Mapping[str, Any]) -> float:
    """Writes the text tower.

    Arguments
    ---------
    clap : CLAP
        The model.
    folder : Path
        Where the file goes.
    described : mapping
        As for :func:`write_audio`, with ``tokenizer``, ``max_tokens`` and
        ``pad_to_max``.

    Returns
    -------
    float
        Largest difference of an embedding's element from PyTorch's.

    Raises
    ------
    ExportError
        If that is more than :data:`TOLERANCE`.
    """
    tokens = _tokens(clap.text_encoder, described)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    if described["pad_to_max"]:
        del axes[1]
    _write(
        TextGraph(clap),
        tuple(tokens.values()),
        dict.fromkeys(tokens, axes),
        folder / described["file"],
        described,
    )
    differences = []
    for part in (slice(None), slice(1), slice(1, None)):
        longest = int(tokens["attention_mask"][part].sum(1).max())
        width = described["max_tokens"] if described["pad_to_max"] else longest
        given = {name: value[part, :width] for name, value in tokens.items()}
        with torch.no_grad():
            expected = clap.encode_text(given)
        differences.append(_difference(folder / described["file"], given, expected))
    return max(differences)


def _tokens(tower: nn.Module, described: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Some captions' tokens; made up where there is no tokenizer."""
    if described["tokenizer"] is not None:
        tokens = tower.tokenize(_CAPTIONS)
        return {name: tokens[name] for name in described["inputs"]}
    size = described["max_tokens"] if described["pad_to_max"] else 9
    mask = torch.arange(size) < torch.tensor([[size], [5], [7]])
    ids = torch.randint(5, 40, (3, size))
    return {"input_ids": ids, "attention_mask": mask.long()}


def _write(
    graph: nn.Module,
    example: tuple[torch.Tensor, ...],
    shapes: Mapping[str, Any],
    path: Path,
    described: Mapping[str, Any],
) -> None:
    size = sum(p.numel() * p.element_size() for p in graph.state_dict().values())
    names = described["inputs"], [described["output"]]
    program = exported_onnx(graph, example, dict(shapes), *names)
    for key, value in described.items():
        program.model.metadata_props[f"clap_sb.{key}"] = json.dumps(value)
    program.save(str(path), external_data=size > _ONE_FILE)


def _difference(
    path: Path, given: Mapping[str, torch.Tensor], expected: torch.Tensor
) -> float:
    """Runs a file by onnxruntime; what it gives must be what PyTorch gives."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    arrays = {name: value.contiguous().numpy() for name, value in given.items()}
    try:
        found = torch.from_numpy(session.run(None, arrays)[0])
    except Exception as error:  # onnxruntime's have no common base of their own
        raise ExportError(f"{path.name} does not run: {error}") from error
    difference = float((found - expected).abs().max())
    if not difference <= TOLERANCE:  # nan too
        raise ExportError(
            f"{path.name} is not the same model: onnxruntime's embeddings differ from "
            f"PyTorch's by {difference:.1e}. Nothing was written; please report it, "
            "with the versions of torch, onnxscript and onnxruntime"
        )
    return difference
