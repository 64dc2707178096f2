"""What any audio tower and any text tower has to have, whoever wrote it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from clap_sb.encoders.no_text_tower import NoTextTower

_TOLD = "docs/extending.md tells what a tower has to have"
_TRIED = ["a dog barks", "rain falls on a roof"]


class TowerError(ValueError):
    """A module that cannot be a tower, as it is."""


def check_towers(audio_encoder: nn.Module, text_encoder: nn.Module) -> None:
    """Makes sure that two modules have what a model asks of its towers.

    Arguments
    ---------
    audio_encoder : nn.Module
        Has ``sample_rate`` (Hz), ``clip_samples`` and ``embedding_dim``; one that does
        not say ``takes_whole_clips`` is given windows.
    text_encoder : nn.Module
        Has ``embedding_dim`` and ``tokenize``.

    Raises
    ------
    TowerError
        If something is missing; all that is missing is named.

    Example
    -------
    >>> check_towers(nn.Identity(), NoTextTower())
    Traceback (most recent call last):
    ...
    clap_sb.encoders.contract.TowerError: audio_encoder \
(torch.nn.modules.linear.Identity) lacks sample_rate, clip_samples, embedding_dim, \
whole numbers above 0: docs/extending.md tells what a tower has to have
    """
    numbers = ("sample_rate", "clip_samples", "embedding_dim")
    _check_numbers("audio_encoder", audio_encoder, numbers)
    if not hasattr(audio_encoder, "takes_whole_clips"):
        audio_encoder.takes_whole_clips = False
    if isinstance(text_encoder, NoTextTower):
        return
    _check_numbers("text_encoder", text_encoder, ("embedding_dim",))
    if not callable(getattr(text_encoder, "tokenize", None)):
        raise TowerError(
            f"{_named('text_encoder', text_encoder)} lacks tokenize, which makes "
            f"tokens of a list of captions: {_TOLD}"
        )


def _check_numbers(role: str, tower: nn.Module, names: tuple[str, ...]) -> None:
    values = {name: getattr(tower, name, None) for name in names}
    wrong = [
        name
        for name, value in values.items()
        if isinstance(value, bool) or not isinstance(value, int) or value < 1
    ]
    if wrong:
        raise TowerError(
            f"{_named(role, tower)} lacks {', '.join(wrong)}, whole numbers above 0: "
            f"{_TOLD}"
        )


def _named(role: str, module: nn.Module) -> str:
    return f"{role} ({type(module).__module__}.{type(module).__qualname__})"


@torch.no_grad()
def try_towers(clap: nn.Module) -> int:
    """Embeds two short clips and two captions, before an epoch is spent on it.

    Nothing is drawn, and nothing of the model is changed.

    Arguments
    ---------
    clap : clap_sb.model.CLAP
        On the CPU.

    Returns
    -------
    int
        Width of the joint space.

    Raises
    ------
    TowerError
        If a part fails, or gives something of another shape than it says.
    """
    tower, text = clap.audio_encoder, clap.text_encoder
    check_towers(tower, text)
    modes = {module: module.training for module in clap.modules()}
    size = max(1, tower.clip_samples // 2)
    wavs = torch.zeros(2, size)
    wav_lens = torch.tensor([1.0, 0.5], dtype=torch.float64)  # as in training
    try:
        clap.eval()
        with torch.random.fork_rng(devices=[]):
            audio = _tried("audio_encoder", tower, tower.embedding_dim, wavs, wav_lens)
            words = _tried("text_encoder", text, text.embedding_dim, list(_TRIED))
            tokens = _tokens(text)
            words = _tried("text_encoder", text, text.embedding_dim, tokens)
            audio = _tried("audio_projection", clap.audio_projection, None, audio)
            words = _tried("text_projection", clap.text_projection, None, words)
    finally:
        for module, mode in modes.items():
            module.training = mode
    if audio.shape != words.shape:
        raise TowerError(
            f"audio_projection gives {audio.shape[1]} numbers a clip, and "
            f"text_projection {words.shape[1]} a caption: they are to be as many"
        )
    return audio.shape[1]


def _tokens(text_encoder: nn.Module) -> dict[str, torch.Tensor]:
    """What loaders' workers make of captions."""
    tokens = text_encoder.tokenize(list(_TRIED))
    values = list(tokens.values()) if isinstance(tokens, dict) else [tokens]
    if not isinstance(tokens, dict) or any(len(v) != len(_TRIED) for v in values):
        raise TowerError(
            f"tokenize of {_named('text_encoder', text_encoder)} gives no dict of "
            f"tensors with a row for each caption: {_TOLD}"
        )
    return tokens


def _tried(role: str, module: nn.Module, width: int | None, *inputs: Any) -> Any:
    try:
        result = module(*inputs)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise TowerError(
            f"{_named(role, module)} fails on a batch of two: {type(error).__name__}: "
            f"{reason}"
        ) from error
    shape = list(result.shape) if isinstance(result, torch.Tensor) else type(result)
    wanted = isinstance(shape, list) and len(shape) == 2 and shape[0] == 2
    if not wanted or (width is not None and shape[1] != width):
        raise TowerError(
            f"{_named(role, module)} gives {shape} for a batch of two, and not "
            f"[2, {'joint_dim' if width is None else width}]: {_TOLD}"
        )
    return result
