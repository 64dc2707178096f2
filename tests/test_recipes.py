"""The recipes as a user runs them: what they write, and what they say when they fail.

`tests/recipes/<Dataset>.csv` lists each recipe's scripts with the systems they run on,
as SpeechBrain's own tables do.
"""

from __future__ import annotations

import csv
import functools
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from recipe_table import assert_checks, error_of, name_of, results, rows
from scripts import (
    CUSTOM_ZERO_SHOT,
    EVALUATE,
    ROOT,
    SEARCH,
    TINY,
    TRAIN,
    ZERO_SHOT,
    Finished,
    command,
    run_script,
)

from clap_sb.config import join
from clap_sb.data.builtin import write_audiocaps, write_esc50
from clap_sb.data.manifest import read_manifest
from clap_sb.experiment.run import Experiment

DEMO = "hparams/demo.yaml"
SHORT = {
    **TINY,
    "number_of_epochs": 2,
    "batch_size": 4,
    "warmup_steps": 2,
    "lr": 0.003,
}
RETRIEVAL_KEYS = {
    f"{way}_{score}"
    for way in ("t2a", "a2t")
    for score in ("recall_at_1", "recall_at_5", "recall_at_10", "map_at_10")
}


# ------------------------------------------------------------------ the table


def test_every_script_and_system_is_in_the_table():
    listed = {name_of(row) for row in rows()}
    systems = [path.name for path in sorted((ROOT / "hparams").glob("*.yaml"))]
    scripts = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "recipes").rglob("*.py")
        if not path.name.endswith("_prepare.py") and path.name != "download.py"
    }
    assert {row["Script_file"] for row in rows()} == scripts
    assert listed >= {f"{TRAIN} hparams/{name}" for name in systems}
    for row in rows():
        for column in ("Script_file", "Hparam_file", "Data_prep_file", "Readme_file"):
            assert (ROOT / row[column]).is_file(), row[column]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Callable[[str], tuple[Path, Finished]]:
    """Trains a system as the table says, once; gives its folder."""
    place = tmp_path_factory.mktemp("trained")

    @functools.cache
    def train(system: str) -> tuple[Path, Finished]:
        (row,) = (row for row in rows(TRAIN) if row["Hparam_file"] == system)
        folder = place / Path(system).stem
        settings = {
            "device": "cpu",
            "output_folder": folder,
            "builtin_folder": place / "audiocaps",
        }
        words = command(system, settings) + shlex.split(row["test_debug_flags"])
        return folder, run_script(TRAIN, words, place / f"{folder.name}.log")

    return train


@pytest.mark.parametrize("row", rows(TRAIN), ids=name_of)
def test_training(row, trained):
    folder, finished = trained(row["Hparam_file"])
    assert_checks(row, folder, finished)
    scores = results(folder, "retrieval")
    assert scores.keys() >= RETRIEVAL_KEYS | {"num_clips", "num_captions"}
    assert 0 <= scores["t2a_recall_at_1"] <= scores["t2a_recall_at_10"] <= 100
    assert scores["intervals"].keys() >= RETRIEVAL_KEYS
    assert "attribute_accuracy" in scores
    # nothing of a forgotten --data_folder passes for a score of the data set
    assert "builtin (synthetic)" in scores["title"]
    assert scores["card"]["dataset"] == "builtin (synthetic)"
    assert "data_folder is 'builtin'" in finished.output
    # a tower that could not be fetched is told of, at the start and in the card
    origin = scores["card"]["text_tower_origin"]
    assert "random weights" in origin
    assert f"text tower: {origin}" in finished.output
    steps = [row["epoch"] for row in json.loads((folder / "history.json").read_text())]
    assert steps == [1, 2]


@pytest.mark.parametrize("row", rows(ZERO_SHOT), ids=name_of)
def test_zero_shot(row, trained, tmp_path, tmp_path_factory):
    run, finished = trained(row["Hparam_file"])
    assert finished.code == 0, finished.output
    settings = {
        "device": "cpu",
        "checkpoint": run,
        "output_folder": tmp_path / "zero_shot",
        "builtin_folder": tmp_path_factory.getbasetemp() / "esc50",
    }
    flags = shlex.split(row["test_debug_flags"])
    words = command(row["Hparam_file"], settings) + flags
    finished = run_script(ZERO_SHOT, words, tmp_path / "log")
    assert_checks(row, tmp_path / "zero_shot", finished)
    scores = results(tmp_path / "zero_shot", "zero_shot")
    assert scores.keys() >= {"accuracy", "num_clips", "num_classes", "prompt"}
    assert scores["num_classes"] >= 12
    assert scores["num_clips"] == 5 * scores["num_classes"]
    assert list(scores["fold_accuracies"]) == list("12345")
    assert "builtin (synthetic)" in scores["title"]


