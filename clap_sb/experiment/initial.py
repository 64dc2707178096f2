"""Starts a training run from a checkpoint of any kind: fine-tuning."""

from __future__ import annotations

import functools
import hashlib
import io
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ruamel.yaml

from clap_sb.checkpoints.architecture import write_text_source
from clap_sb.checkpoints.checkpoint import Checkpoint
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.part import Part
from clap_sb.checkpoints.run_description import plain
from clap_sb.checkpoints.run_folder import MODEL_FILE, PARTS, TEXT_FOLDER
from clap_sb.checkpoints.speechbrain_folder import hyperparams
from clap_sb.checkpoints.strict_loading import load_strictly
from clap_sb.config import Config, ConfigError, top_level_blocks
from clap_sb.model import CLAP
from clap_sb.training.text_start import has_source

_TEXT_SOURCE = "text_source"
# What acts in training alone and has no weights is the YAML's, as training figures are.
_KEPT = {
    "audio_encoder": {
        "freeze": "freeze_audio",
        "gradient_checkpointing": "gradient_checkpointing",
        "spec_augment": "spec_augment",
    },
    "text_encoder": {
        "freeze": "freeze_text",
        "gradient_checkpointing": "gradient_checkpointing",
        "source": _TEXT_SOURCE,
    },
}
_TEXT_KEYS = (_TEXT_SOURCE, "pretrained_text", "text_config", "text_vocab_size")


@dataclass(frozen=True)
class Initial:
    """What a run starts from.

    Arguments
    ---------
    checkpoint : Checkpoint
        With a text tower, and its tokenizer where it takes one.
    """

    checkpoint: Checkpoint

    @property
    def clap(self) -> CLAP:
        """The model."""
        return self.checkpoint.clap

    @property
    def description(self) -> str:
        """What it is, in words."""
        told = self.checkpoint
        if told.run is not None:
            return f"{told.source} ({told.system}, {told.selection})"
        what = told.architecture
        return f"{told.source} ({what.family}: {what.description})"

    @property
    def trained_on(self) -> str:
        """What it was trained on; what comes after is added to it."""
        told = self.checkpoint
        return told.trained_on if told.is_told else f"the data of {told.source}"

    @property
    def weights_of(self) -> Sequence[str]:
        """Who made the weights that its towers once started from, and their licence."""
        return self.checkpoint.architecture.weights_of

    @property
    def beginning(self) -> dict[str, Any]:
        """What decides weights and tokenizer at the start, for the run's identity."""
        digest = hashlib.sha256()
        for name, content in sorted(self.text_files.items()):
            digest.update(name.encode() + content)
        return {"init": self.description, "init_text": digest.hexdigest()[:16]}

    @functools.cached_property
    def parts(self) -> str:
        """HyperPyYAML source of its towers, projections and scale."""
        told = self.checkpoint
        if told.run is not None:
            text = (told.run / MODEL_FILE).read_text(encoding="utf-8")
            return training_parts(text)
        return training_parts(hyperparams(told.architecture, with_tokenizer=True))

    @functools.cached_property
    def text_files(self) -> Mapping[str, bytes]:
        """The text tower's configuration and tokenizer, by file name."""
        told = self.checkpoint
        own = None if told.run is None else told.run / TEXT_FOLDER
        if own is not None and told.tokenizer in (None, own):
            return read_files(own)
        if not told.architecture.text.has_source:
            return {}
        with tempfile.TemporaryDirectory() as folder:
            write_text_source(told.architecture.text, folder, told.tokenizer)
            return read_files(folder)

    def write_text(self, folder: str | Path) -> None:
        """Writes what the text tower is built from.

        Arguments
        ---------
        folder : str or Path
            Receives the files; those of another tower are replaced.
        """
        folder = Path(folder)
        if folder.is_dir() and read_files(folder) == self.text_files:
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in self.text_files.items():
            (folder / name).write_bytes(content)

    def adopt(self, config: Config, text_folder: str | Path) -> Config:
        """Puts the checkpoint's architecture in the place of the YAML's.

        A bias of the logits is the loss's, too: one that the YAML has starts as it is
        there, where the checkpoint has none.

        Arguments
        ---------
        config : Config
            The run's configuration.
        text_folder : str or Path
            Where :meth:`write_text` wrote.

        Returns
        -------
        Config

        Raises
        ------
        ConfigError
            If a setting of the architecture was given on the command line: it would
            have no effect.
        """
        owned = architecture_keys(config.text)
        given = owned & set(config.given)
        if _is_bias(config.given.get("logit_scale")):
            given.remove("logit_scale")
        if given:
            raise ConfigError(
                f"{', '.join(sorted(given))} cannot be set together with --init: "
                "architecture, front end and tokenizer are those of the checkpoint"
            )
        kept = {k: v for k, v in config.overrides.items() if k not in owned}
        parts = with_keys_there(self.parts, config.text)
        adopted = replace(config, overrides=kept).redefined(parts)
        settled: dict[str, Any] = {}
        if has_source(adopted.values()):
            settled[_TEXT_SOURCE] = str(text_folder)
        bias = plain(config.values()["logit_scale"]).arguments.get("bias")
        if bias is not None and self.clap.logit_scale.bias is None:
            settled["logit_scale"] = {"bias": bias}
        return adopted.updated(settled) if settled else adopted

    def load_into(self, clap: CLAP) -> None:
        """Gives the weights to a model of the same architecture.

        Arguments
        ---------
        clap : CLAP
            Built from what :meth:`adopt` gave.

        Raises
        ------
        CheckpointError
            If a tensor is missing, unexpected, or of another shape.
        """
        state = self.clap.state_dict()
        if self.clap.logit_scale.bias is None and clap.logit_scale.bias is not None:
            state["logit_scale.bias"] = clap.logit_scale.bias.detach()
        load_strictly(clap, state, self.description)


