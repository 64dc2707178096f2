"""Overrides that HyperPyYAML would take for something else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from test_setting_kinds import LETTERS

from clap_sb.config import Config, join
from clap_sb.resolving import quoted_texts
from clap_sb.run_yaml import run_yaml
from clap_sb.setting_kinds import tag_of

TEXT = """
seed: 3
dataset: D
folder: !ref results/<dataset>/<seed>
save: !ref <folder>/save
sets: [!ref <dataset>, x]
nested: {}
made: !new:collections.Counter
    a: !ref <folder>
"""


@pytest.mark.parametrize("text", LETTERS)
def test_a_text_stays_what_it_is_where_others_refer_to_it(text):
    config = Config(TEXT).updated(
        {"folder": text, "dataset": text, "nested": {"a": text, "b": [text]}}
    )
    built = config.build() if "  " not in text else config.values()
    for values in (config.values(), built):
        assert (values["folder"], values["save"]) == (text, f"{text}/save")
        assert values["sets"] == [text, "x"] and values["made"]["a"] == text
        assert values["nested"] == {"a": text, "b": [text]}


def test_a_text_may_be_named_as_one_that_is_set_aside():
    given = {"folder": "text_set_aside_0_", "dataset": "b #"}
    values = Config(TEXT).updated(given).values()
    assert {name: values[name] for name in given} == given
    assert values["save"] == "text_set_aside_0_/save"
    values = Config("x: text_set_aside_0_\ny: z\n").updated({"y": "b #"}).values()
    assert values == {"x": "text_set_aside_0_", "y": "b #"}


def test_a_text_in_parentheses_is_none_from_the_first():
    """HyperPyYAML learns about tuples when it first builds something."""
    script = (
        "from clap_sb.config import Config\n"
        "built = Config('x: a\\ny: [b]').updated({'x': '(a)', 'y': ['(b)']}).build()\n"
        "assert built == {'x': '(a)', 'y': ['(b)']}, built\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_plain_overrides_leave_the_text_as_hyperpyyaml_has_it():
    """Else a run's settings, kept by an earlier version, would read as others."""
    text = Config(TEXT).updated({"folder": "runs/a b", "seed": 5}).resolved()
    assert "folder: runs/a b\nsave: runs/a b/save\n" in text


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("{b: 5}", {"a": "results/D/3", "b": 5}),
        ("!new:collections.OrderedDict {c: !ref <seed>}", {"c": 3}),
        ("!new:collections.OrderedDict", {}),
        ("null", None),
    ],
)
def test_arguments_of_an_object_or_another_object(word, expected):
    config = Config(TEXT + "other: !ref <made>\n")
    built = config.updated(config.read({"made": word})).build()
    assert built["made"] == expected and built["other"] is built["made"]
    if "!new" in word:
        assert type(built["made"]).__name__ == "OrderedDict"


@pytest.mark.parametrize(
    ("key", "word", "expected"),
    [
        ("bare", "{a: 1}", "bare: !new:m.C {a: 1}"),
        ("name", "{a: 1}", "name: !name:m.f {a: 1}"),
        ("deep", "{inner: {a: 1}}", "deep: !new:m.C\n  inner: !new:m.D {a: 1}"),
        ("folders", "{a: x}", "folders:\n  a: x"),
    ],
)
def test_what_has_no_arguments_yet_takes_some(key, word, expected, tmp_path):
    text = "bare: !new:m.C\nname: !name:m.f\ndeep: !new:m.C\n  inner: !new:m.D\n"
    config = Config(text + "folders: null\nplace: !new:m.C [1, 2]\n")
    updated = config.updated(config.read({key: word}))
    assert expected + "\n" in updated.resolved()
    kept = run_yaml(updated, updated, [tmp_path / "recipe.yaml"])
    assert Config(kept).values()[key] == updated.values()[key]
    assert tag_of(Config(kept).values()[key]) == tag_of(config.values()[key])
    given = config.updated(config.read({"place": "{a: 1}"}))
    with pytest.raises(ValueError, match=r"place is '!new:m.C \[1, 2\]'.*by name \(a"):
        given.resolved()


def test_an_object_of_one_argument_in_a_list_is_read_back_however_long_it_is():
    name = f"m.{'A' * 100}"
    text = f"x: !new:m.C {{parts: [!new:{name} {{a: 1}}, !new:{name} {{b: 2}}]}}\n"
    given = Config("x: null").read({"x": text.removeprefix("x: ")})
    for config in (Config(text), Config("x: null").updated(given)):
        parts = Config(config.resolved()).values()["x"]["parts"]
        assert [dict(part) for part in parts] == [{"a": 1}, {"b": 2}]
        assert {tag_of(part) for part in parts} == {f"!new:{name}"}


def test_arguments_go_to_the_object_that_a_file_has_put_in_the_place(tmp_path):
    """Not to the one that it has replaced, in its block ``override:``."""
    recipe, system = tmp_path / "recipe.yaml", tmp_path / "system.yaml"
    recipe.write_text("loss: !new:m.C\n    a: 1\nmore: null\n")
    system.write_text("override:\n  loss: !new:m.D {b: 2, t: x}\n  more: !new:m.E\n")
    config = join([recipe, system], {"loss": "{b: 3}", "more": "{c: 4}"})
    config = config.updated({"loss": {"t": "(a)"}})
    kept = run_yaml(config, config, [recipe])
    for there in (config, Config(kept, quoted_texts(kept))):
        loss, more = (there.values()[name] for name in ("loss", "more"))
        assert (tag_of(loss), dict(loss)) == ("!new:m.D", {"b": 3, "t": "(a)"})
        assert (tag_of(more), dict(more)) == ("!new:m.E", {"c": 4})
    bare = Config("loss: null")
    made = bare.updated(bare.read({"loss": "!new:builtins.dict {t: x}"}))
    built = made.updated({"loss": {"t": "(a)"}}).build()
    assert built["loss"] == {"t": "(a)"}
    assert join([recipe, system]).values()["loss"]["b"] == 2
