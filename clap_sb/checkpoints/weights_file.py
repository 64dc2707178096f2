"""Reads weights from files that others wrote, and executes nothing that is in them."""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clap_sb.checkpoints.errors import CheckpointError

# in transformers' order of preference
FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors")

# where training scripts put the weights, beside epoch and optimizer
_NESTED = ("state_dict", "model", "model_state_dict", "net", "clap", "module")


@dataclass(frozen=True)
class Weights:
    """What a file holds.

    Arguments
    ---------
    state : dict of str to torch.Tensor
        The state dict, without the ``module.`` of DDP.
    path : Path
        The file or folder.
    config : dict
        ``config.json`` of a transformers folder; empty elsewhere.
    processor : dict
        Its feature extractor's settings; empty where there are none.
    """

    state: dict[str, torch.Tensor]
    path: Path
    config: dict[str, Any] = field(default_factory=dict)
    processor: dict[str, Any] = field(default_factory=dict)


def read_weights(path: str | Path) -> Weights:
    """Reads a file or a transformers folder.

    Pickled files are read with ``weights_only=True``, which builds tensors, plain
    containers and the NumPy numbers that training scripts leave in their metadata,
    under the names of NumPy 1 and of NumPy 2. There is no way to switch that off.

    Arguments
    ---------
    path : str or Path
        A ``.pt``, ``.pth``, ``.ckpt``, ``.bin`` or ``.safetensors`` file, or a folder
        that ``save_pretrained`` wrote, sharded or not.

    Returns
    -------
    Weights

    Raises
    ------
    CheckpointError
        If the file is missing, empty, truncated, no checkpoint, or holds more than
        data.

    Example
    -------
    >>> path = getfixture("tmp_path") / "model.pt"
    >>> torch.save({"epoch": 1, "state_dict": {"module.w": torch.ones(2)}}, path)
    >>> read_weights(path).state
    {'w': tensor([1., 1.])}
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path)
    return Weights(_plain_state(_read_file(path), path), path)


def read_part(path: str | Path) -> dict[str, Any]:
    """Reads one part of a model of ours: its state dict as it is, by the same rules.

    Arguments
    ---------
    path : str or Path
        A file of an export, or of one checkpoint of a run.

    Returns
    -------
    dict
        Tensors, and what else a class of others keeps in its state; empty for a part
        without weights.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or holds more than data.

    Example
    -------
    >>> path = getfixture("tmp_path") / "text_projection.ckpt"
    >>> torch.save(torch.nn.Identity().state_dict(), path)
    >>> read_part(path)
    {}
    """
    path = Path(path)
    content = _read_file(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds no state dict")
    for key, value in content.items():
        _check_numbers(key, value, path)
    return dict(content)


def _read_folder(folder: Path) -> Weights:
    present = [folder / name for name in FOLDER_FILES if (folder / name).is_file()]
    if not present:
        raise CheckpointError(
            f"{folder} holds no weights: none of {', '.join(FOLDER_FILES)} is there"
        )
    state: dict[str, Any] = {}
    for path in _shards(present[0]):
        state |= _read_file(path)
    # as transformers does: what newer versions nest comes first
    nested = _read_json(folder / "processor_config.json")
    processor = nested.get("feature_extractor") or nested.get("audio_processor")
    if processor is None:
        processor = _read_json(folder / "preprocessor_config.json")
    if not isinstance(processor, dict):
        raise CheckpointError(f"{folder / 'processor_config.json'} is not as it should")
    config = _read_json(folder / "config.json")
    return Weights(_plain_state(state, folder), folder, config, processor)


def _shards(path: Path) -> list[Path]:
    """The files that an index names, or the one file."""
    if path.suffix != ".json":
        return [path]
    named = _read_json(path).get("weight_map")
    names = set(named.values()) if isinstance(named, dict) else set()
    if not names or not all(isinstance(n, str) and n == Path(n).name for n in names):
        raise CheckpointError(f"{path} does not name weight files of its own folder")
    return [path.parent / name for name in sorted(names)]


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no file."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} is not a JSON object")
    return value


def _read_file(path: Path) -> Any:
    start = _start_of(path)
    if start[8:9] == b"{":  # after its length, a JSON header
        return _read_safetensors(path)
    _check_content(path, start.lstrip())
    try:
        return _load_pickled(path)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path}: {_refusal(str(error))}") from error
    except Exception as error:  # torch has no error of its own for a damaged file
        reason = str(error).strip() or type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read: it is truncated, damaged or no checkpoint "
            f"({re.split(r'[.] |[.]?$', reason, flags=re.MULTILINE)[0]})"
        ) from error


def _load_pickled(path: Path) -> Any:
    with torch.serialization.safe_globals(_NUMPY_GLOBALS), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the pickle's protocol
        return torch.load(
            path,
            map_location="cpu",
            weights_only=True,
            mmap=zipfile.is_zipfile(path),  # an optimizer is never paged in
        )


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file ({error}): fetch it again"
        ) from error


def _start_of(path: Path) -> bytes:
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}")
    with open(path, "rb") as file:
        return file.read(512)


def _check_content(path: Path, start: bytes) -> None:
    """Tells the usual mishaps of a download from a damaged checkpoint."""
    if not start:
        raise CheckpointError(f"{path} is empty: fetch it again")
    if start.startswith(b"version https://git-lfs"):
        raise CheckpointError(
            f"{path} is a Git LFS pointer, not the weights: run 'git lfs pull'"
        )
    if start[257:262] == b"ustar":
        raise CheckpointError(
            f"{path} is a tar archive, and is not read: unpack it; if the first "
            "versions of torch wrote it, save its state dict again"
        )
    if start.startswith(b"<"):
        raise CheckpointError(
            f"{path} is a web page, not weights: the download gave an error or a "
            "confirmation page; fetch it again"
        )


def _refusal(message: str) -> str:
    """One line for what torch says in a paragraph."""
    named = re.search(r"GLOBAL ([\w.]+)", message)
    if named is None:
        return "the file is truncated, damaged or no checkpoint"
    return (
        f"refused, since the file asks for {named.group(1)}, which is more than data; "
        "nothing was executed. If you trust its origin, save its state dict alone with "
        "the program that wrote it"
    )


def _plain_state(content: Any, path: Path) -> dict[str, torch.Tensor]:
    """Finds the state dict, and drops what is no tensor."""
    while isinstance(content, Mapping):
        inner = [content[name] for name in _NESTED if name in content]
        inner = [value for value in inner if isinstance(value, Mapping)]
        if not inner:
            break
        content = inner[0]
    if not isinstance(content, Mapping):
        content = {}
    state = {
        str(key).removeprefix("module."): value
        for key, value in content.items()
        if isinstance(value, torch.Tensor)
    }
    for key, value in state.items():
        _check_numbers(key, value, path)
    if not state:
        raise CheckpointError(f"{path} holds no state dict: there are no named tensors")
    return state


def _check_numbers(key: str, value: Any, path: Path) -> None:
    """A tensor of stride 0 may claim any shape, and models are built by shapes."""
    if not isinstance(value, torch.Tensor):
        return
    if value.layout == torch.strided and not value.is_meta:
        claimed = value.numel() * value.element_size()
        if value.untyped_storage().nbytes() >= claimed:
            return
    raise CheckpointError(
        f"{path}: {key} is no plain tensor with all of its numbers in the file"
    )


def _number(dtype: np.dtype, data: bytes) -> np.generic:
    """Stands in for NumPy's own function, which takes any kind of object."""
    if dtype.kind not in "biufc":
        raise pickle.UnpicklingError(f"a NumPy scalar of type {dtype} is no number")
    return np.frombuffer(data, dtype=dtype, count=1)[0]


# NumPy 2 renamed its modules; files written before name the old ones
_NUMPY_GLOBALS = [
    (_number, "numpy.core.multiarray.scalar"),
    (_number, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(code)) for code in "?bhilqBHILQefdFD"),
]
