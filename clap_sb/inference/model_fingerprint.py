"""Which model it is: a hash of its weights and of what decides its embeddings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from clap_sb.inference.clap import CLAP

# What is no tensor, and changes embeddings.
_TOWER = ("sample_rate", "clip_samples", "padding", "fusion", "takes_whole_clips")
_LOG_MEL = ("sample_rate", "n_fft", "hop_length", "n_mels", "amin")


def fingerprint(clap: CLAP) -> str:
    """Hashes a model.

    Two models with the same fingerprint give the same embeddings of sounds and of
    tokens, wherever they were loaded from and in whatever format; those of sentences
    too if :func:`tokenizer_fingerprint` agrees.

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
    from clap_sb.encoders.fingerprint import add_tensors

    settings = {
        "class": type(clap.model.audio_encoder).__name__,
        "int16": clap.int16,
        **_audio_settings(clap.model.audio_encoder),
        "text": _text_settings(clap),
    }
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode())
    add_tensors(digest, clap.model)
    return digest.hexdigest()[:32]


def _audio_settings(tower: nn.Module) -> dict[str, Any]:
    from clap_sb.encoders.audio_tower import AudioTower
    from clap_sb.encoders.fingerprint import plain_settings

    if not isinstance(tower, AudioTower):
        return {"tower": plain_settings(tower, (bool, int, float, str))}
    return {
        "tower": {name: getattr(tower, name) for name in _TOWER},
        "log_mel": {name: getattr(tower.log_mel, name) for name in _LOG_MEL},
    }


def _text_settings(clap: CLAP) -> dict[str, Any]:
    """Empty where there is no text tower."""
    from clap_sb.encoders.fingerprint import text_settings

    settings = text_settings(clap.model.text_encoder)
    if settings:
        settings.setdefault("strip_punctuation", False)  # as indexes of before have it
    return settings


def tokenizer_fingerprint(clap: CLAP) -> str:
    """Hashes what a model's tokenizer does.

    Arguments
    ---------
    clap : CLAP
        The model.

    Returns
    -------
    str
        As :func:`clap_sb.encoders.fingerprint.tokens_fingerprint` gives it.
    """
    from clap_sb.encoders.fingerprint import tokens_fingerprint

    return tokens_fingerprint(clap.model.text_encoder)


def signature(checkpoint: str | Path, tokenizer: str | Path | None = None) -> str:
    """Sizes and times of a model's files: the same ones hold the same model.

    Arguments
    ---------
    checkpoint : str or Path
        A file, a folder, or a name on the hub, whose files are in its cache.
    tokenizer : str, Path or None
        The tokenizer that is given beside it: a folder, or a name on the hub.

    Returns
    -------
    str
        32 hexadecimal digits; empty if one of them is not to be had.

    Example
    -------
    >>> path = getfixture("tmp_path") / "model.pt"
    >>> signature(path)
    ''
    >>> _ = path.write_bytes(b"abc")
    >>> len(signature(path))
    32
    """
    rows = []
    for path in _on_this_machine(checkpoint, tokenizer):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                status = file.stat()
                rows.append([str(file), status.st_size, status.st_mtime_ns])
    if not rows:
        return ""
    return hashlib.blake2b(json.dumps(rows).encode()).hexdigest()[:32]


def _on_this_machine(
    checkpoint: str | Path, tokenizer: str | Path | None
) -> list[Path]:
    """Full names; empty if one is nowhere, which whoever loads the model will tell."""
    paths = [Path(given) for given in (checkpoint, tokenizer) if given is not None]
    if not all(path.exists() for path in paths):
        # heavy, and of no use for what has a plain path
        from clap_sb.checkpoints.errors import CheckpointError
        from clap_sb.checkpoints.find_checkpoint import (
            find_checkpoint,
            find_tokenizer,
        )

        try:
            paths = [find_checkpoint(checkpoint)]
            if tokenizer is not None:
                paths.append(find_tokenizer(tokenizer, paths[0], str(tokenizer)))
        except CheckpointError:
            return []
    return [path.resolve() for path in paths]
