"""A model as a SpeechBrain folder: ``hyperparams.yaml`` and one file a tower."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from clap_sb.checkpoints.architecture import (
    Architecture,
    Part,
    from_json,
    text_part,
    to_json,
    write_text_source,
)
from clap_sb.checkpoints.clip_beside import locate_clip, take_clip_along
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.loading import Loaded, load_strictly
from clap_sb.checkpoints.model_card import model_card
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.reading import read_weights
from clap_sb.checkpoints.run_folder import PARTS, TEXT_FOLDER
from clap_sb.checkpoints.undrawn import build_undrawn
from clap_sb.encoders.tokenizer_file import write_tokenizer

DESCRIPTION_FILE = "architecture.json"
YAML_FILE = "hyperparams.yaml"
CARD_FILE = "README.md"
TOKENIZER = "tokenizer"
CLAP = "!new:clap_sb.model.CLAP"
JOIN = "!apply:clap_sb.checkpoints.architecture.joined"
INLINE_SOURCE = "clap_sb.encoders.inline_source.InlineSource"
LOAD_PART = "clap_sb.checkpoints.pretrainer.load_exactly"
LOAD_TOKENIZER = "clap_sb.encoders.tokenizer_file.load_tokenizer"


def write_speechbrain_folder(
    loaded: Loaded,
    folder: str | Path,
    tokenizer: str | Path | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Writes a model for SpeechBrain's ``from_hparams`` and ``Pretrainer``.

    Arguments
    ---------
    loaded : Loaded
        The model.
    folder : str or Path
        Receives ``hyperparams.yaml``, ``architecture.json``, one ``.ckpt`` a part, the
        text tower's configuration and tokenizer (in ``text/``, and packed for the
        ``Pretrainer``), the CLIP whose space it is where that is a folder here, and a
        model card.
    tokenizer : str, Path or None
        Folder with the tokenizer, if it is at hand.
    facts : mapping, optional
        More rows for the model card, by their names.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    architecture = take_clip_along(loaded.architecture, folder)
    for name in _parts(architecture):
        state = getattr(loaded.clap, name).state_dict()
        torch.save(state, folder / f"{name}.ckpt")
    if architecture.text is not None and architecture.text.has_source:
        write_text_source(architecture.text, folder / TEXT_FOLDER, tokenizer)
    if tokenizer is not None:
        write_tokenizer(tokenizer, folder / f"{TOKENIZER}.ckpt")
    for name, text in (
        (DESCRIPTION_FILE, to_json(architecture)),
        (YAML_FILE, hyperparams(architecture, tokenizer is not None)),
        (CARD_FILE, model_card(architecture, facts)),
    ):
        (folder / name).write_text(text, encoding="utf-8")


def load_speechbrain_folder(
    folder: str | Path, tokenizer: str | Path | None = None, trust: Trust = False
) -> Loaded:
    """Loads what :func:`write_speechbrain_folder` wrote.

    The YAML is not looked at, since loading one can execute anything.

    Arguments
    ---------
    folder : str or Path
        The folder.
    tokenizer : str, Path or None
        Folder with a tokenizer to take instead of the one in the folder.
    trust : bool or collection of str
        Whether its model may be of classes that are not clap_sb's.

    Returns
    -------
    Loaded

    Raises
    ------
    CheckpointError
        If a file is missing or does not fit.
    """
    folder = Path(folder)
    architecture = read_description(folder, trust)
    with tempfile.TemporaryDirectory() as source:
        if architecture.text is not None:
            own = folder / TEXT_FOLDER
            if tokenizer is None and own.is_dir():
                tokenizer = own
            write_text_source(architecture.text, source, tokenizer)
        try:
            clap = build_undrawn(architecture, source)
        except Exception as error:  # a class that is not ours may raise anything
            raise CheckpointError(
                f"{folder / DESCRIPTION_FILE} describes no model that can be built: "
                f"{(str(error) or type(error).__name__).splitlines()[0]}"
            ) from error
    for name in _parts(architecture):
        path = folder / f"{name}.ckpt"
        module = getattr(clap, name)
        if module.state_dict():
            load_strictly(module, read_weights(path).state, str(path))
    return Loaded(clap, architecture)


def read_description(folder: str | Path, trust: Trust = False) -> Architecture:
    """Reads what an export is; nothing is imported.

    Arguments
    ---------
    folder : str or Path
        A folder that :func:`write_speechbrain_folder` wrote.
    trust : bool or collection of str
        Whether its model may be of classes that are not clap_sb's.

    Returns
    -------
    Architecture

    Raises
    ------
    CheckpointError
        If it is no description, or names such classes and is not trusted.
    """
    path = Path(folder) / DESCRIPTION_FILE
    try:
        architecture = from_json(path.read_text(encoding="utf-8"), trust)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return locate_clip(architecture, Path(folder))


def _parts(architecture: Architecture) -> list[str]:
    """Names of the parts that a model has."""
    if architecture.text is not None:
        return list(PARTS)
    return [name for name in PARTS if not name.startswith("text_")]


def hyperparams(architecture: Architecture, with_tokenizer: bool) -> str:
    """The YAML of a model.

    Arguments
    ---------
    architecture : Architecture
        What the model is made of.
    with_tokenizer : bool
        Whether the tokenizer lies beside it, packed.

    Returns
    -------
    str
        A HyperPyYAML document with ``modules`` and ``pretrainer``, which fetches all
        else: the document is not told where it lies.
    """
    lines = [
        f"# {architecture.family}: {architecture.description}. Written by clap_sb.",
        f"sample_rate: {architecture.sample_rate}",
        f"joint_dim: {architecture.joint_dim}",
        f"strip_punctuation: {json.dumps(architecture.strip_punctuation)}",
    ]
    if architecture.text is not None and architecture.text.has_source:
        config = json.dumps(dict(architecture.text.config))
        lines += [f"text_source: !new:{INLINE_SOURCE}", f"    config: {config}"]
    for name, part in _described(architecture).items():
        lines += _built(name, part, 0)
    refs = {name: f"!ref <{name}>" for name in PARTS}
    strange = bool(architecture.strange_names)
    lines += [f"clap: {JOIN if strange else CLAP}", *_mapping(refs, 1)]
    loadables = {name: refs[name] for name in _parts(architecture)}
    hooks = dict.fromkeys(loadables, f"!name:{LOAD_PART}")
    if with_tokenizer:
        loadables[TOKENIZER] = refs["text_encoder"]
        hooks[TOKENIZER] = f"!name:{LOAD_TOKENIZER}"
    lines += [
        "modules:",
        "    clap: !ref <clap>",
        "audio_normalizer: !new:speechbrain.dataio.preprocess.AudioNormalizer",
        "    sample_rate: !ref <sample_rate>",
        "pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer",
        "    loadables:",
        *_mapping(loadables, 2),
        "    custom_hooks:",
        *_mapping(hooks, 2),
    ]
    return "\n".join(lines) + "\n"


def _described(architecture: Architecture) -> dict[str, Part]:
    """All parts of a model, those that stand in for a missing tower included."""
    text_encoder = Part("clap_sb.encoders.no_text_tower.NoTextTower")
    if architecture.text is not None:
        text_encoder = text_part(architecture.text, "!ref <text_source>")
    return {
        "audio_encoder": architecture.audio_encoder,
        "text_encoder": text_encoder,
        "audio_projection": architecture.audio_projection,
        "text_projection": architecture.text_projection or Part("torch.nn.Identity"),
        "logit_scale": architecture.logit_scale,
    }


def _bare_tag(part: Part) -> str:
    return f"!{'new' if part.is_built else 'name'}:{part.name}"


def _tag(part: Part) -> str:
    tag = _bare_tag(part)
    if part.positional:
        return f"{tag} {_flow(list(part.positional))}"
    return tag + ("" if part.arguments else " {}")


def _built(name: str, part: Part, level: int) -> list[str]:
    """Lines of a part, which is there under a name."""
    start = f"{'    ' * level}{name}: "
    if part.positional and _has_lone_arguments(list(part.positional)):
        start += _bare_tag(part)
        return _unfolded(start, list(part.positional), level)
    return [start + _tag(part), *_arguments(part, level + 1)]


def _has_lone_arguments(value: Any) -> bool:
    """Whether there is a list with an object of one argument in it.

    HyperPyYAML writes those without braces, and reads them on one short line alone.
    """
    if isinstance(value, Part):
        inner = list(value.positional)
        return _has_lone_arguments(inner) or _has_lone_arguments(value.arguments)
    if isinstance(value, Mapping):
        return any(map(_has_lone_arguments, value.values()))
    return isinstance(value, list) and any(
        (isinstance(item, Part) and len(item.arguments) == 1)
        or _has_lone_arguments(item)
        for item in value
    )


def _unfolded(start: str, value: Any, level: int) -> list[str]:
    """Lines of a value, of which each list and mapping has its own."""
    if not isinstance(value, Part | Mapping | list) or not value:
        return [start + _flow(value)]
    if isinstance(value, Part):
        inner = list(value.positional) or dict(value.arguments)
        if not inner:
            return [start + _tag(value)]
        return _unfolded(start + _bare_tag(value), inner, level)
    pairs = value.items() if isinstance(value, Mapping) else ((None, x) for x in value)
    lines = [start.rstrip()]
    for key, item in pairs:
        lead = "- " if key is None else f"{json.dumps(key)}: "
        lines += _unfolded("    " * (level + 1) + lead, item, level + 1)
    return lines


def _arguments(part: Part, level: int) -> list[str]:
    lines = []
    for key, value in part.arguments.items():
        if isinstance(value, Part):
            lines += _built(key, value, level)
        elif _has_lone_arguments(value):
            lines += _unfolded(f"{'    ' * level}{key}: ", value, level)
        elif isinstance(value, str) and value.startswith("!ref "):
            lines += _mapping({key: value}, level)
        else:
            lines += _mapping({key: _flow(value)}, level)
    return lines


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, Part):
        inner = dict(value.arguments)
        return _tag(value) + (f" {_flow(inner)}" if inner else "")
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)}: {_flow(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    if isinstance(value, tuple):
        items = ", ".join(_flow(item) for item in value)
        return f"!tuple {json.dumps(f'({items})')}"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    return json.dumps(value)


def _mapping(values: Mapping[str, str], level: int) -> list[str]:
    return [f"{'    ' * level}{key}: {value}" for key, value in values.items()]
