"""What a model is made of, as plain data: enough to build it, and to write its YAML."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import nn

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.part import (
    Part,
    Trust,
    check_trusted,
    decoded,
    encoded,
    strange_names,
)
from clap_sb.encoders.contract import check_towers
from clap_sb.encoders.no_text_tower import NoTextTower
from clap_sb.model import CLAP

_PARTS = ("audio_encoder", "audio_projection", "text_projection", "logit_scale")


@dataclass(frozen=True)
class TextTower:
    """A text tower: the class, and what its folder has to hold.

    Arguments
    ---------
    part : Part
        The class, without its ``source``.
    config : dict
        ``config.json`` of the transformers model; empty for a class that takes all of
        its numbers as arguments.
    tokenizer : str
        Name on the Hugging Face hub of the tokenizer it was trained with.
    has_source : bool
        Whether it is built from a folder; False for a class that has all it takes.
    """

    part: Part
    config: Mapping[str, Any]
    tokenizer: str
    has_source: bool = True


@dataclass(frozen=True)
class Architecture:
    """A model of one of the public families.

    Arguments
    ---------
    family : str
        Name of the family.
    description : str
        The towers in words.
    audio_encoder : Part
        Audio tower.
    audio_projection : Part
        Its projection; ``torch.nn.Identity`` for a tower alone.
    joint_dim : int
        Width of the embeddings.
    text : TextTower or None
        Text tower; None for an audio tower alone.
    text_projection : Part or None
        Its projection.
    logit_scale : Part
        Learned temperature.
    verified : bool
        Whether the layout was checked against the family's own classes.
    window : tuple of int, optional
        Samples in the audio tower's window and their rate, Hz; those that its arguments
        name unless given.
    weights_of : tuple of str
        Who made the weights that its towers started from, and their licence, where
        those ask to be told along.
    """

    family: str
    description: str
    audio_encoder: Part
    audio_projection: Part
    joint_dim: int
    text: TextTower | None = None
    text_projection: Part | None = None
    logit_scale: Part = Part("clap_sb.objectives.logit_scale.LogitScale")
    verified: bool = True
    window: tuple[int, int] | None = None
    weights_of: tuple[str, ...] = ()

    @property
    def parts(self) -> list[Part]:
        """All that it is built of."""
        found = [getattr(self, name) for name in _PARTS]
        found += [self.text.part] if self.text is not None else []
        return [part for part in found if part is not None]

    @property
    def strange_names(self) -> list[str]:
        """Names of the classes that are not clap_sb's."""
        return strange_names(self.parts)

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, Hz."""
        if self.window is not None:
            return self.window[1]
        tower = self.audio_encoder.arguments
        front_end = tower if "sample_rate" in tower else tower["log_mel"].arguments
        return front_end["sample_rate"]

    @property
    def seconds(self) -> float:
        """Length of the audio tower's window, seconds."""
        if self.window is not None:
            return self.window[0] / self.window[1]
        return self.audio_encoder.arguments["clip_samples"] / self.sample_rate


def build(architecture: Architecture, text_source: str | Path | None = None) -> CLAP:
    """Builds a model with random weights.

    Arguments
    ---------
    architecture : Architecture
        What to build.
    text_source : str or Path, optional
        Folder that :func:`write_text_source` wrote; needed where there is a text tower.

    Returns
    -------
    CLAP
        In eval mode.
    """
    text_encoder, text_projection = NoTextTower(), nn.Identity()
    if architecture.text is not None:
        part = text_part(architecture.text, str(text_source))
        text_encoder = part.build()
        text_projection = architecture.text_projection.build()
    return joined(
        architecture.audio_encoder.build(),
        text_encoder,
        architecture.audio_projection.build(),
        text_projection,
        architecture.logit_scale.build(),
    ).eval()


def joined(
    audio_encoder: nn.Module, text_encoder: nn.Module, *rest: nn.Module, **more: Any
) -> CLAP:
    """A model of towers that need not be ours; exports of such are built by it.

    Arguments
    ---------
    audio_encoder : nn.Module
        Audio tower.
    text_encoder : nn.Module
        Text tower.
    *rest, **more
        What else :class:`CLAP` takes.

    Returns
    -------
    CLAP

    Raises
    ------
    TowerError
        As :func:`clap_sb.encoders.contract.check_towers` does.
    """
    check_towers(audio_encoder, text_encoder)
    return CLAP(audio_encoder, text_encoder, *rest, **more)