@pytest.mark.parametrize("row", rows(EVALUATE), ids=name_of)
def test_evaluate(row, trained, tmp_path, tmp_path_factory):
    run, finished = trained(row["Hparam_file"])
    assert finished.code == 0, finished.output
    settings = {
        "device": "cpu",
        "checkpoint": run,
        "output_folder": tmp_path / "evaluate",
        "builtin_folder": tmp_path_factory.getbasetemp() / "audiocaps",
    }
    words = command(row["Hparam_file"], settings) + shlex.split(row["test_debug_flags"])
    finished = run_script(EVALUATE, words, tmp_path / "log")
    assert_checks(row, tmp_path / "evaluate", finished)
    assert results(tmp_path / "evaluate", "protocols")["num_protocols"] == 5


@pytest.mark.parametrize("row", rows(CUSTOM_ZERO_SHOT), ids=name_of)
def test_custom_zero_shot(row, trained, tmp_path):
    run, finished = trained(row["Hparam_file"])
    assert finished.code == 0, finished.output
    clips = read_manifest(run / "manifests" / "test.json")[:6]
    lines = [f"{clip.path},{'ab'[n % 2]}" for n, clip in enumerate(clips)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *lines]))
    settings = {
        "device": "cpu",
        "checkpoint": run,
        "output_folder": tmp_path / "zero_shot",
        "csv": tmp_path / "labels.csv",
    }
    words = command(row["Hparam_file"], settings) + shlex.split(row["test_debug_flags"])
    finished = run_script(CUSTOM_ZERO_SHOT, words, tmp_path / "log")
    assert_checks(row, tmp_path / "zero_shot", finished)
    assert results(tmp_path / "zero_shot", "zero_shot")["num_classes"] == 2


@pytest.mark.parametrize("row", rows(SEARCH), ids=name_of)
def test_search(row, trained, tmp_path):
    run, finished = trained(row["Hparam_file"])
    assert finished.code == 0, finished.output
    flags = shlex.split(row["test_debug_flags"])
    arguments = [*flags, "--checkpoint", run, "--device", "cpu"]
    finished = run_script(SEARCH, arguments, log=tmp_path / "log")
    assert_checks(row, run, finished)
    assert len(re.findall(r"^  \d\. ", finished.output, re.MULTILINE)) == 3
    # the same clips in another order, with the training captions as bank
    options = ["--rescoring", "nnn", "--numbers", '{"neighbours": 5}', "--top", 100]
    finished = run_script(SEARCH, [*arguments, *options], log=tmp_path / "log")
    assert_checks(row, run, finished)
    cosines = re.findall(r"^  \d+\. (\S+)", finished.output, re.MULTILINE)
    assert len(cosines) == 100
    assert cosines != sorted(cosines, key=float, reverse=True)


# ------------------------------------------------------------------ one run, used again


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """With one of seven test clips missing."""
    folder = tmp_path_factory.mktemp("recipes") / "data"
    write_audiocaps(folder, 20, 6, 7, seed=2)
    max(folder.glob("audio/test/*.wav")).unlink()
    return folder


@pytest.fixture(scope="module")
def short(data, tmp_path_factory) -> Callable[..., tuple[Finished, Path]]:
    """Runs a short training on data that lies in a folder, as real data does."""
    place = tmp_path_factory.mktemp("short")

    def train(name: str = "run", prepare: Callable | None = None, **settings: object):
        folders = {"data_folder": data, "output_folder": place / name}
        words = command(DEMO, {**SHORT, **folders, **settings})
        return run_script(TRAIN, words, place / f"{name}.log", prepare), place / name

    return train


@pytest.fixture(scope="module")
def run(short) -> Path:
    """The folder of a short training."""
    finished, folder = short()
    assert finished.code == 0, finished.output
    assert finished.output.count("Going into epoch") == 2
    return folder


@pytest.mark.parametrize(
    "option",
    [{"lr": 0.5}, {"test_only": None}, {"stage": "evaluate", "lr": 0.5}],
    ids=["again", "test_only", "evaluate"],
)
def test_a_finished_run_is_not_trained_on_and_scores_the_same(option, run, short):
    scores, history = results(run, "retrieval"), (run / "history.json").read_bytes()
    settings = (run / "hyperparams.yaml").read_bytes()
    assert scores["title"] == "demo on AudioCaps, test: retrieval"
    card = scores["card"]
    counts = (card["num_clips"], card["num_listed"], card["num_missing"])
    assert counts == (6, 7, 1)
    assert "published pool has 975 clips, this one 6" in " ".join(card["notes"])
    (run / "results" / "retrieval.json").unlink()
    finished, _ = short(**option)
    assert finished.code == 0, finished.output
    assert "Going into epoch" not in finished.output
    assert results(run, "retrieval") == scores
    assert (run / "history.json").read_bytes() == history
    assert (run / "hyperparams.yaml").read_bytes() == settings


