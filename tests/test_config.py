"""Joining YAML files: who wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import write_text_source

from clap_sb.config import Config, ConfigError, join

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
SYSTEMS = sorted((ROOT / "hparams").glob("*.yaml"))
TRAINING = [
    RECIPES / "common.yaml",
    RECIPES / "training.yaml",
    RECIPES / "AudioCaps" / "recipe.yaml",
]
ZERO_SHOT = [RECIPES / "common.yaml", RECIPES / "ESC-50" / "recipe.yaml"]


@pytest.fixture
def yaml_file(tmp_path):
    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# ---------------------------------------------------------------- who wins


@pytest.mark.parametrize(
    ("blocks", "command_line", "expected"),
    [
        ("", "", 1),
        ("override: {x: 2}\n", "", 2),
        ("builtin: {x: 3}\n", "", 3),
        ("override: {x: 2}\nbuiltin: {x: 3}\n", "", 3),
        ("override: {x: 2}\nbuiltin: {x: 3}\n", "x: 4", 4),
        ("override: {x: 2}\nbuiltin: {x: 3}\n", "data_folder: /real", 2),
        ("override: {x: 2}\nbuiltin: {x: 3}\n", "{data_folder: /real, x: 4}", 4),
        ("builtin: {x: 3}\n", "data_folder: /real", 1),
        ("override: {data_folder: /real, x: 2}\nbuiltin: {x: 3}\n", "", 2),
        (
            "override: {data_folder: /real, x: 2}\nbuiltin: {x: 3}\n",
            "data_folder: builtin",
            3,
        ),
    ],
)
@pytest.mark.parametrize("blocks_first", [True, False])
def test_later_wins(yaml_file, blocks, command_line, expected, blocks_first):
    plain = yaml_file("plain.yaml", "x: 1\ndata_folder: builtin\n")
    other = yaml_file("other.yaml", f"unrelated: 0\n{blocks}")
    files = [other, plain] if blocks_first else [plain, other]
    config = join(files, command_line)
    assert config.values()["x"] == expected
    assert not {"override", "builtin"} & set(config.values())


def test_what_the_builtin_blocks_replaced_is_known(yaml_file):
    path = yaml_file("a.yaml", "data_folder: builtin\nx: 1\ny: 1\nbuiltin: {x: 2}\n")
    assert dict(join([path]).replaced_for_builtin) == {"x": 2}
    assert dict(join([path], "data_folder: /real").replaced_for_builtin) == {}


def test_references_see_what_replaced_a_value(yaml_file):
    path = yaml_file(
        "a.yaml",
        "data_folder: builtin\nname: one\nfolder: !ref out/<name>\nwide: 1\n"
        "twice: !ref <wide> * 2\n"
        "builtin:\n    # a comment in a block\n    folder: !ref fake/<name>/<wide>\n"
        "\nlast: 5\n",
    )
    values = join([path], "{name: two, wide: 4}").values()
    assert values["folder"] == "fake/two/4"
    assert (values["twice"], values["last"]) == (8, 5)


def test_a_block_ends_at_the_next_key(yaml_file):
    path = yaml_file(
        "a.yaml",
        "a: 1\noverride:\n    a: 2\n    nested: {deep: [1,\n  2]}\n"
        "# of b\nb: |\n    override:\n      not a block\nnested: {deep: []}\nc: 3\n",
    )
    values = join([path]).values()
    assert values["a"] == 2 and values["c"] == 3
    assert values["b"] == "override:\n  not a block\n"
    assert values["nested"] == {"deep": [1, 2]}


def test_an_empty_block_is_none_at_all(yaml_file):
    path = yaml_file("a.yaml", "x: 1\ndata_folder: builtin\nbuiltin:\noverride:\n")
    assert join([path]).values() == {"x": 1, "data_folder": "builtin"}


# ---------------------------------------------------------------- what is refused


def test_a_key_in_two_files(yaml_file):
    one, two = yaml_file("one.yaml", "x: 1\n"), yaml_file("two.yaml", "y: 0\nx: 2\n")
    with pytest.raises(
        ConfigError, match=r"'x' stands in .*one.yaml and in .*two.yaml"
    ):
        join([one, two])


@pytest.mark.parametrize("block", ["override", "builtin"])
def test_a_block_that_sets_a_key_twice(yaml_file, block):
    one = yaml_file("one.yaml", f"x: 1\n{block}: {{x: 2}}\n")
    two = yaml_file("two.yaml", f"{block}: {{x: 3}}\n")
    with pytest.raises(ConfigError, match=f"'{block}:' sets .'x'. a second time"):
        join([one, two])


@pytest.mark.parametrize(
    "text", ["batch_size: 1\noverride: {batch_sise: 2}\n", "batch_size: 1\n"]
)
def test_an_override_without_its_key_is_told_the_nearest(yaml_file, text):
    command_line = "" if "override" in text else "batch_sise: 4"
    with pytest.raises(ConfigError, match="'batch_sise': did you mean batch_size?"):
        join([yaml_file("a.yaml", text)], command_line)


def test_an_override_like_nothing_is_told_so(yaml_file):
    with pytest.raises(ConfigError, match="no setting 'zzz'$"):
        join([yaml_file("a.yaml", "x: 1\n")], "zzz: 4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list\n", "must be a mapping"),
        ("x: [1, 2\n", "not valid YAML"),
        ("x: 1\nx: 2\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_configuration(yaml_file, text, message):
    with pytest.raises(ConfigError, match=f"broken.yaml.*{message}"):
        join([yaml_file("broken.yaml", text)])


def test_a_missing_file(tmp_path):
    with pytest.raises(ConfigError, match="no YAML file .*absent.yaml"):
        join([tmp_path / "absent.yaml"])


def test_a_command_line_that_is_no_mapping(yaml_file):
    with pytest.raises(ConfigError, match="the command line must be a mapping"):
        join([yaml_file("a.yaml", "x: 1\n")], "just words")


# ---------------------------------------------------------------- objects

SHARED = """
width: 3
inner: !new:torch.nn.Linear
    in_features: !ref <width>
    out_features: 2
