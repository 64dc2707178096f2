"""Resolves overrides and references as HyperPyYAML does, but for what it would mistake.

It takes some texts for references, sums or tuples, and gives the arguments of another
object to the one that is there.
"""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Mapping
from typing import Any

import ruamel.yaml

from clap_sb.setting_kinds import tag_of


def resolve(text: str, overrides: Mapping[str, Any]) -> str:
    """Applies overrides and references.

    Arguments
    ---------
    text : str
        HyperPyYAML source.
    overrides : mapping
        Values for its keys. A text is a text, whatever stands in it; a mapping changes
        the arguments of an object, and one with a tag is another object.

    Returns
    -------
    str
        YAML with its tags.

    Raises
    ------
    ValueError
        If arguments by name are given to what can take none.

    Example
    -------
    >>> resolve("folder: x\\nsave: !ref <folder>/save", {"folder": "a <x>"})
    'folder: "a <x>"\\nsave: "a <x>/save"\\n'
    """
    from hyperpyyaml import resolve_references

    overrides, letters = _set_aside(overrides, text)
    objects = {k: v for k, v in overrides.items() if isinstance(v, dict) and tag_of(v)}
    others = {k: v for k, v in overrides.items() if k not in objects}
    values = ruamel.yaml.YAML().load(text)
    if values is not None:  # an empty text
        values = values | objects
        opened = _open_for(values, others)
        if _unfold(values) or opened or objects:
            text = dumped(values)
    resolved = resolve_references(text, others, True).getvalue()
    return _put_back(resolved, letters) if letters else resolved


def is_object(value: Any) -> bool:
    """Whether a value of YAML builds or names something.

    Arguments
    ---------
    value : Any
        As ruamel.yaml reads it.

    Returns
    -------
    bool

    Example
    -------
    >>> is_object(ruamel.yaml.YAML().load("!new:m.C {a: 1}")), is_object({"a": 1})
    (True, False)
    """
    return (tag_of(value) or "").startswith(("!new:", "!name:"))


def with_arguments(node: Any, arguments: Mapping[str, Any]) -> Any:
    """An object with some of its arguments replaced.

    Arguments
    ---------
    node : Any
        The object, as ruamel.yaml reads it.
    arguments : mapping
        Arguments by name; a text is a text.

    Returns
    -------
    Any
        Another node.

    Example
    -------
    >>> node = ruamel.yaml.YAML().load("!new:m.C {a: 1, b: 2}")
    >>> dict(with_arguments(node, {"b": 3}))
    {'a': 1, 'b': 3}
    """
    from hyperpyyaml.core import recursive_update

    values = {"it": copy.deepcopy(node)}
    _open_for(values, {"it": arguments})
    recursive_update(values, {"it": _quoted(dict(arguments))})
    return values["it"]


def _open_for(values: dict[str, Any], overrides: Mapping[str, Any]) -> bool:
    """Makes place for arguments in objects that have none yet; whether it had to."""
    opened = False
    for key, given in overrides.items():
        if not isinstance(given, Mapping) or tag_of(given) or key not in values:
            continue
        there = values[key]
        if not isinstance(there, Mapping):
            bare = is_object(there) and not isinstance(there, list)
            if there is not None and (not bare or there.value):
                raise ValueError(
                    f"{key} is {dumped({key: there}).partition(':')[2].strip()!r} in "
                    f"the YAML, which takes no arguments by name ({', '.join(given)}): "
                    "write them there by name, or give another object, !new:..."
                )
            values[key] = ruamel.yaml.comments.CommentedMap()
            if bare:
                values[key].yaml_set_ctag(there.tag)
            opened = True
        opened |= _open_for(values[key], given)
    return opened


def _unfold(node: Any) -> bool:
    """Puts an object with one argument, in a list, on lines of its own.

    ``[!new:m.C {a: 1}]`` is written without the braces, and can be read back only as
    long as it is on one line. Whether there was one.
    """
    if not isinstance(node, dict | list):
        return False
    children = list(node.values() if isinstance(node, dict) else node)
    alone = isinstance(node, list) and any(
        isinstance(child, dict) and len(child) == 1 and tag_of(child)
        for child in children
    )
    found = any([alone, *map(_unfold, children)])
    if found:
        node.fa.set_block_style()
    return found


# What HyperPyYAML leaves alone: no reference, no sum, no comment, no tuple, no two
# spaces that a folded line would make one of
_PLAIN = re.compile(r"(?:[\w./-]| (?! ))*")


