"""What a run leaves as its YAML is run again: the same settings, and others on top."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hyperpyyaml import load_hyperpyyaml
from recipe_table import error_of, results
from scripts import CUSTOM_ZERO_SHOT, EVALUATE, ROOT, TINY, TRAIN, command, run_script
from test_setting_kinds import LETTERS

from clap_sb.config import Config, ConfigError
from clap_sb.data.builtin import write_audiocaps, write_esc50
from clap_sb.run_yaml import command_config, run_yaml
from clap_sb.setting_kinds import tag_of

CLOTHO, CUSTOM, LABELS = (
    f"recipes/{name}/train.py" for name in ("Clotho", "Custom", "ESC-50")
)
RECIPES = ROOT / "recipes"
FILES = [
    *(RECIPES / f"{name}.yaml" for name in ("common", "training", "captions")),
    RECIPES / "AudioCaps" / "recipe.yaml",
]
DEMO = ROOT / "hparams" / "demo.yaml"
SHORT = {**TINY, "number_of_epochs": 2, "batch_size": 4, "warmup_steps": 2}


def plain_values(config: Config) -> dict[str, object]:
    """Tags and what they have, since ruamel's objects are equal to none."""

    def bare(value: object) -> object:
        if isinstance(value, dict):
            found = {key: bare(item) for key, item in value.items()}
        elif isinstance(value, list):
            found = [bare(item) for item in value]
        else:
            found = getattr(value, "value", value)
        return (tag_of(value), found) if tag_of(value) else found

    return {key: bare(value) for key, value in config.values().items()}


def written(config: Config, folder: Path, files: list[Path] = FILES) -> Path:
    path = folder / "hyperparams.yaml"
    path.write_text(run_yaml(config, config, files), encoding="utf-8")
    return path


# ------------------------------------------------------------------ the settings


@pytest.mark.parametrize("system", sorted((ROOT / "hparams").glob("*.yaml")))
@pytest.mark.parametrize("data", ["builtin", "/real"])
def test_every_system_reads_back_as_it_was(system, data, tmp_path):
    words = {"data_folder": data, "weight_decay": "0", "init": "a #1"}
    config = command_config(system, FILES, words)
    path = written(config, tmp_path)
    again = command_config(path, FILES, {})
    for reread in (again, command_config(written(again, tmp_path), FILES, {})):
        assert plain_values(reread) == plain_values(config)
        assert reread.given == config.given
        assert run_yaml(reread, reread, FILES) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", LETTERS)
def test_a_text_is_read_back_to_the_letter(text, tmp_path):
    words = {"output_folder": text, "train_sets": json.dumps([text])}
    config = command_config(DEMO, FILES, words)
    again = command_config(written(config, tmp_path), FILES, {"lr": "0.5"})
    rates = dict.fromkeys(("lr", "audio_lr", "text_lr"), 0.5)
    assert plain_values(again) == plain_values(config) | rates
    assert again.values()["save_folder"] == f"{text}/save"
    assert again.values()["train_sets"] == [text]


def test_what_refers_to_a_setting_follows_it(tmp_path):
    path = written(command_config(DEMO, FILES, {"seed": "5"}), tmp_path)
    values = command_config(path, FILES, {"output_folder": "other"}).values()
    assert values["save_folder"] == "other/save"
    assert values["history"]["path"] == "other/history.json"
    values = command_config(path, FILES, {"seed": "6"}).values()
    assert values["output_folder"] == "results/AudioCaps-builtin/demo/6"


@pytest.mark.parametrize(
    ("key", "before", "word", "expected"),
    [
        ("weight_decay", "0", "1e-4", 1e-4),
        ("init", "a folder", "null", None),
        ("num_threads", "2", "null", None),
        ("audio_encoder", "{depths: [1, 1, 1]}", "{embed_dim: 12}", None),
        ("freeze_text", None, "no", False),
        ("set_folders", "{a: b}", "{c: d}", {"a": "b", "c": "d"}),
    ],
)
def test_an_option_takes_what_it_took_before(key, before, word, expected, tmp_path):
    """Also null, and a fraction where the first command had a whole number."""
    path = written(command_config(DEMO, FILES, {key: before}), tmp_path)
    again = command_config(path, FILES, {key: word})
    if key == "audio_encoder":
        encoder = again.values()[key]
        assert (encoder["depths"], encoder["embed_dim"]) == ([1, 1, 1], 12)
    else:
        assert again.values()[key] == expected
    assert key in again.given


