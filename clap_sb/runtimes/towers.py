"""A model whose towers another runtime computes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.no_text_tower import NoTextTower
from clap_sb.model import CLAP
from clap_sb.runtimes.choice import AUTO, TORCH, RuntimeChoiceError, usable
from clap_sb.runtimes.compiled import (
    TOLERANCE,
    Engine,
    compiled,
    largest_difference,
)
from clap_sb.runtimes.tower_graph import TokensGraph, TowerGraph, audio_graph

COSINE = 0.999
"""The least that an embedding in bf16 may have with PyTorch's in fp32, for ``auto``."""


def through_runtime(
    model: CLAP, runtime: str, precision: str, tell: Callable[[str], object]
) -> CLAP:
    """A model with the same projections, and towers that a runtime computes.

    A tower is converted when it is first asked. Weights are taken as they are then.

    Arguments
    ---------
    model : CLAP
        The model, on the CPU, in eval mode; it stays as it is.
    runtime : str
        ``openvino``, ``onnxruntime`` or ``auto``: the first that is installed, has the
        precision, takes the tower, and gives what PyTorch gives for the first batch;
        PyTorch where there is none.
    precision : str
        ``fp32`` or ``bf16``.
    tell : callable
        Called with a line where there is something to wait for, or PyTorch is taken.

    Returns
    -------
    CLAP
        For embedding alone.
    """
    how = (runtime, precision, tell)
    text = model.text_encoder
    if not isinstance(text, NoTextTower):
        text = RuntimeText(text, *how)
    return CLAP(
        RuntimeAudio(model.audio_encoder, *how),
        text,
        model.audio_projection,
        model.text_projection,
        model.logit_scale,
    )


class Computer:
    """Computes one tower; what does it is found when it is first asked.

    Arguments
    ---------
    make_graph : callable
        Gives the tower as a graph.
    runtime : str
        As in :func:`through_runtime`.
    precision : str
        Likewise.
    tell : callable
        Likewise.
    """

    def __init__(
        self,
        make_graph: Callable[[], TowerGraph],
        runtime: str,
        precision: str,
        tell: Callable[[str], object],
    ):
        self._make_graph = make_graph
        self._how = runtime, precision, tell
        self._engine: Engine | None = None
        self._names: tuple[str, ...] = ()
        self._one_at_a_time = threading.Lock()

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """Computes the outputs.

        Arguments
        ---------
        inputs : mapping of str to torch.Tensor
            By name: those of the graph.

        Returns
        -------
        list of torch.Tensor
            What the graph gives, float32.

        Raises
        ------
        RuntimeChoiceError
            If the tower cannot be computed so, or the inputs are on another device.
        """
        if any(value.device.type != "cpu" for value in inputs.values()):
            raise RuntimeChoiceError(
                "another runtime than torch computes on the CPU, and the model was "
                "moved: leave it there, or load it with runtime torch"
            )
        with self._one_at_a_time:
            if self._engine is None:
                graph = self._make_graph()
                self._names = graph.names
                self._engine = self._found(graph, self._ordered(inputs))
        return [value.float() for value in self._engine(self._ordered(inputs))]

    def _ordered(self, inputs: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        if set(inputs) != set(self._names):
            raise RuntimeChoiceError(
                f"the tower takes {', '.join(self._names)}, not {', '.join(inputs)}"
            )
        return [inputs[name] for name in self._names]

    def _found(self, graph: TowerGraph, inputs: Sequence[torch.Tensor]) -> Engine:
        runtime, precision, tell = self._how
        if runtime != AUTO:
            return compiled(graph, runtime, precision, tell)
        for name in usable(precision, "cpu", tell):
            try:
                engine = compiled(graph, name, precision, tell)
            except RuntimeChoiceError as error:
                tell(str(error))
                continue
            if (reason := _why_unlike(graph, engine, inputs, precision)) is None:
                return engine
            tell(f"runtime {AUTO} takes {TORCH}, not {name}: {reason}")
        return graph.computed


@torch.no_grad()
def _why_unlike(
    graph: TowerGraph,
    engine: Engine,
    inputs: Sequence[torch.Tensor],
    precision: str,
) -> str | None:
    """Compares what is computed of the first batch; None where it is right."""
    with torch.autocast("cpu", enabled=False):
        expected = graph.computed(inputs)
    found = engine(inputs)
    if precision == "fp32":
        difference = largest_difference(found, expected)
        if difference <= TOLERANCE:
            return None
        return f"the first batch differs by {difference:.1e} of the largest number"
    cosine = float(torch.cosine_similarity(found[0], expected[0]).min())
    if cosine >= COSINE:
        return None
    return f"the first batch has a cosine of {cosine:.4f} with that in fp32"


class RuntimeAudio(nn.Module):
    """An audio tower that a runtime computes; the front end of ours is PyTorch's.

    Arguments
    ---------
    tower : nn.Module
        The tower.
    runtime, precision, tell
        As in :func:`through_runtime`.
    """

    def __init__(
        self,
        tower: nn.Module,
        runtime: str,
        precision: str,
        tell: Callable[[str], object],
    ):
        super().__init__()
        self.tower = tower
        self.sample_rate = tower.sample_rate
        self.clip_samples = tower.clip_samples
        self.embedding_dim = tower.embedding_dim
        self.takes_whole_clips = tower.takes_whole_clips
        self._compute = Computer(lambda: audio_graph(tower), runtime, precision, tell)

    def forward(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds clips no longer than a window, unless whole ones are taken.

        Arguments
        ---------
        wavs : torch.Tensor
            ``[batch, time]``.
        wav_lens : torch.Tensor, optional
            Relative lengths, ``[batch]``.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_dim]``.
        """
        if isinstance(self.tower, AudioTower):
            lengths = self.tower.lengths(wavs, wav_lens)
            return self.embed_log_mel(*self.tower.views(wavs, lengths))
        if wav_lens is None:
            wav_lens = torch.ones(wavs.shape[0], dtype=torch.float64)
        return self._compute({"wavs": wavs, "wav_lens": wav_lens.double()})[0]

    def embed_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Embeds what the tower's ``views`` gives, as the tower itself does."""
        return self._of_log_mel(log_mel, longer)[0]

    def frames_of_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What HTSAT's ``frames`` gives: ``[batch, parts, embedding_dim]``."""
        return self._of_log_mel(log_mel, longer)[1]

    def _of_log_mel(
        self, log_mel: torch.Tensor, longer: torch.Tensor | None
    ) -> list[torch.Tensor]:
        inputs = {"log_mel": log_mel}
        if longer is not None:
            inputs["longer"] = longer
        return self._compute(inputs)


class RuntimeText(nn.Module):
    """A text tower that a runtime computes.

    Arguments
    ---------
    tower : nn.Module
        The tower.
    runtime, precision, tell
        As in :func:`through_runtime`.
    """

    def __init__(
        self,
        tower: nn.Module,
        runtime: str,
        precision: str,
        tell: Callable[[str], object],
    ):
        super().__init__()
        self.tower = tower
        self.embedding_dim = tower.embedding_dim
        self._compute = Computer(
            lambda: TokensGraph(tower).eval(), runtime, precision, tell
        )

    def forward(self, captions: list[str] | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Embeds captions, or what ``tokenize`` made of them.

        Arguments
        ---------
        captions : list of str, or mapping
            Captions or tokens.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_dim]``.
        """
        is_tokens = isinstance(captions, Mapping)
        tokens = captions if is_tokens else self.tower.tokenize(captions)
        return self._compute(dict(tokens))[0]
