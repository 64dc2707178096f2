"""What any audio tower and any text tower has to have, whoever wrote it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

import torch
from torch import nn

from clap_sb.encoders.built_again import (
    TowerError,
    alike,
    check_built_again,
    generators_kept,
)
from clap_sb.encoders.no_text_tower import NoTextTower

logger = logging.getLogger(__name__)

_TOLD = "docs/extending.md tells what a tower has to have"
_TRIED = ["a dog barks", "rain falls on a roof"]


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
    clap_sb.encoders.built_again.TowerError: audio_encoder \
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
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1
    ]
    if wrong:
        there = [f"{k} is {values[k]!r}" for k in wrong if values[k] is not None]
        told = f" ({', '.join(there)})" if there else ""
        raise TowerError(
            f"{_named(role, tower)} lacks {', '.join(wrong)}, whole numbers above "
            f"0{told}: {_TOLD}"
        )


def _named(role: str, module: nn.Module) -> str:
    return f"{role} ({type(module).__module__}.{type(module).__qualname__})"


@torch.no_grad()
def try_towers(
    clap: nn.Module, again: Mapping[str, Callable[[], nn.Module]] | None = None
) -> int:
    """Embeds two short clips and two captions, before an epoch is spent on it.

    Nothing is drawn, and nothing of the model is changed.

    Arguments
    ---------
    clap : clap_sb.model.CLAP
        On the CPU.
    again : mapping, optional
        What builds a part anew, for parts that need not be ours: it is made sure that
        such a part, with the weights of this one, gives the same.

    Returns
    -------
    int
        Width of the joint space.

    Raises
    ------
    TowerError
        If a part fails, or gives something of another shape than it says, numbers that
        are not finite, or another embedding when it is called, or loaded, once more.
    """
    tower, text = clap.audio_encoder, clap.text_encoder
    check_towers(tower, text)
    modes = {module: module.training for module in clap.modules()}
    wavs, wav_lens = _sounds(tower.clip_samples)
    try:
        clap.eval()
        with generators_kept():
            _tried("audio_encoder", tower, tower.embedding_dim, 0 * wavs, wav_lens)
            audio = _tried("audio_encoder", tower, tower.embedding_dim, wavs, wav_lens)
            words = _tried("text_encoder", text, text.embedding_dim, list(_TRIED))
            tokens = _tokens(text)
            words = _tried("text_encoder", text, text.embedding_dim, tokens)
            given = {"audio_projection": (audio,), "text_projection": (words,)}
            given["audio_encoder"] = (wavs, wav_lens)
            given["text_encoder"] = (list(_TRIED),)
            audio = _tried("audio_projection", clap.audio_projection, None, audio)
            words = _tried("text_projection", clap.text_projection, None, words)
            for role, build in (again or {}).items():
                if role in given:
                    check_built_again(role, getattr(clap, role), build, given[role])
            _tell_of_padding(tower, text, wavs, wav_lens)
    finally:
        for module, mode in modes.items():
            module.training = mode
    if audio.shape != words.shape:
        raise TowerError(
            f"audio_projection gives {audio.shape[1]} numbers a clip, and "
            f"text_projection {words.shape[1]} a caption: they are to be as many"
        )
    return audio.shape[1]


def _sounds(clip_samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Two sounds of half a window and a quarter, as in training."""
    size = max(1, clip_samples // 2)
    generator = torch.Generator().manual_seed(0)
    wavs = 0.1 * torch.randn(2, size, generator=generator)
    wavs[1, size // 2 :] = 0.0
    share = (size // 2) / size or 1.0
    return wavs, torch.tensor([1.0, share], dtype=torch.float64)


def _tokens(text_encoder: nn.Module) -> dict[str, torch.Tensor]:
    """What loaders' workers make of captions."""
    tokens = text_encoder.tokenize(list(_TRIED))
    is_mapping = isinstance(tokens, Mapping)
    values = list(tokens.values()) if is_mapping else [tokens]
    if not is_mapping or any(
        not isinstance(value, torch.Tensor) or value.shape[:1] != (len(_TRIED),)
        for value in values
    ):
        raise TowerError(
            f"tokenize of {_named('text_encoder', text_encoder)} gives no dict of "
            f"tensors with a row for each caption: {_TOLD}"
        )
    return dict(tokens)  # as a batch of training has them


def _tried(role: str, module: nn.Module, width: int | None, *inputs: Any) -> Any:
    try:
        result = module(*inputs)
    except Exception as error:
        reason = " ".join(str(error).split())
        given = [list(i.shape) for i in inputs if isinstance(i, torch.Tensor)]
        raise TowerError(
            f"{_named(role, module)} fails on a batch of two"
            f"{f' (given {given[0]})' if given else ''}: {type(error).__name__}: "
            f"{reason}; {_TOLD}"
        ) from error
    shape = list(result.shape) if isinstance(result, torch.Tensor) else type(result)
    wanted = isinstance(shape, list) and len(shape) == 2 and shape[0] == 2
    if not wanted or (width is not None and shape[1] != width):
        raise TowerError(
            f"{_named(role, module)} gives {shape} for a batch of two, and not "
            f"[2, {'joint_dim' if width is None else width}]: {_TOLD}"
        )
    if result.dtype != torch.float32:
        kind = str(result.dtype).removeprefix("torch.")
        raise TowerError(
            f"{_named(role, module)} gives {kind} and not float32: have it compute "
            "in float32 (--precision bf16 is for training in less)"
        )
    if not result.isfinite().all():
        silent = role == "audio_encoder" and not inputs[0].any()
        raise TowerError(
            f"{_named(role, module)} gives numbers that are not finite"
            f"{' for silence, which there is in data' if silent else ''}: one such "
            "clip would spoil its batch; add a small number to what it divides by"
        )
    return result


def _tell_of_padding(
    tower: nn.Module, text: nn.Module, wavs: torch.Tensor, wav_lens: torch.Tensor
) -> None:
    """Warns where a clip, or a caption, has another embedding beside longer ones."""
    length = max(1, wavs.shape[1] // 2)
    alone = {
        "audio_encoder": (tower, (wavs, wav_lens), (wavs[1:, :length], wav_lens[:1])),
        "text_encoder": (text, (list(_TRIED),), (_TRIED[:1],)),
    }
    for role, (module, batch, single) in alone.items():
        row = module(*batch)[1 if module is tower else 0]
        try:
            found = module(*single)[0]
        except Exception as error:
            raise TowerError(
                f"{_named(role, module)} fails on one short input alone: "
                f"{type(error).__name__}: {' '.join(str(error).split())}; {_TOLD}"
            ) from error
        if not alike(row, found):
            logger.warning(
                "%s gives another embedding beside something longer: scores depend on "
                "the batch. An embedding must not depend on padding (%s)",
                _named(role, module),
                "wav_lens tells it" if module is tower else "tokens tell it",
            )
