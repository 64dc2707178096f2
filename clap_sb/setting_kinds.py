"""What kind of value each setting takes on the command line.

It is that of its value in the YAML files. Where they have ``null``, or where a setting
takes more than its value shows, the table below tells it. docs/settings.md says the
same to those who type the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clap_sb.kinds import (
    NUMBER,
    TEXT,
    WHOLE,
    Kind,
    kind_by_value,
    list_of,
    mapping_of,
    text_or_list,
)


def _whole_or_all(word: str) -> int | str:
    return word if word == "all" else int(word)


_SEVERAL = Kind("a text, or a list such as ['a', 'b']", text_or_list)

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("num_threads", "valid_fold"), WHOLE),
    "fold": Kind("a whole number, or all", _whole_or_all),
    "protocol": _SEVERAL,
    **dict.fromkeys(("evaluation_sets", "labels"), list_of(TEXT)),
    "set_folders": mapping_of(TEXT),
    "rescoring_numbers": mapping_of(NUMBER),
}
"""Settings whose value in the YAML files does not tell what they take."""

KINDS_OF_NULL: Mapping[str, Kind] = {
    "prompt": _SEVERAL,
    **dict.fromkeys(("data_folder", "tensorboard_folder", "clap_export"), TEXT),
    **dict.fromkeys(("init", "init_tokenizer", "audio_weights"), TEXT),
    **dict.fromkeys(("checkpoint", "tokenizer", "text_source"), TEXT),
    **dict.fromkeys(("crop_rule", "class_descriptions", "rescoring"), TEXT),
    **dict.fromkeys(("keyword_captions", "csv", "label_set", "descriptions"), TEXT),
    **dict.fromkeys(("train_csv", "valid_csv", "test_csv"), TEXT),
}
"""The same, where the value is null; where it is not, it tells."""

OR_NULL = ("descriptions", "text_source")
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