@pytest.mark.parametrize("option", [{"test_only": None}, {"stage": "prepare"}])
def test_a_run_is_not_gone_on_with_over_another_vocabulary(run, option, tmp_path):
    """Nor over other clips: some of the training clips would be tested on."""
    other = write_audiocaps(tmp_path / "other", 24, 6, 6, seed=2)
    kept = [
        path for path in run.rglob("*") if path.is_file() and path.name != "log.txt"
    ]
    before = {path: path.read_bytes() for path in kept}
    settings = {"data_folder": other, "output_folder": run} | option
    words = command(DEMO, {**SHORT, **settings})
    finished = run_script(TRAIN, words, log=tmp_path / "log")
    error = error_of(finished)
    assert "(20 clips, 20 captions), this one would be on AudioCaps (24 clips" in error
    assert {path: path.read_bytes() for path in kept} == before
    assert not (run / "manifests.new").exists()


def lose_a_file(path: Path) -> None:
    """Deletes a training file when the first batch comes; runs in the process."""
    from clap_sb.brain import CLAPBrain

    start = CLAPBrain.on_fit_batch_start

    def losing(self, batch, should_step):
        path.unlink(missing_ok=True)
        start(self, batch, should_step)

    CLAPBrain.on_fit_batch_start = losing


def test_an_unreadable_training_file_is_warned_about_and_left_out(short, tmp_path):
    data = write_audiocaps(tmp_path / "data", 20, 6, 6, seed=2)
    path = data / "audio" / "train" / "syn0000003a.wav"
    finished, folder = short(
        name="unreadable",
        prepare=functools.partial(lose_a_file, path),
        data_folder=data,
    )
    assert finished.code == 0, finished.output
    warnings = [line for line in finished.output.splitlines() if path.name in line]
    assert len(warnings) == 1
    assert "left out of training (1 so far)" in warnings[0]
    assert len(json.loads((folder / "history.json").read_text())) == 2


def test_the_batch_size_changes_no_score(run, data, tmp_path):
    """The same embeddings, and the same scores, whatever else is in the batch."""
    from clap_sb.checkpoints.open_checkpoint import open_checkpoint
    from clap_sb.evaluation.embedding import embed_clips

    model = open_checkpoint(run)
    clips = read_manifest(run / "manifests" / "test.json")
    one, many = (embed_clips(model.clap, clips, batch_size=size) for size in (1, 32))
    torch.testing.assert_close(one.audio, many.audio, atol=1e-5, rtol=0)
    torch.testing.assert_close(one.text, many.text, atol=1e-5, rtol=0)
    assert one.captions == many.captions and one.clips == many.clips

    found = []
    for size in (1, 32):
        folder = tmp_path / str(size)
        settings = {"checkpoint": run, "data_folder": data, "output_folder": folder}
        settings |= {"valid_batch_size": size, "num_resamples": 20, "device": "cpu"}
        words = command(DEMO, settings)
        finished = run_script(EVALUATE, words, tmp_path / f"{size}.log")
        assert finished.code == 0, finished.output
        found.append(results(folder, "retrieval"))
    assert found[0] == found[1]
    # and they are those of the end of the training
    trained = results(run, "retrieval")
    for key in found[0]:
        if key[:4] in ("t2a_", "a2t_", "num_"):
            assert found[0][key] == trained[key]


# ------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"numbr_of_epochs": 3}, "did you mean number_of_epochs"),
        ({"data_folder": "nowhere"}, r"nowhere/dataset/train\.csv"),
        ({"max_grad_norm": -1}, "must be positive"),
        ({"best_metric": "t2a_map"}, "'t2a_map' is not among .*t2a_map_at_10"),
        ({"best_metric": "valid_loss"}, "'valid_loss' is not among"),
        ({"test_only": None}, "no checkpoint in .*not finished an epoch yet"),
        ({"pretrained_text": True, "text_source": "no/where"}, "--text_source FOLDER"),
    ],
    ids=str,
)
def test_what_training_says_of_a_mistake(settings, message, short):
    finished, _ = short(name="mistake", **settings)
    assert re.search(message, error_of(finished))