def test_a_script_of_speechbrain_reads_it_too(tmp_path):
    text = "seed: 1\nlr: 0.5\nfolder: !ref results/<seed>\nmade: !new:builtins.dict\n"
    text += "    rate: !ref <lr>\n"
    config = Config(text).updated({"seed": 2})
    loaded = load_hyperpyyaml(run_yaml(config, config, FILES))
    assert loaded["folder"] == "results/2" and loaded["made"] == {"rate": 0.5}


def test_what_a_command_does_is_no_part_of_its_run(tmp_path):
    words = {"stage": "train", "skip_prep": "True", "lr": "1"}
    path = written(command_config(DEMO, FILES, words), tmp_path)
    again = command_config(path, FILES, {})
    assert (again.values()["stage"], again.values()["skip_prep"]) == ("all", False)
    assert set(again.given) == {"lr"}


def test_what_is_of_another_recipe_version_or_data_is_refused(tmp_path):
    path = written(command_config(DEMO, FILES, {}), tmp_path)
    clotho = [*FILES[:-1], RECIPES / "Clotho" / "recipe.yaml"]
    with pytest.raises(ConfigError, match=r"AudioCaps/recipe.yaml.*Clotho/recipe.yaml"):
        command_config(path, clotho, {})
    with pytest.raises(ConfigError, match="on the built-in set, which has settings"):
        command_config(path, FILES, {"data_folder": "/real"})
    real = written(command_config(DEMO, FILES, {"data_folder": "/real"}), tmp_path)
    with pytest.raises(ConfigError, match="other data than the built-in set"):
        command_config(real, FILES, {"data_folder": "builtin"})
    assert command_config(real, FILES, {"data_folder": "/moved"})
    text = path.read_text(encoding="utf-8").replace("min_epochs: 0", "")
    path.write_text(text.replace("min_epochs: !ref <min_epochs>", ""))
    with pytest.raises(ConfigError, match="lacks min_epochs: add them"):
        command_config(path, FILES, {})


# ------------------------------------------------------------------ the scripts


def run(script: str, words: list[object], log: Path) -> str:
    finished = run_script(script, words, log)
    assert finished.code == 0, finished.output
    return finished.output