unused: !new:no.such.module
outer: !new:torch.nn.ModuleList
    modules: [!ref <inner>]
note: "captions may hold {braces} and: colons"
"""


def test_built_objects_are_shared_by_reference():
    config = Config(SHARED.replace("unused", "#")).updated({"width": 5})
    built = config.build()
    assert built["inner"].in_features == 5
    assert built["outer"][0] is built["inner"]


@pytest.mark.parametrize("keys", [["inner", "outer", "note"], ["outer", "inner"]])
def test_an_extract_stands_by_itself_and_keeps_identities(keys):
    from hyperpyyaml import load_hyperpyyaml

    text = Config(SHARED, {"width": 4}).extract([*keys, "not there"])
    assert "no.such.module" not in text and "width" not in text
    loaded = load_hyperpyyaml(text)
    assert set(loaded) == set(keys)
    assert loaded["inner"].in_features == 4
    assert loaded["outer"][0] is loaded["inner"]
    changed = load_hyperpyyaml(text, {"inner": {"out_features": 7}})
    assert changed["outer"][0] is changed["inner"]
    assert changed["outer"][0].out_features == 7


# ---------------------------------------------------------------- the real files


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("files", [TRAINING, ZERO_SHOT], ids=["AudioCaps", "ESC-50"])
@pytest.mark.parametrize("data_folder", ["builtin", "/real"])
def test_every_system_joins_every_recipe(system, files, data_folder):
    values = join([*files, system], f"data_folder: {data_folder}").values()
    assert values["system"] == system.stem
    dataset = "AudioCaps" if files is TRAINING else "ESC-50"
    synthetic = "-builtin" if data_folder == "builtin" else ""
    assert values["output_folder"].startswith(f"results/{dataset}{synthetic}/")
    assert "<" not in f"{values['output_folder']}{values['builtin_folder']}"


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda path: path.stem)
def test_every_system_is_trained_on_few_clips_where_they_are_synthetic(system):
    synthetic = join([*TRAINING, system]).values()
    real = join([*TRAINING, system], "data_folder: /real").values()
    assert synthetic["save_folder"] != real["save_folder"]
    epochs, clips = synthetic["number_of_epochs"], synthetic["builtin_train_clips"]
    assert epochs * clips <= 40000


def test_a_real_system_is_built_and_described(tmp_path):
    source = write_text_source(tmp_path / "text")
    config = join(
        [*TRAINING, ROOT / "hparams" / "demo.yaml"],
        f"{{output_folder: {tmp_path}/out, text_source: {source}}}",
    ).updated({"text_config": {"hidden_size": 16}})
    parts = ("audio_encoder", "text_encoder", "audio_projection", "text_projection")
    text = config.extract([*parts, "logit_scale", "clap", "best_metric"])
    from hyperpyyaml import load_hyperpyyaml

    loaded = load_hyperpyyaml(text)
    for part in (*parts, "logit_scale"):
        assert getattr(loaded["clap"], part) is loaded[part]
    assert loaded["clap"].sample_rate == 16000
    recovered = config.build()["checkpointer"].recoverables
    for part in (*parts, "logit_scale"):
        assert type(recovered[part]) is type(loaded[part])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: !new:nowhere.Nothing {}", "no such class as nowhere.Nothing"),
        (
            "a: !new:collections.OrderedDict\n  b: !new:torch.nn.Linear {inn: 3}",
            "torch.nn.Linear cannot be built: .*keyword argument 'inn'",
        ),
        ("a: !new:towers_of_mine.Fails {}", r"KeyError: 'x' \(.*mine.py, line 3\)"),
        ("a: !new:broken_of_mine.Fails {}", "problem in broken_of_mine"),
    ],
)
def test_what_cannot_be_built_is_told_on_one_line(text, told, tmp_path, monkeypatch):
    code = "class Fails:\n    def __init__(self):\n        {}['x']\n"
    (tmp_path / "towers_of_mine.py").write_text(code)
    (tmp_path / "broken_of_mine.py").write_text("import no_such_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=told) as caught:
        Config(text).build()
    assert "\n" not in str(caught.value)
