"""Towers that torch's compiler has made faster, while a model is trained."""

from __future__ import annotations

from collections.abc import Callable

import torch

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.text_tower import TextTower
from clap_sb.model import CLAP

BACKEND = "inductor"


class CompiledTowers:
    """Compiles what the towers do between the front end and the projections.

    What is compiled has few shapes: log-mels are of one length, and the numbers of
    captions and of tokens are left open from the beginning. So a graph each for
    training and for validation holds, whatever the batches are. Front end, projections
    and loss are as they were, and so are parameters, buffers and the names of both.

    Numbers differ by rounding, and what is random in a tower (dropout, drop-path,
    SpecAugment) is drawn in another order than without, from the same seed.

    Arguments
    ---------
    clap : CLAP
        The model, not wrapped.
    backend : str or callable, optional
        Of ``torch.compile``; :data:`BACKEND` unless given, which needs a C++ compiler,
        and on a GPU Triton.

    Raises
    ------
    ValueError
        If a tower is of a class of its own: what of it can be compiled is not known.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> strange = SimpleNamespace(audio_encoder=torch.nn.Identity(), text_encoder=None)
    >>> CompiledTowers(strange)
    Traceback (most recent call last):
    ...
    ValueError: compile_towers: a Identity is no AudioTower, and what of it can be \
compiled is not known: leave it False
    """

    def __init__(self, clap: CLAP, backend: str | Callable | None = None):
        parts = (
            (clap.audio_encoder, AudioTower, "embed_log_mel", None),
            (clap.text_encoder, TextTower, "encode", True),
        )
        self._compiled: list[tuple[torch.nn.Module, str]] = []
        for tower, kind, _, _ in parts:
            if not isinstance(tower, kind):
                raise ValueError(
                    f"compile_towers: a {type(tower).__name__} is no {kind.__name__}, "
                    "and what of it can be compiled is not known: leave it False"
                )
        for tower, _, name, dynamic in parts:
            options = {"backend": backend or BACKEND, "dynamic": dynamic}
            setattr(tower, name, torch.compile(getattr(tower, name), **options))
            self._compiled.append((tower, name))

    def release(self) -> None:
        """Leaves the towers as they were."""
        for tower, name in self._compiled:
            delattr(tower, name)
        self._compiled.clear()
