"""What the model of a training run is made of, read from its ``model.yaml``."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clap_sb.checkpoints.architecture import Architecture, Part, TextTower
from clap_sb.checkpoints.errors import CheckpointError

FAMILY = "clap_sb"
MODEL_FILE = "model.yaml"
TEXT_FOLDER = "text"

# one file each in a checkpoint, so that others can take the audio tower alone
PARTS = (
    "audio_encoder",
    "text_encoder",
    "audio_projection",
    "text_projection",
    "logit_scale",
)

_FACTS = ("system", "trained_on", "text_tower_origin", "best_metric")
_NEW = "!new:"


def read_model_file(run: Path) -> dict[str, Any]:
    """Reads ``model.yaml``; nothing in it is executed.

    Arguments
    ---------
    run : Path
        A run's output folder.

    Returns
    -------
    dict
        The parts, each a :class:`Part`, and what is told of the run.

    Raises
    ------
    CheckpointError
        If it is no such YAML, or builds anything but our towers and heads.
    """
    import ruamel.yaml

    path = run / MODEL_FILE
    try:
        values = ruamel.yaml.YAML().load(path.read_text(encoding="utf-8"))
        absent = {*PARTS, *_FACTS} - set(values)
        found = {key: plain(values[key]) for key in (*PARTS, *_FACTS) if key in values}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (ruamel.yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise CheckpointError(f"{path} is no description of a model") from error
    absent |= {name for name in PARTS if not isinstance(found.get(name), Part)}
    if absent:
        raise CheckpointError(f"{path} describes no {', '.join(sorted(absent))}")
    return found


def describe_run(run: Path, values: Mapping[str, Any]) -> Architecture:
    """Tells what the model of a run is made of.

    Arguments
    ---------
    run : Path
        A run's output folder.
    values : mapping
        What :func:`read_model_file` found in it.

    Returns
    -------
    Architecture

    Raises
    ------
    CheckpointError
        If there is no such class as ``model.yaml`` names.
    """
    parts = {name: with_defaults(_without_source(values[name])) for name in PARTS}
    return Architecture(
        family=FAMILY,
        description=f"{values['system']}, trained on {values['trained_on']}",
        audio_encoder=parts["audio_encoder"],
        audio_projection=parts["audio_projection"],
        joint_dim=parts["audio_projection"].arguments["joint_dim"],
        text=_text_tower(parts["text_encoder"], run / TEXT_FOLDER),
        text_projection=parts["text_projection"],
        logit_scale=parts["logit_scale"],
    )


def _text_tower(part: Part, folder: Path) -> TextTower:
    """The tower as an export has it: its weights are in the checkpoint."""
    arguments = dict(part.arguments)
    if "pretrained" in arguments:
        arguments["pretrained"] = False
    path, config = folder / "config.json", {}
    if path.is_file():  # a class that takes all of its numbers as arguments has none
        config = json.loads(path.read_text(encoding="utf-8"))
    return TextTower(Part(part.name, arguments), config, "its own, in the folder")


def _without_source(part: Part) -> Part:
    """Where a text tower's files are is for the reader to say."""
    kept = {key: v for key, v in part.arguments.items() if key != "source"}
    return Part(part.name, kept)


def with_defaults(part: Part) -> Part:
    """The same part with every number spelled out, as an export needs it.

    Arguments
    ---------
    part : Part
        With some of its arguments.

    Returns
    -------
    Part

    Example
    -------
    >>> with_defaults(Part("clap_sb.features.LogMel", {"n_mels": 32})).arguments[
    ...     "n_fft"
    ... ]
    1024
    """
    given = {
        key: with_defaults(value) if isinstance(value, Part) else value
        for key, value in part.arguments.items()
    }
    parameters = inspect.signature(part.find()).parameters
    defaults = {name: found.default for name, found in parameters.items()}
    numbers = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in {**defaults, **given}.items()
        if value is not inspect.Parameter.empty
    }
    # None means "as usual" only where it is the default
    unset = [key for key, value in numbers.items() if value is defaults.get(key)]
    return Part(
        part.name,
        {k: v for k, v in numbers.items() if v is not None or k not in unset},
    )


def plain(node: Any) -> Any:
    """Turns a YAML node into plain Python; nothing is built.

    Arguments
    ---------
    node : Any
        What ruamel.yaml reads: a mapping, a list or a scalar.

    Returns
    -------
    Any
        What the YAML would build is a :class:`Part`.

    Raises
    ------
    CheckpointError
        If something is to be built by other means than ``!new:``.

    Example
    -------
    >>> import ruamel.yaml
    >>> plain(ruamel.yaml.YAML().load("!new:clap_sb.features.LogMel {n_mels: 32}"))
    Part(name='clap_sb.features.LogMel', arguments={'n_mels': 32})
    """
    tag = getattr(node, "tag", None)
    if tag is not None and tag.value is not None:
        return _part(node, str(tag.value))
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    for kind in (bool, int, float, str):  # ruamel's own kinds remember their layout
        if isinstance(node, kind):
            return kind(node)
    return node


def _part(node: Any, tag: str) -> Part:
    if not tag.startswith(_NEW):
        raise CheckpointError(f"a model is built by {_NEW}, and not by {tag}")
    arguments = node if isinstance(node, Mapping) else {}
    return Part(
        tag.removeprefix(_NEW), {str(k): plain(v) for k, v in arguments.items()}
    )
