"""Captions from the nearest sentences of a bank."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

import torch

from clap_sb.inference.encoder import Encoder

_BANK = "everyday_captions.txt"


class ScoredCaption(NamedTuple):
    """A sentence, and how well it fits.

    Arguments
    ---------
    caption : str
        The sentence.
    similarity : float
        Its cosine with the sound.
    """

    caption: str
    similarity: float


class Captioner:
    """Describes sounds with the closest sentences of a bank, embedded once.

    Arguments
    ---------
    clap : Encoder
        The model.
    captions : sequence of str, optional
        The bank; :func:`everyday_captions` unless given.

    Example
    -------
    >>> class Words(Encoder):
    ...     def __init__(self):
    ...         torch.nn.Module.__init__(self)
    ...
    ...     def encode_text(self, captions):
    ...         return torch.eye(len(captions))
    >>> captioner = Captioner(Words(), ["rain", "a dog barks"])
    >>> captioner.describe(torch.tensor([[0.0, 1.0]]), top=1)
    [[ScoredCaption(caption='a dog barks', similarity=1.0)]]
    """

    def __init__(self, clap: Encoder, captions: Sequence[str] | None = None):
        if isinstance(captions, str):
            raise ValueError(f"captions are a list, not one string: [{captions!r}]")
        self.captions = everyday_captions() if captions is None else tuple(captions)
        self._clap = clap
        self._text = clap.encode_text(self.captions)

    def describe(self, audio: torch.Tensor, top: int = 3) -> list[list[ScoredCaption]]:
        """Finds the closest sentences of each sound.

        Arguments
        ---------
        audio : torch.Tensor
            Embeddings, ``[sounds, joint_dim]``.
        top : int
            How many sentences are wanted.

        Returns
        -------
        list of list of ScoredCaption
            For each sound, best first.

        Raises
        ------
        ValueError
            If ``top`` is less than 1.
        """
        if top < 1:
            raise ValueError(f"top is 1 or more, not {top}")
        similarity = self._clap.similarity(audio, self._text)
        best = similarity.topk(min(top, len(self.captions)), dim=1)
        return [
            [
                ScoredCaption(self.captions[index], value)
                for value, index in zip(values, places, strict=True)
            ]
            for values, places in zip(
                best.values.tolist(), best.indices.tolist(), strict=True
            )
        ]


@functools.cache
def everyday_captions() -> tuple[str, ...]:
    """Sentences about everyday sounds, of our own writing.

    Returns
    -------
    tuple of str

    Example
    -------
    >>> everyday_captions()[0]
    'A dog barks.'
    """
    text = (files("clap_sb.inference") / _BANK).read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line)
