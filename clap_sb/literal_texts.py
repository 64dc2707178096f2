"""Texts that HyperPyYAML is to leave as they are."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import ruamel.yaml

# What HyperPyYAML leaves alone: no reference, no sum, no comment, no tuple, no two
# spaces that a folded line would make one of
_PLAIN = re.compile(r"(?:[\w./-]| (?! ))*")


def set_aside(overrides: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Names in the place of texts, which HyperPyYAML would take for more than texts.

    It would look for the setting x in a folder ``runs/<x>``, and add up what stands
    before the ``#`` of ``1 #2``.

    Arguments
    ---------
    overrides : mapping
        Values, with texts among them, in lists and mappings too.

    Returns
    -------
    overrides : dict
        The same with names, which are no more than words to HyperPyYAML.
    letters : dict of str to str
        The text of each name.

    Example
    -------
    >>> set_aside({"folder": "runs/<x>", "size": 2})
    ({'folder': 'text_set_aside_0_', 'size': 2}, {'text_set_aside_0_': 'runs/<x>'})
    """
    letters: dict[str, str] = {}

    def named(value: Any) -> Any:
        if isinstance(value, str) and not _PLAIN.fullmatch(value):
            letters[f"text_set_aside_{len(letters)}_"] = value
            return list(letters)[-1]
        if type(value) is list:
            return [named(item) for item in value]
        if type(value) is dict:
            return {key: named(item) for key, item in value.items()}
        return value

    return {key: named(value) for key, value in overrides.items()}, letters


def put_back(text: str, letters: Mapping[str, str]) -> str:
    """Resolved YAML with the texts themselves in the place of the names.

    Arguments
    ---------
    text : str
        YAML.
    letters : mapping of str to str
        The text of each name, from :func:`set_aside`.

    Returns
    -------
    str

    Example
    -------
    >>> put_back("save: text_set_aside_0_/save", {"text_set_aside_0_": "runs/<x>"})
    'save: "runs/<x>/save"\\n'
    """
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