def text_part(text: TextTower, source: str) -> Part:
    """The text tower's class with its folder.

    Arguments
    ---------
    text : TextTower
        The tower.
    source : str
        Folder that :func:`write_text_source` wrote.

    Returns
    -------
    Part
    """
    if not text.has_source:
        return text.part
    return replace(text.part, arguments={**text.part.arguments, "source": source})


def write_text_source(
    text: TextTower, folder: str | Path, tokenizer: str | Path | None
) -> None:
    """Writes what a text tower is built from: its numbers, and its tokenizer.

    Arguments
    ---------
    text : TextTower
        The tower.
    folder : str or Path
        Receives ``config.json`` and the tokenizer's files.
    tokenizer : str, Path or None
        Folder with the tokenizer's files; None if they are not at hand, and then the
        tower takes tokens only.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer is not None:
        for path in sorted(Path(tokenizer).iterdir()):
            if path.suffix in (".json", ".txt", ".model") and path.is_file():
                (folder / path.name).write_bytes(path.read_bytes())
    (folder / "config.json").write_text(
        json.dumps(dict(text.config), indent=1), encoding="utf-8"
    )


def to_json(architecture: Architecture) -> str:
    """Writes an architecture as JSON.

    Arguments
    ---------
    architecture : Architecture
        What a model is made of.

    Returns
    -------
    str

    Example
    -------
    >>> tower = Part("clap_sb.encoders.cnn14.CNN14", {"clip_samples": 480000})
    >>> head = Part("torch.nn.Identity")
    >>> cnn14 = Architecture("PANNs", "CNN14", tower, head, 2048)
    >>> from_json(to_json(cnn14)) == cnn14
    True
    """
    values = {f.name: getattr(architecture, f.name) for f in fields(architecture)}
    values |= {key: encoded(values[key]) for key in _PARTS}
    text = architecture.text
    if text is not None:
        values["text"] = {**vars(text), "part": encoded(text.part)}
    return json.dumps(values, indent=1)


def from_json(text: str, trust: Trust = False) -> Architecture:
    """Reads what :func:`to_json` wrote; nothing in it is executed.

    Arguments
    ---------
    text : str
        JSON.
    trust : bool or collection of str
        Whether it may name classes that are not clap_sb's.

    Returns
    -------
    Architecture

    Raises
    ------
    CheckpointError
        If it is no description of an architecture, or names such classes and is not
        trusted.
    """
    try:
        values = json.loads(text)
        for key in set(_PARTS) & set(values):
            values[key] = decoded(values[key])
        strips = values.pop("strip_punctuation", False)  # of a WavCaps of before
        if values["text"] is not None:
            part = decoded(values["text"]["part"])
            if strips:
                told = {**part.arguments, "strip_punctuation": True}
                part = replace(part, arguments=told)
            values["text"] = TextTower(**{**values["text"], "part": part})
        if values.get("window") is not None:
            samples, rate = map(operator.index, values["window"])
            values["window"] = (samples, rate)
        values["weights_of"] = tuple(map(str, values.get("weights_of", ())))
        architecture = Architecture(**values)
        _check_kinds(architecture)
        check_trusted(architecture.parts, trust)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"not a description of a model: {error}") from error
    return architecture


def _check_kinds(architecture: Architecture) -> None:
    """Sees that what JSON has told is of the kinds that a model is built from."""
    for name in _PARTS:
        part = getattr(architecture, name)
        is_left_out = (
            part is None and name == "text_projection" and architecture.text is None
        )
        if not (is_left_out or isinstance(part, Part)):
            raise TypeError(f"its {name} is {part!r}")
    text = architecture.text
    if text is not None:
        if not isinstance(text.part, Part):
            raise TypeError(f"its text tower is {text.part!r}")
        if not isinstance(text.config, Mapping):
            raise TypeError(f"the configuration of its text tower is {text.config!r}")
    for name in ("family", "description"):
        if not isinstance(getattr(architecture, name), str):
            raise TypeError(f"its {name} is {getattr(architecture, name)!r}")
    if type(architecture.joint_dim) is not int:
        raise TypeError(f"its joint_dim is {architecture.joint_dim!r}")
