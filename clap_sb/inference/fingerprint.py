"""Which model it is: a hash of its weights and of what decides its embeddings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clap_sb.inference.clap import CLAP

# What is no tensor, and changes embeddings.
_TOWER = ("sample_rate", "clip_samples", "padding", "fusion", "takes_whole_clips")
_LOG_MEL = ("sample_rate", "n_fft", "hop_length", "n_mels", "amin")


def fingerprint(clap: CLAP) -> str:
    """Hashes a model.

    Two models with the same fingerprint give the same embeddings, wherever they were
    loaded from and in whatever format.

    Arguments
    ---------
    clap : CLAP
        The model.

    Returns
    -------
    str
        32 hexadecimal digits.

    Example
    -------
    >>> import torch
    >>> from clap_sb.checkpoints.architecture import Architecture, Part, build
    >>> from clap_sb.inference import CLAP
    >>> numbers = {"log_mel": Part("clap_sb.features.LogMel"), "embed_dim": 8}
    >>> shape = {"depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
    >>> tower = Part("clap_sb.encoders.htsat.HTSAT", {**numbers, **shape})
    >>> head = Part("torch.nn.Identity")
    >>> clap = CLAP(build(Architecture("none", "small", tower, head, 64)))
    >>> before = fingerprint(clap)
    >>> with torch.no_grad():
    ...     _ = clap.model.audio_encoder.bn0.bias.add_(1)
    >>> before == fingerprint(clap)
    False
    """
    import torch

    tower = clap.model.audio_encoder
    settings = {
        "class": type(tower).__name__,
        "strip_punctuation": clap.strip_punctuation,
        "int16": clap.int16,
        "tower": {name: getattr(tower, name) for name in _TOWER},
        "log_mel": {name: getattr(tower.log_mel, name) for name in _LOG_MEL},
    }
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode())
    # buffers that are not saved count too, such as the mel filters
    tensors = dict(clap.model.named_parameters()) | dict(clap.model.named_buffers())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def signature(checkpoint: str | Path) -> str:
    """Sizes and times of a checkpoint's files: the same ones hold the same model.

    Arguments
    ---------
    checkpoint : str or Path
        A file, a folder, or a name on the hub.

    Returns
    -------
    str
        32 hexadecimal digits; empty for what is not on this machine by that name.

    Example
    -------
    >>> path = getfixture("tmp_path") / "model.pt"
    >>> signature(path)
    ''
    >>> _ = path.write_bytes(b"abc")
    >>> len(signature(path))
    32
    """
    path = Path(checkpoint).resolve()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    rows = []
    for file in files:
        if file.is_file():
            status = file.stat()
            rows.append([str(file), status.st_size, status.st_mtime_ns])
    if not rows:
        return ""
    return hashlib.blake2b(json.dumps(rows).encode()).hexdigest()[:32]
