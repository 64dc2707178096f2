"""A class and what it is built with, as plain data."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from clap_sb.checkpoints.errors import CheckpointError

# A description may come from outside, and names classes: these run nobody else's code.
_OURS = (
    "clap_sb.encoders.",
    "clap_sb.features.",
    "clap_sb.objectives.",
    "torch.nn.Identity",
)
_ADVICE = (
    "put the file of its module into the current folder, beside the system's YAML, or "
    "into a folder of PYTHONPATH"
)


Trust = bool | Collection[str]
"""Whether classes of others may be imported: all, none, or those that are named."""


@dataclass(frozen=True)
class Part:
    """A class, and what it is built with.

    Arguments
    ---------
    name : str
        Import path of the class.
    arguments : mapping
        Keyword arguments: numbers, texts, lists, tuples, mappings, and further parts.
    positional : sequence
        Arguments without a name, likewise.
    is_built : bool
        False for the class itself, with some of its arguments, as ``!name:`` gives it.

    Example
    -------
    >>> Part("clap_sb.features.LogMel", {"n_mels": 32}).build().n_mels
    32
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    positional: Sequence[Any] = ()
    is_built: bool = True

    @property
    def is_ours(self) -> bool:
        """Whether it is a tower or a head of clap_sb."""
        return self.name.startswith(_OURS)

    def build(self) -> Any:
        """Builds the part, and those it takes."""
        positional = [_built(value) for value in self.positional]
        arguments = {key: _built(value) for key, value in self.arguments.items()}
        if self.is_built:
            return self.find()(*positional, **arguments)
        return functools.partial(self.find(), *positional, **arguments)

    def find(self) -> Any:
        """The class itself.

        Returns
        -------
        type
            For ``!name:``, any callable.

        Raises
        ------
        CheckpointError
            If there is no such class.
        """
        if not self.is_ours:
            return _find_strange(self.name, self.is_built)
        module, _, name = self.name.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise CheckpointError(f"there is no class {self.name}") from error
        if not (isinstance(found, type) and issubclass(found, nn.Module)):
            raise CheckpointError(f"{self.name} is no part of a model")
        return found

    def takes(self, argument: str) -> bool:
        """Whether the class has an argument of that name.

        Arguments
        ---------
        argument : str
            The name.

        Returns
        -------
        bool

        Example
        -------
        >>> Part("clap_sb.features.LogMel").takes("n_mels")
        True
        """
        return argument in inspect.signature(self.find()).parameters


def _find_strange(name: str, is_built: bool) -> Any:
    import pydoc  # what HyperPyYAML finds classes with

    if os.getcwd() not in sys.path:  # a command's own folder is there instead
        sys.path.append(os.getcwd())
    try:
        found = pydoc.locate(name)
    except pydoc.ErrorDuringImport as error:
        raise CheckpointError(f"{name} cannot be imported: {error}") from error
    if not callable(found):
        raise CheckpointError(f"there is no class {name} here: {_ADVICE}")
    if is_built and not isinstance(found, type):
        raise CheckpointError(
            f"{name} is no class: write one that calls it (an nn.Module), and name that"
        )
    return found


def _built(value: Any) -> Any:
    if isinstance(value, Part):
        return value.build()
    if isinstance(value, Mapping):
        return {key: _built(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_built(item) for item in value)
    return value


def parts_in(value: Any) -> Iterator[Part]:
    """All parts in a value, those that parts take included.

    Arguments
    ---------
    value : Any
        A part, or plain data.

    Yields
    ------
    Part

    Example
    -------
    >>> [part.name for part in parts_in({"a": [Part("x.Y", {"b": Part("x.Z")})]})]
    ['x.Y', 'x.Z']
    """
    if isinstance(value, Part):
        yield value
        value = [*value.positional, *value.arguments.values()]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from parts_in(item)


def strange_names(value: Any) -> list[str]:
    """Names of the classes in a value that are not clap_sb's, each once.

    Arguments
    ---------
    value : Any
        A part, or plain data.

    Returns
    -------
    list of str
    """
    return list(dict.fromkeys(p.name for p in parts_in(value) if not p.is_ours))


def check_trusted(values: Iterable[Any], trust: Trust) -> None:
    """Refuses what names classes of others, unless whoever loads it trusts them.

    Arguments
    ---------
    values : iterable
        Parts of a description that comes from outside.
    trust : bool or collection of str
        Whether its classes may be imported and built, or the names of those that may.

    Raises
    ------
    CheckpointError
        If there are such classes, which are named, and they are not trusted.

    Example
    -------
    >>> check_trusted([Part("my_tower.MyTower")], trust=True)
    """
    named = () if isinstance(trust, bool) else trust
    strange = [name for name in strange_names(list(values)) if name not in named]
    if strange and trust is not True:
        raise CheckpointError(
            f"it is built of {', '.join(strange)}, which clap_sb does not have: to "
            "load it runs that code, as it is found on this machine. If you trust it, "
            "say so: --trust on the command line, trust=True in Python"
        )


def encoded(value: Any) -> Any:
    """What JSON can hold of a part or of plain data.

    Arguments
    ---------
    value : Any
        A part, or plain data.

    Returns
    -------
    Any
        What :func:`decoded` understands.

    Example
    -------
    >>> encoded({"kernel": (3, 3)})
    {'mapping': {'kernel': {'tuple': [3, 3]}}}
    """
    if isinstance(value, Part):
        arguments = {key: encoded(item) for key, item in value.arguments.items()}
        told: dict[str, Any] = {"name": value.name, "arguments": arguments}
        if value.positional:
            told["positional"] = [encoded(item) for item in value.positional]
        if not value.is_built:
            told["is_built"] = False
        return told
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {"mapping": {key: encoded(item) for key, item in value.items()}}
        # JSON would make texts of numbers
        return {"pairs": [[key, encoded(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [encoded(item) for item in value]}
    if isinstance(value, list):
        return [encoded(item) for item in value]
    return value


def decoded(value: Any) -> Any:
    """Parts and plain data of what JSON holds; nothing is imported.

    Arguments
    ---------
    value : Any
        What :func:`encoded` gave.

    Returns
    -------
    Any

    Example
    -------
    >>> conv = Part("torch.nn.Conv1d", {"kernel_size": (3,)}, (1, 8))
    >>> decoded(encoded({"layers": [conv]})) == {"layers": [conv]}
    True
    """
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if set(value) == {"mapping"}:
        return {key: decoded(item) for key, item in value["mapping"].items()}
    if set(value) == {"pairs"}:
        return {key: decoded(item) for key, item in value["pairs"]}
    if set(value) == {"tuple"}:
        return tuple(decoded(item) for item in value["tuple"])
    return Part(
        value["name"],
        {key: decoded(item) for key, item in value["arguments"].items()},
        tuple(decoded(item) for item in value.get("positional", ())),
        value.get("is_built", True),
    )
