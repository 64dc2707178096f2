"""A tower as a graph: what goes in, what comes out, how the shapes may vary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import nn

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.text_tower import TextTower, lacks_tokenizer

Inputs = dict[str, torch.Tensor]

_SHORT, _LONG = "wind", "rain falls on a tin roof while two trains pass by"
_BATCH = 3  # the exporter takes 0 and 1 for sizes that never vary


class TowerGraph(nn.Module, ABC):
    """What is converted of a tower; it computes the same with PyTorch.

    Arguments
    ---------
    tower : nn.Module
        The tower, in eval mode, on the CPU.
    """

    role: str
    """Which part of a model it is."""

    def __init__(self, tower: nn.Module):
        super().__init__()
        self.tower = tower
        self.names = tuple(self.example())

    @abstractmethod
    def examples(self) -> list[Inputs]:
        """Inputs of several shapes, the same each time.

        Returns
        -------
        list of dict
            Two, of tensors by name, in the order in which :meth:`forward` takes them.
            The first is what is exported; where the other's shapes differ, they vary.
        """

    @abstractmethod
    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The embeddings, ``[batch, embedding_dim]``, and what else the tower gives."""

    def computed(self, inputs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """What PyTorch gives, called as a converted graph is."""
        return self(*inputs)

    def example(self) -> Inputs:
        """What the graph is exported with."""
        return self.examples()[0]

    def shapes(self) -> dict[str, list[int | None]]:
        """The shape of each input; None for a size that may vary."""
        first, *others = self.examples()
        return {
            name: [
                size
                if all(other[name].shape[axis] == size for other in others)
                else None
                for axis, size in enumerate(value.shape)
            ]
            for name, value in first.items()
        }

    def dynamic_shapes(self) -> tuple[tuple[dict[int, object], ...]]:
        """The same for torch's exporter, which takes one tuple for ``*inputs``."""
        varying = torch.export.Dim.DYNAMIC
        return (
            tuple(
                {axis: varying for axis, size in enumerate(sizes) if size is None}
                for sizes in self.shapes().values()
            ),
        )

    def exported(self) -> torch.export.ExportedProgram:
        """The graph, as torch has traced it."""
        inputs = tuple(self.example().values())
        return torch.export.export(
            self, inputs, dynamic_shapes=self.dynamic_shapes(), strict=False
        )


class LogMelGraph(TowerGraph):
    """One of our audio towers behind its front end, which stays PyTorch's.

    HTSAT gives the embeddings of a window's parts, too.

    Arguments
    ---------
    tower : AudioTower
        The tower.

    Example
    -------
    >>> from clap_sb.encoders.cnn14 import CNN14
    >>> from clap_sb.features import LogMel
    >>> tower = CNN14(LogMel(), clip_samples=48000, channels=[4, 8, 8, 8, 8, 16])
    >>> LogMelGraph(tower.eval()).shapes()
    {'log_mel': [None, 1, 101, 64]}
    """

    role = "audio_encoder"

    @torch.no_grad()
    def examples(self) -> list[Inputs]:
        """Log-mels of noise; see the base."""
        return [self._heard(count) for count in (_BATCH, 1)]

    def _heard(self, count: int) -> Inputs:
        size = self.tower.clip_samples
        long = 2 * size if self.tower.takes_whole_clips else size
        # the first is longer than a window, the others are shorter each
        lengths = torch.tensor([long, size // 2, size // 3])[:count]
        log_mel, longer = self.tower.views(_noise(count, long), lengths)
        found = {"log_mel": log_mel.contiguous()}
        return found if longer is None else {**found, "longer": longer}

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the base."""
        log_mel, longer = (*inputs, None)[:2]
        if not isinstance(self.tower, HTSAT):
            return (self.tower.embed_log_mel(log_mel, longer),)
        tokens = self.tower.tokens_of_log_mel(log_mel, longer)
        return tokens.mean((1, 2)), tokens.mean(1)  # as embed_log_mel and frames


class WaveformGraph(TowerGraph):
    """An audio tower that is not ours, whole.

    Arguments
    ---------
    tower : nn.Module
        The tower, as ``clap_sb/encoders/contract.py`` has it.
    """

    role = "audio_encoder"

    def examples(self) -> list[Inputs]:
        """Noise; see the base."""
        size = self.tower.clip_samples
        lens = torch.tensor([1.0, 0.5, 0.3], dtype=torch.float64)
        return [
            {"wavs": _noise(count, samples), "wav_lens": lens[:count]}
            for count, samples in ((_BATCH, size), (1, max(1, size // 2)))
        ]

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the base."""
        return (self.tower(*inputs),)


class TokensGraph(TowerGraph):
    """A text tower behind its tokenizer.

    Arguments
    ---------
    tower : nn.Module
        The tower.
    """

    role = "text_encoder"

    def examples(self) -> list[Inputs]:
        """Some captions' tokens, made up where there is no tokenizer; see the base."""
        if lacks_tokenizer(self.tower):
            return self._made_up()
        return [
            dict(self.tower.tokenize(captions))
            for captions in ([_LONG, "a dog barks", _SHORT], [_SHORT])
        ]

    def _made_up(self) -> list[Inputs]:
        tokenize = self.tower.tokenize
        size = min(9, tokenize.max_tokens)
        lengths = torch.tensor([[size], [size // 2 + 1], [size - 1]])
        width = tokenize.max_tokens if tokenize.pad_to_max else size
        mask = (torch.arange(width) < lengths).long()
        ids = torch.arange(5, 5 + width).expand(_BATCH, -1).contiguous()
        last = width if tokenize.pad_to_max else int(lengths[1])
        whole = {"input_ids": ids, "attention_mask": mask}
        return [whole, {name: v[1:2, :last] for name, v in whole.items()}]

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See the base."""
        tokens = dict(zip(self.names, inputs, strict=True))
        is_ours = isinstance(self.tower, TextTower)
        return (self.tower.encode(tokens) if is_ours else self.tower(tokens),)


def audio_graph(tower: nn.Module) -> TowerGraph:
    """The graph of an audio tower.

    Arguments
    ---------
    tower : nn.Module
        Ours, or another.

    Returns
    -------
    TowerGraph
    """
    kind = LogMelGraph if isinstance(tower, AudioTower) else WaveformGraph
    return kind(tower).eval()


def _noise(count: int, size: int) -> torch.Tensor:
    """Each clip fainter than the one before."""
    loudness = 0.1 * 10.0 ** -torch.arange(count).unsqueeze(1)
    generator = torch.Generator().manual_seed(1)
    return loudness * torch.randn(count, size, generator=generator)
