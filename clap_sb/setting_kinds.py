"""What kind of value each setting takes on the command line.

It is that of its value in the YAML files. Where they have ``null``, or where a setting
takes more than its value shows, the table below tells it. docs/settings.md says the
same to those who type the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import ruamel.yaml

from clap_sb.kinds import (
    NUMBER,
    SWITCH,
    TEXT,
    WHOLE,
    Kind,
    list_of,
    mapping_of,
    read_tree,
    read_within,
    text_or_list,
    unread,
)


def _whole_or_all(word: str) -> int | str:
    return word if word == "all" else int(word)


def _object_alone(word: str) -> Any:
    value = _value(word)
    if not tag_of(value):
        raise ValueError
    return value


_SEVERAL = Kind("a text, or a list such as ['a', 'b']", text_or_list)

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("num_threads", "valid_fold"), WHOLE),
    "fold": Kind("a whole number, or all", _whole_or_all),
    **dict.fromkeys(("prompt", "protocol"), _SEVERAL),
    **dict.fromkeys(("evaluation_sets", "labels", "weights_of"), list_of(TEXT)),
    "set_folders": mapping_of(TEXT),
    "prefixes": list_of(WHOLE),
    "rescoring_numbers": mapping_of(NUMBER),
}
"""Settings whose value in the YAML files does not tell what they take."""

KINDS_OF_NULL: Mapping[str, Kind] = {
    **dict.fromkeys(("data_folder", "tensorboard_folder", "clap_export"), TEXT),
    **dict.fromkeys(("init", "init_tokenizer", "audio_weights"), TEXT),
    **dict.fromkeys(("checkpoint", "tokenizer", "text_source"), TEXT),
    "pretrained_audio": TEXT,
    **dict.fromkeys(("crop_rule", "class_descriptions", "rescoring"), TEXT),
    **dict.fromkeys(("keyword_captions", "csv", "label_set", "descriptions"), TEXT),
    **dict.fromkeys(("train_csv", "valid_csv", "test_csv"), TEXT),
    **dict.fromkeys(("teacher", "audio_folder", "labels_csv"), TEXT),
    **dict.fromkeys(
        ("spec_augment", "wav_augment"),
        Kind("an object, !new:module.Class", _object_alone),
    ),
}
"""The same, where the value is null; where it is not, it tells."""

OR_NULL = ("descriptions", "text_source", "pretrained_audio")
"""Settings that take null though a YAML file has a value for them."""


def kind_of(key: str, value: Any) -> Kind:
    """What kind of value a setting takes.

    Arguments
    ---------
    key : str
        The setting.
    value : Any
        Its value in the YAML files, with references resolved and tags kept.

    Returns
    -------
    Kind

    Example
    -------
    >>> kind_of("lr", 0.001).takes, kind_of("valid_fold", None).read("4")
    ('a number, such as 0.001', 4)
    >>> kind_of("freeze_text", False).read("off"), kind_of("init", None).read("2026")
    (False, '2026')
    """
    kind = KINDS.get(key) or (KINDS_OF_NULL.get(key) if value is None else None)
    kind = kind or kind_by_value(value)
    return replace(kind, or_null=value is None or key in OR_NULL)


def texts_like_switches(text: str) -> list[str]:
    """What looks like a switch in a YAML file, and is a text there.

    YAML 1.2 has ``True`` and ``False`` only. A text is true to Python, so that
    ``freeze_text: no`` would freeze.

    Arguments
    ---------
    text : str
        The file.

    Returns
    -------
    list of str
        Such as ``freeze_text: no``; in quotes it is meant as a text.

    Example
    -------
    >>> texts_like_switches("a: no\\nb: !new:x.Y\\n    c: On\\nd: 'no'\\ne: [no]\\n")
    ['a: no', 'c: On']
    """
    found = []

    def look(node: Any) -> None:
        if not isinstance(node, ruamel.yaml.MappingNode):
            return
        for key, value in node.value:
            if isinstance(value, ruamel.yaml.ScalarNode):
                is_text = value.tag == "tag:yaml.org,2002:str" and value.style is None
                if is_text and value.value.lower() in ("yes", "no", "on", "off"):
                    found.append(f"{key.value}: {value.value}")
            look(value)

    look(read_tree(text))
    return found


def _anything(word: str) -> Any:
    """As YAML has it where that is no text, else to the letter."""
    try:
        value = _value(word)
    except ValueError:
        return word
    is_plain = value is None or isinstance(value, bool | int | float | list | dict)
    return value if is_plain or tag_of(value) else word


def _any_list(word: str) -> list[Any]:
    value = _value(word)
    if not isinstance(value, list):
        raise ValueError
    return value


# 1 for 0.1 is 1.0: a run's own YAML must tell the same kind again
_FRACTION = replace(NUMBER, parse=lambda word: float(NUMBER.parse(word)))
ANYTHING = Kind("anything that YAML reads", _anything)
_ANY_LIST = Kind("a list, such as [a, b]", _any_list)


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
        kind = kind_by_value(value[0]) if value else ANYTHING
        return list_of(kind) if kind in (SWITCH, WHOLE, _FRACTION, TEXT) else _ANY_LIST
    if isinstance(value, dict):
        return Kind("a mapping, such as {a: b}", lambda word: _mapping(word, value))
    for types, kind in ((bool, SWITCH), (int, WHOLE), (float, _FRACTION), (str, TEXT)):
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
    return _arguments(read_tree(word), value, default)


def _mapping(word: str, default: Mapping[str, Any]) -> dict[str, Any]:
    value = _value(word)
    if not isinstance(value, dict):
        raise ValueError
    return _arguments(read_tree(word), value, default)


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
            value[name] = read_within(
                name, NUMBER if kind is WHOLE else kind, part.value
            )
    return value


def _value(word: str) -> Any:
    try:
        return ruamel.yaml.YAML().load(word)
    except (ruamel.yaml.YAMLError, ValueError) as error:  # ValueError: of a date
        raise unread(error) from error


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
