"""Kinds of values, and how a word of a command line becomes one.

Which kind a setting takes, ``clap_sb/setting_kinds.py`` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ruamel.yaml

_SWITCH = {"true": True, "yes": True, "on": True}
_SWITCH |= {"false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Arguments
    ---------
    takes : str
        What it takes, in words: for errors and help.
    parse : callable
        Makes a value of a word, or raises ValueError.
    bare : Any
        What an option without a word means; None where it needs one.
    or_null : bool
        Whether the word ``null`` means None.

    Example
    -------
    >>> SWITCH.read("no"), SWITCH.read(None), WHOLE.read("8"), TEXT.read("a #1")
    (False, True, 8, 'a #1')
    >>> WHOLE.read("8.0")
    Traceback (most recent call last):
    ...
    ValueError: takes a whole number, not '8.0'
    """

    takes: str
    parse: Callable[[str], Any]
    bare: Any = None
    or_null: bool = False

    def read(self, word: str | None) -> Any:
        """The value that a word means.

        Arguments
        ---------
        word : str or None
            None where an option stands without one.

        Returns
        -------
        Any

        Raises
        ------
        ValueError
            If it is of another kind: "takes ..., not ...".
        """
        takes = f"{self.takes}, or null" if self.or_null else self.takes
        if word is None:
            if self.bare is None:
                raise ValueError(f"needs a value: it takes {takes}")
            return self.bare
        if self.or_null and word == "null":
            return None
        try:
            return self.parse(word)
        except ValueError as error:
            # Python's own words about numbers would not help
            why = f": {error}" if isinstance(error, NotReadError) else ""
            raise ValueError(f"takes {takes}, not {word!r}{why}") from error


class NotReadError(ValueError):
    """Says why a word cannot be read, besides what is taken instead."""


def _switch(word: str) -> bool:
    if word.strip().lower() not in _SWITCH:
        raise ValueError
    return _SWITCH[word.strip().lower()]


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        number = float(word.replace(".inf", "inf"))  # YAML writes it with a point
    if math.isnan(number):
        raise ValueError
    return number


def _text(word: str) -> str:
    if not word:
        raise NotReadError("it is empty")
    return word


SWITCH = Kind("True, False, yes, no, on, off, or nothing (True)", _switch, bare=True)
WHOLE = Kind("a whole number", int)
NUMBER = Kind("a number, such as 0.001", _number)
TEXT = Kind("a text", _text)


def one_of(*words: str) -> Kind:
    """Some words, and no other.

    Arguments
    ---------
    *words : str
        The words.

    Returns
    -------
    Kind

    Example
    -------
    >>> one_of("fp32", "bf16").read("bf16")
    'bf16'
    """

    def parse(word: str) -> str:
        if word not in words:
            raise ValueError
        return word

    return Kind(f"one of {', '.join(words)}", parse)


def list_of(item: Kind) -> Kind:
    """A list in brackets; texts in it may stand in quotes.

    Arguments
    ---------
    item : Kind
        What it holds.

    Returns
    -------
    Kind

    Example
    -------
    >>> list_of(TEXT).read("[ESC-50, no, 'a, b']"), list_of(WHOLE).read("[1, 2]")
    (['ESC-50', 'no', 'a, b'], [1, 2])
    """

    def parse(word: str) -> list[Any]:
        node = _tree(word)
        if not isinstance(node, ruamel.yaml.SequenceNode):
            raise NotReadError(f"a list of one is [{word}]")
        return [_item(item, part) for part in node.value]

    return Kind("a list, such as [a, b]", parse)


def mapping_of(item: Kind) -> Kind:
    """A mapping in braces, whose keys are anybody's choice.

    Arguments
    ---------
    item : Kind
        What its values are.

    Returns
    -------
    Kind

    Example
    -------
    >>> mapping_of(TEXT).read("{ESC-50: 20260101}")
    {'ESC-50': '20260101'}
    """

    def parse(word: str) -> dict[str, Any]:
        node = _tree(word)
        if not isinstance(node, ruamel.yaml.MappingNode):
            raise ValueError
        return {key.value: _item(item, part) for key, part in node.value}

    return Kind("a mapping, such as {a: b}", parse)


def text_or_list(word: str) -> str | list[str]:
    """A text, or a list of them in brackets.

    Arguments
    ---------
    word : str
        A text is taken to the letter; one that stands in quotes loses them, so that
        it may begin and end with brackets.

    Returns
    -------
    str or list of str

    Raises
    ------
    ValueError
        If it stands in brackets and is no list of texts.

    Example
    -------
    >>> text_or_list("Audio: {label}"), text_or_list("['{label}', a sound]")
    ('Audio: {label}', ['{label}', 'a sound'])
    """
    if word.startswith("[") and word.endswith("]"):
        return list_of(TEXT).parse(word)
    if word[:1] in ("'", '"') and word.endswith(word[0]):
        try:
            word = _tree(word).value
        except ValueError:
            return word  # the quotes are not around all of it
    return _text(word)


