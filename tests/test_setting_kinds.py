"""What each setting takes, and that nothing is lost or taken for something else."""

from __future__ import annotations

from pathlib import Path

import pytest
import ruamel.yaml

from clap_sb.config import Config, ConfigError, join
from clap_sb.setting_kinds import KINDS, KINDS_OF_NULL, OR_NULL, kind_of

ROOT = Path(__file__).resolve().parents[1]
YAMLS = [
    *sorted((ROOT / "hparams").glob("*.yaml")),
    *sorted((ROOT / "recipes").glob("*.yaml")),
    *sorted((ROOT / "recipes").glob("*/*.yaml")),
    *sorted((ROOT / "recipes").glob("*/*/hparams/*.yaml")),
]
PROMPTS = ["{label}", "{label} can be heard", "Audio: {label}", "(a {label})"]
LETTERS = [
    *("a #1", "1 #2", "# x", "2026-01-01", "20260101", "no", "1.0", "1e3", "0x1F", "~"),
    *("null", "!ref x", "!ref <seed>", "<x>", "<seed>", "a: b", "{x}", "[a, b]", "(a)"),
    *(" a ", "$x", "C:\\new\\table", "'q'", '"q"', "-", "*a", "&a", "%x", "a\nb"),
    *("é", "1+1", "a=b", "1:30", "<<", "yes", "True", "a  " * 40),
]


def read(key: str, default: str, word: str | None):
    return Config(f"{key}: {default}\n").read({key: word})[key]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, True) for word in ("True", "true", "yes", "Yes", "on", "ON", None)),
        *((word, False) for word in ("False", "FALSE", "no", "No", "off", "Off")),
    ],
)
@pytest.mark.parametrize("default", ["True", "False"])
def test_a_switch_means_what_it_says(word, expected, default):
    assert read("freeze_text", default, word) is expected


@pytest.mark.parametrize("word", ["maybe", "1", "0", "", "null", "n", "[no]"])
def test_a_switch_takes_nothing_else(word):
    with pytest.raises(ConfigError, match="^--pin takes True, False, yes, no, on, off"):
        read("pin", "False", word)


