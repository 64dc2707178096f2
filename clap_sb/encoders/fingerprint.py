"""Which tower it is: a hash of its weights and of what else decides its embeddings."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import nn

from clap_sb.encoders.missing_tokenizer import MissingTokenizer
from clap_sb.encoders.no_text_tower import NoTextTower
from clap_sb.encoders.sentencepiece_tokenizer import SentencePieceTokenizer
from clap_sb.encoders.text_tower import caption_tokenizer

_TOKENS = ("max_tokens", "suffix", "pad_to_max")
# Captions that tokenizers differ in: case, punctuation, numbers, letters, rare words.
_PROBES = (
    "a dog barks, then whines",
    "Rain on a Tin Roof!",
    "3 sirens (far away) wail at 12:45; birds-song isn't heard",
    "na\u00efve caf\u00e9 chatter \u2013 \u72ac",
    "a hydrophone's stridulation, onomatopoeically",
)


def tower_fingerprint(tower: nn.Module) -> str:
    """Hashes a tower, ours or another.

    Two with the same fingerprint give the same embeddings, but for rounding. Two that
    differ in what is of no account for those, as a flag that one reads in training
    alone, may have different ones.

    Arguments
    ---------
    tower : nn.Module
        An audio or a text tower.

    Returns
    -------
    str
        32 hexadecimal digits.

    Example
    -------
    >>> layer = nn.Linear(2, 2)
    >>> before = tower_fingerprint(layer)
    >>> with torch.no_grad():
    ...     _ = layer.bias.add_(1)
    >>> len(before), before == tower_fingerprint(layer)
    (32, False)
    """
    is_text = hasattr(tower, "tokenize")
    # of a text tower, a text may be the name of the folder it was built from
    kinds = (bool, int, float) if is_text else (bool, int, float, str)
    settings = {
        "layers": [f"{n} {type(m).__qualname__}" for n, m in tower.named_modules()],
        "numbers": {
            name: value
            for name, value in plain_settings(tower, kinds).items()
            if not name.rpartition(".")[2].startswith("_")  # how it was loaded
        },
    }
    if is_text:
        settings |= {"text": text_settings(tower), "tokens": tokens_fingerprint(tower)}
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode())
    add_tensors(digest, tower)
    return digest.hexdigest()[:32]


@torch.no_grad()
def probe(tower: nn.Module, device: str | torch.device = "cpu") -> torch.Tensor:
    """What a tower gives for two sounds, or two captions, which are always the same.

    It tells of other code and packages, too, of which a fingerprint knows nothing.

    Arguments
    ---------
    tower : nn.Module
        An audio or a text tower, in eval mode.
    device : str or torch.device
        Where it is.

    Returns
    -------
    torch.Tensor
        ``[2, embedding_dim]``, on the CPU.
    """
    if hasattr(tower, "tokenize"):
        tokens = tower.tokenize(list(_PROBES[:2]))
        return tower({key: ids.to(device) for key, ids in tokens.items()}).cpu()
    generator = torch.Generator().manual_seed(1)
    size = max(1, tower.clip_samples // 2)
    wavs = 0.1 * torch.randn(2, size, generator=generator)
    lens = torch.tensor([1.0, 0.5], dtype=torch.float64)
    return tower(wavs.to(device), lens.to(device)).cpu()


def alike(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> bool:
    """Whether two outputs of a tower differ by rounding alone.

    Arguments
    ---------
    one : torch.Tensor
        ``[batch, embedding_dim]``.
    other : torch.Tensor
        Another, of any shape.
    tolerance : float
        What they may differ by, as a share of the largest number.

    Returns
    -------
    bool

    Example
    -------
    >>> alike(torch.tensor([[3.0]]), torch.tensor([[3.001]]), 1e-3)
    True
    """
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    one, other = one.float(), other.float()
    return bool((one - other).abs().max() <= tolerance * one.abs().max())


def add_tensors(digest: Any, module: nn.Module) -> None:
    """Takes all tensors of a module into a hash.

    Arguments
    ---------
    digest : hashlib's hash
        It is updated.
    module : nn.Module
        Buffers that are not saved count too, such as the mel filters.
    """
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(values.view(torch.uint8).numpy().data)


def plain_settings(tower: nn.Module, kinds: tuple[type, ...]) -> dict[str, Any]:
    """What a tower, and each of its layers, keeps besides tensors.

    Arguments
    ---------
    tower : nn.Module
        Any module.
    kinds : tuple of type
        What counts.

    Returns
    -------
    dict
        Values by name; whether it is in training mode is not among them.
    """
    return {
        f"{place}.{name}": value
        for place, module in tower.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, kinds) and name != "training"
    }


def text_settings(tower: nn.Module) -> dict[str, Any]:
    """What decides a text tower's embeddings, besides its tensors and its tokenizer.

    Arguments
    ---------
    tower : nn.Module
        A text tower.

    Returns
    -------
    dict
        Values by name; empty where there is no text tower.
    """
    if isinstance(tower, NoTextTower):
        return {}
    settings = {"class": type(tower).__name__}
    tokenize = caption_tokenizer(tower)
    if tokenize is None:
        return {**settings, **plain_settings(tower, (bool, int, float))}
    settings |= {name: getattr(tokenize, name) for name in _TOKENS}
    settings["strip_punctuation"] = tokenize.strip_punctuation
    # a choice of one kind of tower; the others have one pooling each
    if hasattr(tower, "pool"):
        settings["pooling"] = tower.pool.__name__
    return settings


def tokens_fingerprint(tower: nn.Module) -> str:
    """Hashes what a text tower's tokenizer does.

    One of transformers goes by its vocabulary and by what becomes of some sentences,
    since the files of the same tokenizer differ from format to format.

    Arguments
    ---------
    tower : nn.Module
        A text tower.

    Returns
    -------
    str
        32 hexadecimal digits; empty if it came without its tokenizer, or is none.
    """
    if isinstance(tower, NoTextTower):
        return ""
    tokenize = caption_tokenizer(tower)
    if tokenize is None:  # what becomes of some sentences
        tokens = {key: ids.tolist() for key, ids in tower.tokenize([*_PROBES]).items()}
        content = json.dumps(tokens, sort_keys=True).encode()
        return hashlib.blake2b(content).hexdigest()[:32]
    tokenizer = tokenize.tokenizer
    if isinstance(tokenizer, MissingTokenizer):
        return ""
    if isinstance(tokenizer, SentencePieceTokenizer):
        content = tokenizer.model.serialized_model_proto()
    else:
        vocabulary = sorted(tokenizer.get_vocab().items())
        ids = tokenizer(list(_PROBES))["input_ids"]
        content = json.dumps([vocabulary, ids]).encode()
    return hashlib.blake2b(content).hexdigest()[:32]