def _set_aside(
    overrides: Mapping[str, Any], text: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Names in the place of texts, which HyperPyYAML would take for more than texts.

    It would look for the setting x in a folder ``runs/<x>``, and add up what stands
    before the ``#`` of ``1 #2``.
    """
    letters: dict[str, str] = {}
    free = "text_set_aside_"
    while free in text or free in repr(overrides):  # a name that means something else
        free = f"another_{free}"

    def named(value: Any) -> Any:
        if isinstance(value, str) and not _PLAIN.fullmatch(value):
            letters[f"{free}{len(letters)}_"] = value
            return list(letters)[-1]
        if type(value) is list:
            return [named(item) for item in value]
        if type(value) is dict:
            return {key: named(item) for key, item in value.items()}
        if isinstance(value, dict) and tag_of(value):  # its texts in quotes alone
            value = copy.deepcopy(value)
            for key, item in value.items():
                quoted = isinstance(item, ruamel.yaml.scalarstring.ScalarString)
                if quoted or isinstance(item, dict):
                    value[key] = named(str(item) if quoted else item)
        return value

    return {key: named(value) for key, value in overrides.items()}, letters


def _put_back(text: str, letters: Mapping[str, str]) -> str:
    """Resolved YAML with the texts themselves in the place of the names."""
    found = re.compile("|".join(letters))
    quoted = ruamel.yaml.scalarstring.DoubleQuotedScalarString

    def lettered(value: Any) -> Any:
        if isinstance(value, str) and found.search(value):
            # in quotes: HyperPyYAML takes (a) for a tuple
            return quoted(found.sub(lambda name: letters[name[0]], value))
        if isinstance(value, dict | list):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in list(pairs):
                value[key] = lettered(item)
        return value

    return dumped(lettered(ruamel.yaml.YAML().load(text)))


def put_in(text: str, overrides: Mapping[str, Any]) -> str:
    """Puts overrides in the place of values, and keeps references.

    Arguments
    ---------
    text : str
        HyperPyYAML source.
    overrides : mapping
        As :func:`resolve` takes them.

    Returns
    -------
    str
        HyperPyYAML source: it resolves to the same, if its texts in quotes are taken to
        the letter (:func:`quoted_texts`).

    Example
    -------
    >>> put_in("folder: x\\nsave: !ref <folder>/save", {"folder": "a <x>"})
    'folder: "a <x>"\\nsave: !ref <folder>/save\\n'
    """
    from hyperpyyaml.core import recursive_update

    values = _loaded(text)
    objects = {k: v for k, v in overrides.items() if isinstance(v, dict) and tag_of(v)}
    others = {k: _quoted(v) for k, v in overrides.items() if k not in objects}
    _open_for(values, others)
    recursive_update(values, others)
    values.update(objects)
    _unfold(values)
    return dumped(values)


def quoted_texts(text: str) -> dict[str, Any]:
    """The texts in quotes, as overrides that take them to the letter.

    Arguments
    ---------
    text : str
        HyperPyYAML source.

    Returns
    -------
    dict
        For :func:`resolve`.

    Example
    -------
    >>> quoted_texts("a: 'x <y>'\\nb: !new:m.C\\n    c: '#'\\n    d: e\\nf: !ref <a>")
    {'a': 'x <y>', 'b': {'c': '#'}}
    """
    return _texts(_loaded(text)) or {}


def _texts(value: Any) -> Any:
    """Texts in quotes and what they stand in; None where there are none."""
    if isinstance(value, ruamel.yaml.scalarstring.ScalarString):
        return str(value)
    if isinstance(value, dict):
        found = {key: _texts(item) for key, item in value.items()}
        return {key: item for key, item in found.items() if item is not None} or None
    if isinstance(value, list) and not tag_of(value):
        quoted = ruamel.yaml.scalarstring.ScalarString
        if any(isinstance(item, quoted) for item in value):
            return [str(x) if isinstance(x, quoted) else x for x in value]
    return None


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        return ruamel.yaml.scalarstring.DoubleQuotedScalarString(value)
    if type(value) is list:
        return [_quoted(item) for item in value]
    if type(value) is dict:
        return {key: _quoted(item) for key, item in value.items()}
    return value


def _loaded(text: str) -> Any:
    yaml = ruamel.yaml.YAML()
    yaml.preserve_quotes = True
    return yaml.load(text)


def dumped(values: Mapping[str, Any]) -> str:
    """YAML of values, their texts as they are.

    Arguments
    ---------
    values : mapping
        Values, tags kept.

    Returns
    -------
    str

    Example
    -------
    >>> dumped({"text": "no", "number": 1})
    'text: no\\nnumber: 1\\n'
    """
    yaml, stream = ruamel.yaml.YAML(), io.StringIO()
    yaml.width = 10_000  # a text that is folded where it has two spaces loses one
    yaml.dump(values, stream)
    return stream.getvalue()