@pytest.mark.parametrize(
    ("default", "word", "expected"),
    [
        ("5", "8", 8),
        ("5", "-1", -1),
        ("0.1", "1e-5", 1e-5),
        ("0.1", "2", 2.0),
        ("0.1", "-.5", -0.5),
        ("0.1", ".inf", float("inf")),
        ("!ref <other>\nother: 0.1", "0.5", 0.5),
    ],
)
def test_numbers(default, word, expected):
    value = read("x", default, word)
    assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize(
    ("default", "word", "takes"),
    [
        *(("5", word, "a whole number") for word in ("2.5", "8.0", "1e3", "a", "null")),
        *(("0.1", word, "a number") for word in ("0,001", "abc", "nan", "", "[1]")),
        ("!ref <other>\nother: 5", "2.5", "a whole number"),
        ("[1, 2]", "1", "a list.*a list of one is .1."),
        ("[1, 2]", "[1, b]", "a list.*'b' takes a whole number"),
        ("[a, b]", "[a", "a list"),
        ("[a, b]", "[{c}]", "a list.*{c} is not a text; put quotes"),
        ("{a: 1}", "b", "a mapping"),
        ("{a: 1}", "{a: b}", "a mapping.*a takes a number"),
        ("!new:torch.nn.Linear {bias: True}", "abc", "the arguments of an object"),
        ("!new:torch.nn.Linear {bias: True}", "{bias: 2}", "the arg.*bias takes True"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_one_line(default, word, takes):
    with pytest.raises(ConfigError, match=f"^--x takes {takes}") as refused:
        read("x", default, word)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("default", ["5", "0.1", "text", "null", "[1]"])
def test_what_needs_a_value_says_so(default):
    with pytest.raises(ConfigError, match="^--csv needs a value: it takes "):
        read("csv", default, None)


@pytest.mark.parametrize("word", LETTERS)
@pytest.mark.parametrize("default", ["text", "results/<x>", "null"])
def test_a_text_is_taken_to_the_letter(word, default):
    expected = None if (word, default) == ("null", "null") else word
    assert read("checkpoint", default, word) == expected


@pytest.mark.parametrize("key", ["output_folder", "text_source", "train_csv"])
def test_an_empty_text_is_none_at_all(key):
    with pytest.raises(ConfigError, match="a text.*it is empty"):
        read(key, "x", "")


@pytest.mark.parametrize("word", PROMPTS)
def test_prompts_as_the_docs_have_them(word):
    for default in ("null", "This is a sound of {label}."):
        assert read("prompt", default, word) == word
        # those of a list, and one that needs quotes to be none
        assert read("prompt", default, f"['{word}', x]") == [word, "x"]
        assert read("prompt", default, f"'{word}'") == word
        assert read("prompt", default, f"'[{word}]'") == f"[{word}]"
        quoting = '"{label}" sounds', "'tis {label}", "dogs' {label}'"
        assert [read("prompt", default, text) for text in quoting] == [*quoting]


def test_a_protocol_or_several():
    assert read("protocol", "official", "laion") == "laion"
    assert read("protocol", "official", "[laion, 'mteb']") == ["laion", "mteb"]


def test_texts_within_lists_and_mappings_are_texts():
    word = "[no, 1.0, 2026-13-45, a#1, '{x}', ~]"
    expected = ["no", "1.0", "2026-13-45", "a#1", "{x}", "~"]
    assert read("train_sets", "[!ref <dataset>]\ndataset: D", word) == expected
    assert read("evaluation_sets", "[]", word) == expected
    folders = read("set_folders", "{}", "{Clotho: 20260101, 2026: no}")
    assert folders == {"Clotho": "20260101", "2026": "no"}
    numbers = read("rescoring_numbers", "{}", "{temperature: 0.1, top_k: 1}")
    assert numbers == {"temperature": 0.1, "top_k": 1}


def test_the_arguments_of_an_object_have_kinds_too():
    default = "!new:a.B\n    freeze: True\n    name: x\n    f_min: 50\n    deep: {c: 1}"
    word = "{freeze: no, name: 1.0, f_min: 62.5, deep: {c: 2}, other: 3, name2: null}"
    expected = {"freeze": False, "name": "1.0", "f_min": 62.5, "deep": {"c": 2}}
    assert read("x", default, word) == {**expected, "other": 3, "name2": None}


@pytest.mark.parametrize(
    ("word", "expected"),
    [("3", 3), ("0.5", 0.5), ("true", True), ("null", None), ("[1, 2]", [1, 2])]
    + [(word, word) for word in ("no", "2026-01-01", "a # b", "{a", "text")],
)
@pytest.mark.parametrize("default", ["null", "!PLACEHOLDER"])
def test_a_null_of_ones_own_is_what_yaml_reads(word, expected, default):
    assert read("mine", default, word) == expected


def test_a_placeholder_that_is_not_given_is_told(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("x: !PLACEHOLDER\ny: 1\n")
    with pytest.raises(ValueError, match="'x' is a !PLACEHOLDER"):
        join([path], {"y": "2"}).values()
    assert join([path], {"x": "here"}).values() == {"x": "here", "y": 1}


@pytest.mark.parametrize(
    "text",
    ["freeze: no\n", "o: !new:a.B\n    freeze: Off\n", "override: {x: yes}\nx: 1\n"],
)
def test_a_switch_in_a_file_that_would_be_true_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(
        ConfigError, match="mine.yaml is a text, not a switch: write Tr"
    ):
        join([path])


def test_a_text_in_quotes_is_no_switch(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("answer: 'no'\nlabels: [yes, no]\nx: False\n")
    expected = {"answer": "no", "labels": ["yes", "no"], "x": False}
    assert join([path]).values() == expected


# ---------------------------------------------------------------- the tables


def open_settings() -> set[str]:
    """Settings of our files whose value does not tell what they take."""
    found = set()
    for path in YAMLS:
        values = ruamel.yaml.YAML().load(path.read_text(encoding="utf-8"))
        for block in (values, values.get("override", {}), values.get("builtin", {})):
            found |= {k for k, v in block.items() if v is None or v in ([], {})}
    return found - {"override", "builtin"}


def test_each_setting_of_ours_with_null_stands_in_a_table():
    found = open_settings()
    assert {"init", "num_threads", "prompt", "set_folders"} <= found
    tagged = {"text_projection"}  # !new:torch.nn.Identity {}
    assert found - tagged <= KINDS.keys() | KINDS_OF_NULL.keys()


def test_the_tables_are_those_of_the_docs():
    docs = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [line for line in docs.splitlines() if line.startswith("| `")]
    for key in (*KINDS, *KINDS_OF_NULL, *OR_NULL):
        assert any(f"`{key}`" in row for row in rows), key


def test_null_where_a_value_is_documented_to_be_left_out():
    assert read("descriptions", "descriptions.yaml", "null") is None
    assert kind_of("output_folder", "x").read("null") == "null"
    assert (read("fold", "5", "all"), read("fold", "5", "3")) == ("all", 3)