def weights(folder: Path) -> dict[str, bytes]:
    """Of the last checkpoint."""
    checkpoints = sorted(folder.glob("save/CKPT+*"), key=lambda p: p.stat().st_mtime)
    return {
        path.name: path.read_bytes()
        for path in checkpoints[-1].iterdir()
        if path.suffix in (".ckpt", ".safetensors", ".pt")
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Data of each recipe, in small."""
    folder = tmp_path_factory.mktemp("again")
    write_audiocaps(folder / "AudioCaps", 20, 6, 6, seed=2)
    write_esc50(folder / "ESC-50", 5, seed=2)
    sounds = sorted((folder / "AudioCaps" / "audio" / "train").glob("*.wav"))
    rows = [f"{path},sound number {i}\n" for i, path in enumerate(sounds)]
    (folder / "my.csv").write_text("path,caption\n" + "".join(rows))
    labels = [f"{path},{'dog' if i % 2 else 'rain'}\n" for i, path in enumerate(sounds)]
    (folder / "labels.csv").write_text("path,label\n" + "".join(labels))
    return folder


@pytest.fixture(scope="module")
def first(place) -> Path:
    settings = {**SHORT, "data_folder": place / "AudioCaps", "lr": 0.003}
    settings |= {"output_folder": place / "first", "weight_decay": 0}
    run(TRAIN, command("hparams/demo.yaml", settings), place / "first.log")
    return place / "first"


def test_a_run_is_run_again_with_the_same_bits(first, tmp_path):
    settings = (first / "hyperparams.yaml").read_bytes()
    options = {"output_folder": tmp_path / "again", "device": "cpu"}
    options |= {"noprogressbar": None}
    run(TRAIN, command(first / "hyperparams.yaml", options), tmp_path / "again.log")
    assert weights(tmp_path / "again") == weights(first)
    assert weights(first)
    scores = [results(folder, "retrieval") for folder in (first, tmp_path / "again")]
    for found in scores:
        del found["card"]["checkpoint"]  # it is named by the time
    assert scores[0] == scores[1]
    assert (first / "hyperparams.yaml").read_bytes() == settings

    # as it is, in its own folder: it is finished, and tested
    again = shutil.copytree(tmp_path / "again", tmp_path / "kept")
    options.pop("output_folder")
    path = tmp_path / "again" / "hyperparams.yaml"
    output = run(TRAIN, command(path, options), tmp_path / "as_it_is.log")
    assert "Going into epoch" not in output
    assert weights(tmp_path / "again") == weights(again)


def test_another_recipes_run_is_told(first, tmp_path):
    words = command(first / "hyperparams.yaml", {})
    finished = run_script(CLOTHO, words, tmp_path / "log")
    assert "is of a run of AudioCaps/recipe.yaml" in error_of(finished)


def test_fine_tuning_is_run_again_with_the_same_bits(first, place, tmp_path):
    """Its figures are suited to the set once, and what was given stays."""
    settings = {"train_csv": place / "my.csv", "init": first, "num_resamples": 20}
    settings |= {"finetune_epochs": 1, "finetune_steps": 2, "audio_lr": 0.002}
    settings |= {"device": "cpu", "output_folder": tmp_path / "tuned"}
    run(CUSTOM, command("hparams/demo.yaml", settings), tmp_path / "tuned.log")
    path = tmp_path / "tuned" / "hyperparams.yaml"
    text = path.read_text(encoding="utf-8")
    assert "\n#   trained_on: " in text and "\n#   lr: " in text
    options = {"output_folder": tmp_path / "again", "device": "cpu"}
    run(CUSTOM, command(path, options), tmp_path / "again.log")
    assert weights(tmp_path / "again") == weights(tmp_path / "tuned")
    there = [
        (tmp_path / name / "model.yaml").read_text() for name in ("tuned", "again")
    ]
    assert there[0].replace("tuned", "again") == there[1]


def test_a_fold_is_run_again_from_its_own_settings(place, tmp_path):
    settings = {**TINY, "data_folder": place / "ESC-50", "fold": 2}
    settings |= {"output_folder": tmp_path / "folds", "number_of_epochs": 1}
    run(LABELS, command("hparams/demo.yaml", settings), tmp_path / "folds.log")
    options = {"output_folder": tmp_path / "again", "device": "cpu"}
    for folder in ("folds", "folds/fold_2"):
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        path = tmp_path / folder / "hyperparams.yaml"
        run(LABELS, command(path, options), tmp_path / "again.log")
        fold = "fold_2"
        assert weights(tmp_path / "again" / fold) == weights(tmp_path / "folds" / fold)


@pytest.mark.parametrize(
    ("script", "settings", "result"),
    [
        (EVALUATE, {"data_folder": "AudioCaps"}, "retrieval"),
        ("recipes/ESC-50/zero_shot.py", {"data_folder": "ESC-50"}, "zero_shot"),
        (CUSTOM_ZERO_SHOT, {"csv": "labels.csv"}, "zero_shot"),
    ],
)
def test_an_evaluation_is_run_again(script, settings, result, first, place, tmp_path):
    settings = {key: place / name for key, name in settings.items()}
    settings |= {"checkpoint": first, "num_resamples": 20, "device": "cpu"}
    settings |= {"output_folder": tmp_path / "once"}
    run(script, command("hparams/demo.yaml", settings), tmp_path / "once.log")
    options = {"output_folder": tmp_path / "again", "device": "cpu"}
    path = tmp_path / "once" / "hyperparams.yaml"
    run(script, command(path, options), tmp_path / "again.log")
    assert results(tmp_path / "again", result) == results(tmp_path / "once", result)
