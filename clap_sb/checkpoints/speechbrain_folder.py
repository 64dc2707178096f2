"""A model as a SpeechBrain folder: ``hyperparams.yaml`` and one file a tower."""

from __future__ import annotations

import json
import math
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
from clap_sb.checkpoints.checkpoint import Checkpoint, CheckpointDescription
from clap_sb.checkpoints.clip_in_export import locate_clip, take_clip_along
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.model_card import model_card
from clap_sb.checkpoints.part import Trust
from clap_sb.checkpoints.run_folder import PARTS, TEXT_FOLDER
from clap_sb.checkpoints.strict_loading import built, load_parts
from clap_sb.encoders.tokenizer_file import write_tokenizer
from clap_sb.model import CLAP

DESCRIPTION_FILE = "architecture.json"
ORIGIN_FILE = "origin.json"
YAML_FILE = "hyperparams.yaml"
CARD_FILE = "README.md"
TOKENIZER = "tokenizer"
MODEL = "!new:clap_sb.model.CLAP"
JOIN = "!apply:clap_sb.checkpoints.architecture.joined"
INLINE_SOURCE = "clap_sb.encoders.inline_source.InlineSource"
LOAD_PART = "clap_sb.checkpoints.pretrainer.load_exactly"
LOAD_TOKENIZER = "clap_sb.encoders.tokenizer_file.load_tokenizer"


# what a run tells of its model
_ORIGIN = ("system", "trained_on", "text_tower_origin", "selection")


def write_speechbrain_folder(checkpoint: Checkpoint, folder: str | Path) -> None:
    """Writes a model for SpeechBrain's ``from_hparams`` and ``Pretrainer``.

    Arguments
    ---------
    checkpoint : Checkpoint
        The model.
    folder : str or Path
        Receives ``hyperparams.yaml``, ``architecture.json``, ``origin.json`` of a model
        that tells of it, one ``.ckpt`` a part, the text tower's configuration and
        tokenizer (in ``text/``, and packed for the ``Pretrainer``), the CLIP whose
        space it is where that is a folder here, and a model card.
    """
    folder, tokenizer = Path(folder), checkpoint.tokenizer
    folder.mkdir(parents=True, exist_ok=True)
    told = checkpoint.to_hand_on()
    architecture = take_clip_along(told.architecture, folder)
    for name in _parts(architecture):
        state = getattr(checkpoint.clap, name).state_dict()
        torch.save(state, folder / f"{name}.ckpt")
    if architecture.text is not None and architecture.text.has_source:
        write_text_source(architecture.text, folder / TEXT_FOLDER, tokenizer)
    if tokenizer is not None:
        write_tokenizer(tokenizer, folder / f"{TOKENIZER}.ckpt")
    if told.is_told:
        origin = {name: getattr(told, name) for name in _ORIGIN}
        text = json.dumps(origin, indent=1)
        (folder / ORIGIN_FILE).write_text(text, encoding="utf-8")
    for name, text in (
        (DESCRIPTION_FILE, to_json(architecture)),
        (YAML_FILE, hyperparams(architecture, tokenizer is not None)),
        (CARD_FILE, model_card(architecture, told.facts, checkpoint.scores())),
    ):
        (folder / name).write_text(text, encoding="utf-8")


def load_speechbrain_folder(
    found: CheckpointDescription, tokenizer: Path | None = None
) -> CLAP:
    """Loads what :func:`write_speechbrain_folder` wrote.

    The YAML is not looked at, since loading one can execute anything.

    Arguments
    ---------
    found : CheckpointDescription
        From :func:`describe_speechbrain_folder`.
    tokenizer : Path or None
        Folder with the tokenizer; without, the text tower takes tokens only.

    Returns
    -------
    CLAP
        In eval mode.

    Raises
    ------
    CheckpointError
        If a file is missing or does not fit.
    """
    own = found.path / TEXT_FOLDER
    if tokenizer is None and own.is_dir():
        tokenizer = own  # a class of others may have other files there
    what = str(found.path / DESCRIPTION_FILE)
    clap = built(found.architecture, what, tokenizer)
    load_parts(clap, _parts(found.architecture), found.path)
    return clap


def describe_speechbrain_folder(
    folder: str | Path, trust: Trust = False
) -> CheckpointDescription:
    """Reads what an export is; nothing is imported.

    Arguments
    ---------
    folder : str or Path
        A folder that :func:`write_speechbrain_folder` wrote.
    trust : bool or collection of str
        Whether its model may be of classes that are not clap_sb's.

    Returns
    -------
    CheckpointDescription
        One that does not tell of its origin is described as a public checkpoint is.

    Raises
    ------
    CheckpointError
        If it is no description, or names such classes and is not trusted.
    """
    folder = Path(folder)
    path = folder / DESCRIPTION_FILE
    try:
        architecture = from_json(path.read_text(encoding="utf-8"), trust)
    except (CheckpointError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: {error}") from error
    architecture = locate_clip(architecture, folder)
    family = f"{architecture.family} ({architecture.description})"
    told = {"system": family} | _read_origin(folder / ORIGIN_FILE)
    return CheckpointDescription(
        source=folder.as_posix(), path=folder, architecture=architecture, **told
    )


def _read_origin(path: Path) -> dict[str, str]:
    """Empty where there is none: of a public model, or of an export of before."""
    if not path.is_file():
        return {}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        origin = {name: told[name] for name in _ORIGIN}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"{path} does not tell of a model's origin") from error
    if not all(isinstance(value, str) for value in origin.values()):
        raise CheckpointError(f"{path} does not tell of a model's origin in words")
    return origin


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
    ]
    if architecture.text is not None and architecture.text.has_source:
        config = json.dumps(dict(architecture.text.config))
        lines += [f"text_source: !new:{INLINE_SOURCE}", f"    config: {config}"]
    for name, part in _described(architecture).items():
        lines += _built(name, part, 0)
    refs = {name: f"!ref <{name}>" for name in PARTS}
    strange = bool(architecture.strange_names)
    lines += [f"clap: {JOIN if strange else MODEL}", *_mapping(refs, 1)]
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
