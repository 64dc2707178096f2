"""What a model is made of, as plain data: enough to build it, and to write its YAML."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.encoders.no_text_tower import NoTextTower
from clap_sb.model import CLAP

# a description may come from outside, and names classes
_BUILDABLE = (
    "clap_sb.encoders.",
    "clap_sb.features.",
    "clap_sb.objectives.",
    "torch.nn.Identity",
)


_PARTS = {"audio_encoder", "audio_projection", "text_projection", "logit_scale"}


@dataclass(frozen=True)
class Part:
    """One of our classes, and what it is built with.

    Arguments
    ---------
    name : str
        Import path of the class.
    arguments : dict
        Keyword arguments: numbers, strings, lists, and further parts.

    Example
    -------
    >>> Part("clap_sb.features.LogMel", {"n_mels": 32}).build().n_mels
    32
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if not self.name.startswith(_BUILDABLE):
            raise CheckpointError(
                f"a model cannot be built of {self.name}: only the towers and heads of "
                "clap_sb can stand in a description"
            )

    def build(self) -> nn.Module:
        """Builds the part, and those it takes."""
        arguments = {
            key: value.build() if isinstance(value, Part) else value
            for key, value in self.arguments.items()
        }
        return self.find()(**arguments)

    def find(self) -> type[nn.Module]:
        """The class itself.

        Returns
        -------
        type

        Raises
        ------
        CheckpointError
            If there is no such class.
        """
        module, _, name = self.name.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise CheckpointError(f"there is no class {self.name}") from error
        if not (isinstance(found, type) and issubclass(found, nn.Module)):
            raise CheckpointError(f"{self.name} is no part of a model")
        return found


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
    """

    part: Part
    config: Mapping[str, Any]
    tokenizer: str


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
    strip_punctuation : bool
        Whether captions lose their punctuation before they are tokenised.
    verified : bool
        Whether the layout was checked against the family's own classes.
    """

    family: str
    description: str
    audio_encoder: Part
    audio_projection: Part
    joint_dim: int
    text: TextTower | None = None
    text_projection: Part | None = None
    logit_scale: Part = Part("clap_sb.objectives.logit_scale.LogitScale")
    strip_punctuation: bool = False
    verified: bool = True

    @property
    def sample_rate(self) -> int:
        """Sample rate of the waveforms, Hz."""
        tower = self.audio_encoder.arguments
        return tower.get("sample_rate", tower["log_mel"].arguments["sample_rate"])

    @property
    def seconds(self) -> float:
        """Length of the audio tower's window, seconds."""
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
    return CLAP(
        architecture.audio_encoder.build(),
        text_encoder,
        architecture.audio_projection.build(),
        text_projection,
        architecture.logit_scale.build(),
    ).eval()


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
    return Part(text.part.name, {**text.part.arguments, "source": source})


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
    return json.dumps(asdict(architecture), indent=1)


def from_json(text: str) -> Architecture:
    """Reads what :func:`to_json` wrote; nothing in it is executed.

    Arguments
    ---------
    text : str
        JSON.

    Returns
    -------
    Architecture

    Raises
    ------
    CheckpointError
        If it is no description of an architecture.
    """
    try:
        values = json.loads(text)
        for key in _PARTS & set(values):
            values[key] = _part(values[key])
        if values["text"] is not None:
            values["text"] = TextTower(
                **{**values["text"], "part": _part(values["text"]["part"])}
            )
        return Architecture(**values)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"not a description of a model: {error}") from error


def _part(values: Mapping[str, Any] | None) -> Part | None:
    if values is None:
        return None
    arguments = {
        key: _part(value) if isinstance(value, dict) else value
        for key, value in values["arguments"].items()
    }
    return Part(values["name"], arguments)
