"""What the model of a training run is made of, read from its ``model.yaml``."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from clap_sb.checkpoints.architecture import Architecture, TextTower
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.part import Part, Trust, check_trusted, strange_names
from clap_sb.checkpoints.yaml_bounds import check_yaml_size
from clap_sb.model import CLAP

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
# of the model as it was built; older files have them among its arguments alone
_BUILT = ("sample_rate", "clip_samples", "joint_dim")
_NO_FACT = (dict, list, tuple, Part)
_WEIGHTS_OF = "weights_of"  # older files have none
_NEW, _NAME = "!new:", "!name:"
_TUPLE = re.compile(r"\(.*\)", re.DOTALL)  # what HyperPyYAML takes for one


def built_facts(clap: CLAP, joint_dim: int) -> str:
    """What ``model.yaml`` tells of a model that its arguments need not.

    Arguments
    ---------
    clap : CLAP
        The model.
    joint_dim : int
        Width of its joint space.

    Returns
    -------
    str
        Lines of YAML.
    """
    values = (clap.sample_rate, clap.clip_samples, joint_dim)
    return "".join(f"{k}: {v}\n" for k, v in zip(_BUILT, values, strict=True))


def read_model_file(run: Path, trust: Trust = False) -> dict[str, Any]:
    """Reads ``model.yaml``; nothing in it is executed.

    Arguments
    ---------
    run : Path
        A run's output folder.
    trust : bool or collection of str
        Whether it may name classes that are not clap_sb's.

    Returns
    -------
    dict
        The parts, each a :class:`Part`, and what is told of the run.

    Raises
    ------
    CheckpointError
        If it is no such YAML, or builds anything but our towers and heads and is not
        trusted.
    """
    import ruamel.yaml

    path = run / MODEL_FILE
    try:
        yaml = ruamel.yaml.YAML()
        yaml.preserve_quotes = True  # a text ("(a)") is no tuple
        text = path.read_text(encoding="utf-8")
        check_yaml_size(text)
        values = yaml.load(text)
        absent = {*PARTS, *_FACTS} - set(values)
        told = (*PARTS, *_FACTS, *_BUILT, _WEIGHTS_OF)
        found = {key: plain(values[key]) for key in told if key in values}
        check_trusted(found.values(), trust)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (ruamel.yaml.YAMLError, ValueError, TypeError, LookupError) as error:
        raise CheckpointError(f"{path} is no description of a model") from error
    absent |= {name for name in PARTS if not _is_module(found.get(name))}
    absent |= {name for name in _FACTS if isinstance(found.get(name), _NO_FACT)}
    if strange_names(found) or set(_BUILT) & set(found):
        absent |= {name for name in _BUILT if type(found.get(name)) is not int}
    if absent:
        raise CheckpointError(f"{path} describes no {', '.join(sorted(absent))}")
    return found


def _is_module(value: Any) -> bool:
    return isinstance(value, Part) and value.is_built


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
    is_told = set(_BUILT) <= set(values)
    parts = {name: with_defaults(_without_source(values[name])) for name in PARTS}
    parts["audio_encoder"] = _loaded(parts["audio_encoder"])
    window = (values["clip_samples"], values["sample_rate"]) if is_told else None
    head = parts["audio_projection"].arguments
    return Architecture(
        family=FAMILY,
        description=f"{values['system']}, trained on {values['trained_on']}",
        audio_encoder=parts["audio_encoder"],
        audio_projection=parts["audio_projection"],
        joint_dim=values["joint_dim"] if is_told else head["joint_dim"],
        text=_text_tower(parts["text_encoder"], values["text_encoder"], run),
        text_projection=parts["text_projection"],
        logit_scale=parts["logit_scale"],
        window=window,
        weights_of=tuple(values.get(_WEIGHTS_OF, ())),
    )


def _text_tower(part: Part, trained: Part, run: Path) -> TextTower:
    """The tower as an export has it: its weights are in the checkpoint."""
    arguments = dict(part.arguments)
    if "pretrained" in arguments:
        arguments["pretrained"] = False
    path, config = run / TEXT_FOLDER / "config.json", {}
    if path.is_file():  # a class that takes all of its numbers as arguments has none
        try:
            config = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path} is no configuration in JSON") from error
    return TextTower(
        replace(part, arguments=arguments),
        config,
        "its own, in the folder" if takes_source(trained) else "its own, in the class",
        takes_source(trained),
    )


def _without_source(part: Part) -> Part:
    """Where a text tower's files are is for the reader to say."""
    if not takes_source(part):
        return part
    kept = {key: v for key, v in part.arguments.items() if key != "source"}
    return replace(part, arguments=kept)