def _anything(word: str) -> Any:
    """As YAML has it where that is no text, else to the letter."""
    try:
        value = _value(word)
    except ValueError:
        return word
    is_plain = value is None or isinstance(value, bool | int | float | list | dict)
    return value if is_plain or tag_of(value) else word


ANYTHING = Kind("anything that YAML reads", _anything)


def kind_by_value(value: Any) -> Kind:
    """The kind of a value.

    Arguments
    ---------
    value : Any
        As ruamel.yaml reads it, with its tags.

    Returns
    -------
    Kind
        :data:`ANYTHING` where the value does not tell.

    Example
    -------
    >>> kind_by_value([1, 2]).read("[3]"), kind_by_value(0.1).takes
    ([3], 'a number, such as 0.001')
    """
    if value is None or tag_of(value) == "!PLACEHOLDER":
        return ANYTHING
    if tag_of(value):
        return Kind(
            "the arguments of an object, {a: 1}, or another one, !new:module.Class",
            lambda word: _object(word, value),
        )
    if isinstance(value, list):
        return list_of(kind_by_value(value[0]) if value else ANYTHING)
    if isinstance(value, dict):
        return Kind("a mapping, such as {a: b}", lambda word: _mapping(word, value))
    for types, kind in ((bool, SWITCH), (int, WHOLE), (float, NUMBER), (str, TEXT)):
        if isinstance(value, types):
            return kind
    return ANYTHING


def _object(word: str, default: Any) -> Any:
    value = _value(word)
    if value is None or tag_of(value):
        return value
    if isinstance(value, list) and isinstance(default, list):
        return value  # arguments by place, where the file has them so
    if not isinstance(value, dict):
        raise ValueError
    return _arguments(_tree(word), value, default)


def _mapping(word: str, default: Mapping[str, Any]) -> dict[str, Any]:
    value = _value(word)
    if not isinstance(value, dict):
        raise ValueError
    return _arguments(_tree(word), value, default)


def _arguments(node: Any, value: Any, default: Any) -> Any:
    """Arguments by name, each of the kind that it has in the file, or as YAML has it.

    Other numbers are no error where the file has whole ones: it may do so by chance.
    """
    if not isinstance(default, dict):
        return value
    for name, part in ((key.value, part) for key, part in node.value):
        before, now = default.get(name), value.get(name)
        if now is None or before is None or tag_of(now):
            continue
        if isinstance(now, dict):
            value[name] = _arguments(part, now, before)
        elif isinstance(part, ruamel.yaml.ScalarNode) and not tag_of(before):
            kind = kind_by_value(before)
            value[name] = _read(name, NUMBER if kind is WHOLE else kind, part)
    return value


def _read(name: str, kind: Kind, node: Any) -> Any:
    try:
        return kind.parse(node.value)
    except ValueError as error:
        raise NotReadError(f"{name} takes {kind.takes}") from error


def _item(kind: Kind, node: Any) -> Any:
    if kind is ANYTHING:
        return _value(_source(node))
    if not isinstance(node, ruamel.yaml.ScalarNode):
        raise NotReadError(f"{_source(node)} is not {kind.takes}; put quotes around texts")
    return _read(repr(node.value), kind, node)


def _source(node: Any) -> str:
    return node.start_mark.buffer[node.start_mark.index : node.end_mark.index]


def _tree(word: str) -> Any:
    """A word as nodes of YAML, whose scalars are text."""
    try:
        return ruamel.yaml.YAML().compose(word)
    except ruamel.yaml.YAMLError as error:
        raise _unread(error) from error


def _value(word: str) -> Any:
    try:
        return ruamel.yaml.YAML().load(word)
    except (ruamel.yaml.YAMLError, ValueError) as error:  # ValueError: of a date
        raise _unread(error) from error


def _unread(error: Exception) -> NotReadError:
    problem = getattr(error, "problem", None) or error
    return NotReadError(f"{problem}; put quotes around texts in it")


def tag_of(value: Any) -> str | None:
    """The tag of a HyperPyYAML object or reference.

    Arguments
    ---------
    value : Any
        As ruamel.yaml reads it.

    Returns
    -------
    str or None
        Such as ``!ref``; None where there is none.

    Example
    -------
    >>> tag_of(ruamel.yaml.YAML().load("!name:torch.nn.ReLU")), tag_of("a text")
    ('!name:torch.nn.ReLU', None)
    """
    tag = getattr(value, "tag", None)
    return tag.value if tag is not None and (tag.value or "").startswith("!") else None
