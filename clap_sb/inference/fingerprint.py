"""Which model it is: a hash of its weights and of what decides its embeddings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from clap_sb.encoders.text_tower import TextTower
    from clap_sb.inference.clap import CLAP

# What is no tensor, and changes embeddings.
_TOWER = ("sample_rate", "clip_samples", "padding", "fusion", "takes_whole_clips")
_LOG_MEL = ("sample_rate", "n_fft", "hop_length", "n_mels", "amin")
_TOKENS = ("max_tokens", "suffix", "pad_to_max", "strip_punctuation")
# Captions that tokenizers differ in: case, punctuation, numbers, letters, rare words.
_PROBES = (
    "a dog barks, then whines",
    "Rain on a Tin Roof!",
    "3 sirens (far away) wail at 12:45; birds-song isn't heard",
    "na\u00efve caf\u00e9 chatter \u2013 \u72ac",
    "a hydrophone's stridulation, onomatopoeically",
)


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
    import torch

    settings = {
        "class": type(clap.model.audio_encoder).__name__,
        "int16": clap.int16,
        **_audio_settings(clap.model.audio_encoder),
        "text": _text_settings(clap),
    }
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode())
    # buffers that are not saved count too, such as the mel filters
    tensors = dict(clap.model.named_parameters()) | dict(clap.model.named_buffers())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()[:32]


def _audio_settings(tower: nn.Module) -> dict[str, Any]:
    from clap_sb.encoders.audio_tower import AudioTower

    if not isinstance(tower, AudioTower):
        return {"tower": _numbers(tower, (bool, int, float, str))}
    return {
        "tower": {name: getattr(tower, name) for name in _TOWER},
        "log_mel": {name: getattr(tower.log_mel, name) for name in _LOG_MEL},
    }


def _numbers(tower: nn.Module, kinds: tuple[type, ...]) -> dict[str, Any]:
    """What a tower that is not ours, and each of its layers, keeps besides tensors."""
    return {
        f"{place}.{name}": value
        for place, module in tower.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, kinds) and name != "training"
    }


def _text_tower(clap: CLAP) -> TextTower | None:
    from clap_sb.encoders.text_tower import TextTower

    tower = clap.model.text_encoder
    return tower if isinstance(tower, TextTower) else None


def _text_settings(clap: CLAP) -> dict[str, Any]:
    """Empty where there is no text tower."""
    from clap_sb.encoders.no_text_tower import NoTextTower

    tower = _text_tower(clap)
    if isinstance(clap.model.text_encoder, NoTextTower):
        return {}
    if tower is None:  # a text may be the name of the folder it was built from
        strange = clap.model.text_encoder
        told = {
            "class": type(strange).__name__,
            **_numbers(strange, (bool, int, float)),
        }
        return {**told, "strip_punctuation": False}  # as indexes of before have it
    tokenize = tower.tokenize
    settings = {name: getattr(tokenize, name) for name in _TOKENS}
    settings["class"] = type(tower).__name__
    # a choice of one kind of tower; the others have one pooling each
    if hasattr(tower, "pool"):
        settings["pooling"] = tower.pool.__name__
    return settings


def tokenizer_fingerprint(clap: CLAP) -> str:
    """Hashes what a model's tokenizer does.

    One of transformers goes by its vocabulary and by what becomes of some sentences,
    since the files of the same tokenizer differ from format to format.

    Arguments
    ---------
    clap : CLAP
        The model.

    Returns
    -------
    str
        32 hexadecimal digits; empty if the model came without its tokenizer, or has no
        text tower.
    """
    from clap_sb.encoders.missing_tokenizer import MissingTokenizer
    from clap_sb.encoders.sentencepiece_tokenizer import SentencePieceTokenizer

    tower = _text_tower(clap)
    if tower is None:
        return _strange_tokens(clap.model.text_encoder)
    if isinstance(tower.tokenize.tokenizer, MissingTokenizer):
        return ""
    tokenizer = tower.tokenize.tokenizer
    if isinstance(tokenizer, SentencePieceTokenizer):
        content = tokenizer.model.serialized_model_proto()
    else:
        vocabulary = sorted(tokenizer.get_vocab().items())
        ids = tokenizer(list(_PROBES))["input_ids"]
        content = json.dumps([vocabulary, ids]).encode()
    return hashlib.blake2b(content).hexdigest()[:32]


def _strange_tokens(tower: nn.Module) -> str:
    """What becomes of some sentences in a tower that is not ours."""
    from clap_sb.encoders.no_text_tower import NoTextTower

    if isinstance(tower, NoTextTower):
        return ""
    tokens = {key: value.tolist() for key, value in tower.tokenize([*_PROBES]).items()}
    content = json.dumps(tokens, sort_keys=True).encode()
    return hashlib.blake2b(content).hexdigest()[:32]


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