def _loaded(part: Part) -> Part:
    """A tower whose weights are in the checkpoint, and are fetched from nowhere."""
    if not part.is_ours:
        return part
    kept = {key: v for key, v in part.arguments.items() if key != "pretrained"}
    return replace(part, arguments=kept)


def takes_source(text_encoder: Part) -> bool:
    """Whether a text tower is built from the run's folder, with its tokenizer.

    Arguments
    ---------
    text_encoder : Part
        As ``model.yaml`` has it. A class that is not ours may mean something else by
        an argument of that name.

    Returns
    -------
    bool

    Example
    -------
    >>> takes_source(Part("my_tower.Bytes", {"width": 8}))
    False
    """
    given = text_encoder.arguments
    return "source" in given and (
        text_encoder.is_ours or given["source"] == TEXT_FOLDER
    )


def with_defaults(part: Part) -> Part:
    """The same part with every number spelled out, as an export needs it.

    What a class that is not ours takes by default is its own affair, and nothing of it
    is imported here.

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
    if not part.is_ours:
        return part
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
    spelled = {k: v for k, v in numbers.items() if v is not None or k not in unset}
    return replace(part, arguments=spelled)


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
        If something is to be built by other means than ``!new:`` and ``!name:``, or is
        of a kind that no description can hold.

    Example
    -------
    >>> import ruamel.yaml
    >>> plain(ruamel.yaml.YAML().load("!new:clap_sb.features.LogMel {n_mels: 32}"))
    Part(name='clap_sb.features.LogMel', arguments={'n_mels': 32}, positional=(), \
is_built=True)
    >>> plain(ruamel.yaml.YAML().load("(3, 3)"))
    (3, 3)
    """
    tag = getattr(node, "tag", None)
    if tag is not None and tag.value == "!tuple":
        return _tuple(node.value)
    if tag is not None and tag.value is not None:
        return _part(node, str(tag.value))
    if type(node) is str and _TUPLE.fullmatch(node):
        return _tuple(node)
    if isinstance(node, Mapping):
        return {plain(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    for kind in (bool, int, float, str):  # ruamel's own kinds remember their layout
        if isinstance(node, kind):
            return kind(node)
    if node is not None:
        raise CheckpointError(
            f"{node} is a {type(node).__name__}, which no description of a model can "
            "hold: write it as a text, in quotes"
        )
    return node


def _tuple(text: str) -> tuple[Any, ...]:
    import ruamel.yaml

    return tuple(plain(ruamel.yaml.YAML().load(f"[{text[1:-1]}]")))


def _part(node: Any, tag: str) -> Part:
    if not tag.startswith((_NEW, _NAME)):
        raise CheckpointError(
            f"a model is built by {_NEW} (or {_NAME}), and not by {tag}"
        )
    arguments = node if isinstance(node, Mapping) else {}
    positional = node if isinstance(node, list) else ()
    return Part(
        tag.removeprefix(_NEW).removeprefix(_NAME),
        {str(k): plain(v) for k, v in arguments.items()},
        tuple(plain(value) for value in positional),
        tag.startswith(_NEW),
    )