def test_another_model_is_not_trained_on_in_the_same_folder(run, short):
    finished, _ = short(joint_dim=8)
    assert re.search(
        r"another run: .*joint_dim \(16 there, 8 here\).*--output_folder",
        error_of(finished),
    )


@pytest.mark.parametrize(
    ("system", "settings", "message"),
    [
        (DEMO, {}, "give --checkpoint, the output folder"),
        (DEMO, {"checkpoint": "nowhere"}, "no file or folder nowhere"),
        (DEMO, {"checkpoint": "hparams"}, "hparams"),
        ("hparams/htsat_roberta.yaml", {"checkpoint": "RUN"}, "hparams/demo.yaml"),
        (DEMO, {"checkpoint": "RUN", "data_folder": "nowhere"}, "nowhere/meta/esc50"),
    ],
    ids=str,
)
def test_what_zero_shot_says_of_a_mistake(system, settings, message, run, tmp_path):
    settings = {name: run if v == "RUN" else v for name, v in settings.items()}
    settings |= {"output_folder": tmp_path / "zero_shot", "device": "cpu"}
    finished = run_script(ZERO_SHOT, command(system, settings), tmp_path / "log")
    assert re.search(message, error_of(finished))


# ------------------------------------------------------------------ real sounds


def test_zero_shot_on_real_recordings(shared_data, run, tmp_path):
    folder = tmp_path / "zero_shot"
    settings = {
        "checkpoint": run,
        "data_folder": shared_data / "ESC-10",
        "output_folder": folder,
        "device": "cpu",
    }
    finished = run_script(ZERO_SHOT, command(DEMO, settings), tmp_path / "log")
    assert finished.code == 0, finished.output
    scores = results(folder, "zero_shot")
    assert (scores["num_classes"], scores["num_clips"]) == (10, 400)
    folds = scores["fold_accuracies"]
    assert list(folds) == list("12345")
    # 80 clips a fold: the mean of the folds is the accuracy of all
    assert sum(folds.values()) / 5 == pytest.approx(scores["accuracy"])
    manifest = read_manifest(folder / "manifests" / "esc50.json")
    assert len({clip.label for clip in manifest}) == 10
    # named by what was scored, not by the recipe
    assert scores["title"].startswith("demo on ESC-10, all folds")
    assert scores["card"]["dataset"] == "ESC-10"


# ------------------------------------------------------------------ sets and subsets


@pytest.mark.parametrize(("dataset", "classes"), [("ESC-50", 16), ("ESC-10", 10)])
def test_the_subset_of_esc50_is_scored_alone(dataset, classes, run, tmp_path):
    data = write_esc50(tmp_path / "data", 1, seed=1)
    table = data / "meta" / "esc50.csv"
    with open(table, encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, listed[0].keys())
        writer.writeheader()
        writer.writerows(row | {"esc10": int(row["target"]) < 10} for row in listed)
    folder = tmp_path / "zero_shot"
    settings = {"checkpoint": run, "data_folder": data, "output_folder": folder}
    settings |= {"dataset": dataset, "device": "cpu", "num_resamples": 20}
    finished = run_script(ZERO_SHOT, command(DEMO, settings), tmp_path / "log")
    assert finished.code == 0, finished.output
    scores = results(folder, "zero_shot")
    assert scores["num_clips"] == scores["num_classes"] == classes
    assert scores["title"].startswith(f"demo on {dataset}, all folds")


@pytest.mark.parametrize("script", ["recipe", "train"])
def test_a_subset_has_a_folder_of_its_own(script):
    recipes = ROOT / "recipes"
    files = [recipes / "common.yaml", recipes / "ESC-50" / f"{script}.yaml"]
    if script == "train":
        files.insert(1, recipes / "training.yaml")
    places = {
        join([*files, ROOT / DEMO], f"data_folder: x\ndataset: {name}").values()[
            "output_folder"
        ]
        for name in ("ESC-50", "ESC-10")
    }
    assert {place.split("/")[1] for place in places} == {"ESC-50", "ESC-10"}


def test_a_run_that_is_named_by_its_data_stays_in_its_folder():
    recipes = ROOT / "recipes"
    files = [recipes / "common.yaml", recipes / "training.yaml"]
    files += [recipes / "ESC-50" / "train.yaml", ROOT / DEMO]
    asked = Experiment(join(files, "data_folder: x"), run_opts=None)
    found = asked.of_dataset("ESC-10")
    assert (found.dataset_name, found.values["trained_on"]) == ("ESC-10", "ESC-10")
    assert found.folder == asked.folder
    assert found.values["save_folder"] == asked.values["save_folder"]
