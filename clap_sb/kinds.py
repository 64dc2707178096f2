"""Kinds of values, and how a word of a command line becomes one.

Which kind a setting takes, ``clap_sb/setting_kinds.py`` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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
        node = read_tree(word)
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
        node = read_tree(word)
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
            word = read_tree(word).value
        except ValueError:
            return word  # the quotes are not around all of it
    return _text(word)


def _item(kind: Kind, node: Any) -> Any:
    if not isinstance(node, ruamel.yaml.ScalarNode):
        start, end = node.start_mark, node.end_mark
        part = start.buffer[start.index : end.index]
        raise NotReadError(f"{part} is not {kind.takes}; put quotes around texts")
    return read_within(repr(node.value), kind, node.value)


def read_within(name: str, kind: Kind, word: str) -> Any:
    """Reads a part of a value.

    Arguments
    ---------
    name : str
        What the part is called.
    kind : Kind
        What it takes.
    word : str
        What stands there.

    Returns
    -------
    Any

    Raises
    ------
    NotReadError
        If it is of another kind.
    """
    try:
        return kind.parse(word)
    except ValueError as error:
        raise NotReadError(f"{name} takes {kind.takes}") from error


def read_tree(word: str) -> Any:
    """A word as nodes of YAML, whose scalars are text.

    Arguments
    ---------
    word : str
        YAML.

    Returns
    -------
    ruamel.yaml.Node

    Raises
    ------
    NotReadError
        If it is no YAML.
    """
    try:
        return ruamel.yaml.YAML().compose(word)
    except ruamel.yaml.YAMLError as error:
        raise unread(error) from error


def unread(error: Exception) -> NotReadError:
    """Says in one line what YAML says in several.

    Arguments
    ---------
    error : Exception
        Of ruamel.yaml, or of what it calls.

    Returns
    -------
    NotReadError
    """
    problem = getattr(error, "problem", None) or error
    return NotReadError(f"{problem}; put quotes around texts in it")