def _is_bias(given: Any) -> bool:
    """Whether a bias of the logits is all that is given of ``logit_scale``."""
    return isinstance(given, Mapping) and set(given) == {"bias"}


def read_initial(
    source: str | Path, tokenizer: str | None = None, trust: bool = False
) -> Initial:
    """Reads what a run is to start from.

    Arguments
    ---------
    source : str or Path
        A training run's folder, one checkpoint of it, an export, a public checkpoint's
        file or folder, or its name on the Hugging Face hub.
    tokenizer : str, optional
        Folder or hub name of the tokenizer, where it does not lie beside the weights.
    trust : bool
        Whether it may be of classes that are not clap_sb's, which are then imported.

    Returns
    -------
    Initial

    Raises
    ------
    CheckpointError
        If it is not to be had, of no known kind, an audio tower alone, or came without
        its tokenizer.
    """
    checkpoint = open_checkpoint(source, tokenizer, trust=trust)
    what = checkpoint.architecture
    if what.text is None:
        raise CheckpointError(
            f"{source} is an audio tower alone ({what.description}): start the audio "
            "tower from it by --audio_weights, not by --init"
        )
    if what.text.has_source and checkpoint.tokenizer is None:
        raise CheckpointError(
            f"{source} came without its tokenizer, and {what.text.tokenizer} cannot be "
            "fetched: name a folder with it (--init_tokenizer FOLDER)"
        )
    return Initial(checkpoint)


def read_files(folder: str | Path) -> dict[str, bytes]:
    """Reads the files of a folder, by name.

    Arguments
    ---------
    folder : str or Path
        The folder, which need not be there; folders in it are left out.

    Returns
    -------
    dict

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.txt").write_bytes(b"x")
    >>> read_files(folder)
    {'a.txt': b'x'}
    """
    paths = sorted(path for path in Path(folder).glob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in paths}


def training_parts(text: str) -> str:
    """The parts of a model's YAML, with references to a recipe's training keys.

    Arguments
    ---------
    text : str
        A run's ``model.yaml``, or the ``hyperparams.yaml`` of an export.

    Returns
    -------
    str
        HyperPyYAML source of the parts alone.
    """
    yaml = ruamel.yaml.YAML()
    values = yaml.load(text)
    parts = ruamel.yaml.comments.CommentedMap((name, values[name]) for name in PARTS)
    for name, kept in _KEPT.items():
        if isinstance(parts[name], list):  # arguments by place: none by name beside
            continue
        tag = parts[name].tag
        if not isinstance(parts[name], Mapping):  # it has no arguments yet
            parts[name] = ruamel.yaml.comments.CommentedMap()
            parts[name].yaml_set_ctag(tag)
        part = Part(tag.value.removeprefix("!new:"))
        taken = {k: v for k, v in kept.items() if part.takes(k)}
        if not (part.is_ours or _is_text_source(parts[name].get("source"))):
            taken.pop("source", None)
        for argument, key in taken.items():
            parts[name][argument] = yaml.load(f"x: !ref <{key}>")["x"]
    _drop_anchors(parts)
    stream = io.StringIO()
    yaml.dump(parts, stream)
    return stream.getvalue()


def with_keys_there(parts_text: str, text: str) -> str:
    """The parts, where YAML files of a user's own lack a key that parts refer to.

    What their own towers have in its place is kept; else the argument has its default.

    Arguments
    ---------
    parts_text : str
        Parts of a model, as :func:`training_parts` gives them.
    text : str
        The joined YAML that they are to stand in.

    Returns
    -------
    str
        HyperPyYAML source.
    """
    yaml, stream = ruamel.yaml.YAML(), io.StringIO()
    parts, own = yaml.load(parts_text), yaml.load(text)
    for name in _KEPT.keys() & parts.keys():
        kept = _KEPT[name]
        tower = own.get(name)
        arguments = tower if isinstance(tower, Mapping) else {}
        for argument, key in kept.items():
            if key in own or key == _TEXT_SOURCE:
                continue
            if argument not in parts[name]:
                continue
            if argument in arguments:
                parts[name][argument] = arguments[argument]
            else:
                del parts[name][argument]
    if _TEXT_SOURCE not in own and f"<{_TEXT_SOURCE}>" in parts_text:
        parts[_TEXT_SOURCE] = None  # where its text lies is told afterwards
    _drop_anchors(parts)
    yaml.dump(parts, stream)
    return stream.getvalue()


def _is_text_source(source: Any) -> bool:
    """Whether a class that is not ours is given the tokenizer's folder."""
    if isinstance(source, ruamel.yaml.comments.TaggedScalar):
        return source.value == "<text_source>"
    return source == TEXT_FOLDER


def _drop_anchors(node: Any) -> None:
    """Anchors of one document could be those of another one that it is joined to."""
    if isinstance(node, ruamel.yaml.comments.CommentedBase):
        node.yaml_set_anchor(None)
    children = node.values() if isinstance(node, Mapping) else node
    if isinstance(node, Mapping | list):
        for child in children:
            _drop_anchors(child)


def architecture_keys(text: str, parts: Collection[str] = PARTS) -> set[str]:
    """Keys of a joined YAML that serve the model's architecture alone.

    Arguments
    ---------
    text : str
        HyperPyYAML source.
    parts : collection of str
        Parts of the model; the text tower's among them.

    Returns
    -------
    set of str
        These parts, and what only they refer to. What the towers take for
        training (freezing, SpecAugment) is not among it.

    Example
    -------
    >>> text = "width: 2\\nlr: 1\\naudio_projection: {n: !ref <width>}\\n"
    >>> sorted(architecture_keys(text) & {"width", "lr", "audio_projection"})
    ['audio_projection', 'width']
    """
    blocks = top_level_blocks(text)
    users = {
        key: {other for other, block in blocks.items() if f"<{key}>" in block}
        for key in blocks
    }
    trained = {key for kept in _KEPT.values() for key in kept.values()}
    found = {*parts, *_TEXT_KEYS}
    while True:
        more = {key for key, by in users.items() if by and by <= found} - trained
        if more <= found:
            return found
        found |= more
