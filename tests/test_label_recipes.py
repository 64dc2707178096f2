"""Training on labels and on own data, as a user runs it."""

from __future__ import annotations

import csv
import json
import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipe_table import assert_checks, error_of, name_of, results, rows
from scripts import ROOT, Finished, command, run_script
from speechbrain.utils.run_opts import RunOptions

from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.config import ConfigError, join
from clap_sb.data.builtin import write_esc50
from clap_sb.experiment.run import Experiment

LABELS = "recipes/ESC-50/train.py"
OWN = "recipes/Custom/train.py"
SYSTEM = "hparams/small_cnn14.yaml"
TINY = {
    "channels": "[4, 4, 8, 8, 16]",
    "audio_dim": 16,
    "text_dim": 16,
    "text_mlp_dim": 32,
    "num_resamples": 20,
    "number_of_epochs": 1,
    "device": "cpu",
    "noprogressbar": None,
}
WITHOUT_MODEL = {k: v for k, v in TINY.items() if "_dim" not in k and k != "channels"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("labels")


@pytest.fixture(scope="module")
def esc(place) -> Path:
    return write_esc50(place / "esc", 5, seed=2)


@pytest.fixture(scope="module")
def folds(place) -> tuple[Path, Finished]:
    """All five folds on the built-in set, as the table says."""
    (row,) = rows(LABELS)
    settings = {"output_folder": place / "run", "builtin_folder": place / "builtin"}
    words = command(row["Hparam_file"], {**settings, "device": "cpu"})
    words += shlex.split(row["test_debug_flags"])
    return place / "run", run_script(LABELS, words, place / "run.log")


@pytest.fixture(scope="module")
def my_csv(place, esc) -> Path:
    """Thirty of the recordings with two captions each, as a user's list."""
    path = place / "my.csv"
    with open(esc / "meta" / "esc50.csv", encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))[:30]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption"])
        for row in listed:
            label = row["category"].replace("_", " ")
            for caption in (f"a {label}, {{loud}}", f"somewhere: {label} $1"):
                writer.writerow([f"esc/audio/{row['filename']}", caption])
    return path


def run(script: str, log: Path, **settings: object) -> Finished:
    return run_script(script, command(SYSTEM, settings), log)


@pytest.mark.parametrize("row", rows(LABELS), ids=name_of)
def test_each_fold_is_held_out_and_all_are_summed_up(row, folds):
    folder, finished = folds
    assert_checks(row, folder, finished)
    summed = results(folder, "folds")
    each = [results(folder / f"fold_{fold}", "zero_shot") for fold in range(1, 6)]
    assert list(summed["fold_accuracies"].values()) == [s["accuracy"] for s in each]
    assert summed["num_clips"] == sum(scores["num_clips"] for scores in each) == 80
    assert summed["mean_accuracy"] == pytest.approx(summed["accuracy"])
    assert each[4]["card"]["split"] == "fold 5"
    assert [s["card"]["num_listed"] for s in (summed, *each)] == [80, *[16] * 5]
    assert "the last epoch (1); none was selected" in each[4]["card"]["selection"]
    assert "builtin (synthetic)" in summed["title"]
    assert "of 16 labels are described, in descriptions.yaml" in finished.output
    # a fifth of the clips is not trained on
    assert finished.output.count("for 64 clips") == 5


@pytest.mark.parametrize("row", rows(OWN), ids=name_of)
def test_fine_tuning_on_a_list_of_ones_own(row, folds, my_csv, place):
    settings = {
        "device": "cpu",
        "output_folder": place / "own",
        "train_csv": my_csv,
        "init": folds[0] / "fold_5",
    }
    words = command(row["Hparam_file"], settings) + shlex.split(row["test_debug_flags"])
    finished = run_script(OWN, words, place / "own.log")
    assert_checks(row, place / "own", finished)
    assert "21 clips to train, 3 clips to valid, 6 clips to test" in finished.output
    assert "lr: 0.0003 (instead of 0.001" in finished.output
    gain = results(place / "own", "fine_tuning")
    tested = results(place / "own", "retrieval")
    assert gain["t2a_map_at_10_fine_tuned"] == tested["t2a_map_at_10"]
    assert tested["card"]["num_captions"] == 12
    said = " ".join(tested["card"]["notes"])
    assert "split off from my.csv: of its 30 clips, 0 have no usable audio" in said
    loaded = open_checkpoint(place / "own")
    assert loaded.trained_on == "builtin (synthetic), then my.csv"
    # architecture and tokenizer are the checkpoint's
    source = open_checkpoint(folds[0] / "fold_5")
    assert loaded.clap.audio_encoder.embedding_dim == 16
    tokens = [model.clap.text_encoder.tokenize(["a dog"]) for model in (loaded, source)]
    assert tokens[0]["input_ids"].tolist() == tokens[1]["input_ids"].tolist()
    again = run_script(OWN, [*words, "--test_only"], place / "again.log")
    assert again.code == 0, again.output
    assert results(place / "own", "fine_tuning") == gain


def test_a_linear_probe_holds_out_each_fold(folds, esc, place):
    settings = {"data_folder": esc, "output_folder": place / "probe", "mode": "probe"}
    settings |= {"init": folds[0] / "fold_5", **WITHOUT_MODEL}
    finished = run(LABELS, place / "probe.log", **settings)
    assert finished.code == 0, finished.output
    scores = results(place / "probe", "folds")
    assert scores["title"] == "small_cnn14 on ESC-50, 5 folds: linear probe"
    assert list(scores["fold_accuracies"]) == list("12345")
    assert scores["card"]["num_clips"] == scores["num_clips"] == 80
    assert (scores["card"]["num_listed"], scores["card"]["num_missing"]) == (80, 0)
    assert not list((place / "probe").rglob("CKPT+*"))


def test_labels_are_fine_tuned_on_with_a_fold_to_choose_settings_by(folds, esc, place):
    settings = {"data_folder": esc, "output_folder": place / "tuned", "valid_fold": 4}
    settings |= {
        "init": folds[0] / "fold_5",
        "finetune_epochs": 2,
        "finetune_steps": 1,
        **WITHOUT_MODEL,
    }
    settings |= {"best_metric": "accuracy"}
    del settings["number_of_epochs"]
    finished = run(LABELS, place / "tuned.log", **settings)
    assert finished.code == 0, finished.output
    folder = place / "tuned" / "fold_5"
    history = json.loads((folder / "history.json").read_text())
    best = max(row["accuracy"] for row in history)
    card = results(folder, "zero_shot")["card"]
    assert f"validation accuracy ({best:.2f} in epoch" in card["selection"]
    assert len(history) == 2
    assert not (place / "tuned" / "results").exists()  # one fold has no deviation


def own_lists(**settings: object) -> tuple[Callable, Experiment]:
    """What reads the lists of the recipe for own clips, and a run of it."""
    names = ("common.yaml", "training.yaml", "Custom/train.yaml")
    files = [ROOT / "recipes" / name for name in names]
    config = join([*files, ROOT / "hparams" / "demo.yaml"], json.dumps(settings))
    prepare = runpy.run_path(str(ROOT / OWN))["prepare"]
    return prepare, Experiment(config, run_opts=RunOptions())


@pytest.mark.parametrize(
    ("other", "split"), [("train", "valid"), ("train", "test"), ("valid", "test")]
)
def test_own_lists_are_compared_by_recordings(esc, tmp_path, other, split):
    """Another part of a recording, in a file of its own, is not held out."""
    sounds = sorted((esc / "audio").glob("*.wav"))[:9]
    lists = {}
    for place, name in enumerate(("train", "valid", "test")):
        lists[f"{name}_csv"] = str(tmp_path / f"{name}.csv")
        rows = ["path,caption,keywords,freesound_id"]
        for number, sound in enumerate(sounds[3 * place : 3 * place + 2]):
            shared = name in (other, split) and number == 1
            rows.append(f"{sound},A sound,,{77 if shared else sound.stem}")
        rows.append(f"{sounds[3 * place + 2]},,dog,")  # says nothing to train on
        (tmp_path / f"{name}.csv").write_text("\n".join(rows))
    prepare, run = own_lists(**lists, output_folder=str(tmp_path / "run"))
    message = f"1 clips of {split}_csv are .*{other}_csv too, such as .*freesound:77"
    with pytest.raises(ConfigError, match=message):
        prepare(run, run.manifests)
    text = (tmp_path / f"{split}.csv").read_text()
    (tmp_path / f"{split}.csv").write_text(text.replace(",77", ",78"))
    _, splits = prepare(run, run.manifests)
    assert [len(splits[name]) for name in ("train", "valid", "test")] == [2, 2, 2]


def test_a_list_to_test_on_is_read_anew(tmp_path):
    """Or the scores of `--stage evaluate` would be those of the list before."""
    rng = np.random.default_rng(0)
    for name in ("train", "valid", "test", "other"):
        soundfile.write(tmp_path / f"{name}.wav", rng.normal(size=800) * 0.1, 8000)
        (tmp_path / f"{name}.csv").write_text(f"path,caption\n{name}.wav,A sound\n")
    names = {f"{name}_csv": name for name in ("train", "valid", "test")}
    lists = {key: str(tmp_path / f"{name}.csv") for key, name in names.items()}
    prepare, run = own_lists(**lists, output_folder=str(tmp_path / "run"))
    prepare(run, run.manifests)
    run = run.updated({"test_csv": str(tmp_path / "other.csv")})
    trusting = run.updated({"skip_prep": True})
    for later, found in ((trusting, "test.wav"), (run, "other.wav")):
        _, splits = prepare(later.updated({"stage": "train"}), run.manifests)
        assert [clip.id for clip in splits["test"]] == [found]
        assert [clip.id for clip in splits["train"]] == ["train.wav"]


def test_a_refused_fold_keeps_its_manifest(esc, tmp_path):
    """It is that of all folds, beside their folders."""
    manifest = tmp_path / "run" / "manifests" / "esc50.json"
    for folder in (manifest.parent, tmp_path / "run" / "fold_5" / "save" / "CKPT+1"):
        folder.mkdir(parents=True)
    before = '{"note": {}, "clips": []}'
    manifest.write_text(before)
    settings = {"data_folder": esc, "output_folder": tmp_path / "run", "device": "cpu"}
    finished = run(LABELS, tmp_path / "log", **settings)
    assert "fold_5, and identity.json, which tells" in error_of(finished)
    assert manifest.read_text() == before


@pytest.mark.parametrize(
    ("script", "settings", "message"),
    [
        (LABELS, {"fold": 6}, r"'all' or one of \[1, 2, 3, 4, 5\], not 6"),
        (LABELS, {"valid_fold": 5}, "fold 5 cannot be validated on and tested on"),
        (LABELS, {"mode": "probe"}, "a probe needs a trained model: give --init"),
        (LABELS, {"best_metric": "accuracy"}, "no validation clips.*best_metric epoch"),
        (
            LABELS,
            {"descriptions": "OTHERS"},
            "describes moths.* none of the set",
        ),
        (LABELS, {"descriptions": "no.yaml"}, "descriptions: .*No such file"),
        (LABELS, {"stage": "trian"}, "no stage 'trian': choose one of all, prepare"),
        (
            LABELS,
            {"mode": "probe", "init": "RUN", "stage": "train"},
            "a probe is fitted and scored at once.*choose all, or prepare",
        ),
        (OWN, {}, "what is there to train on.*--train_csv"),
        (
            OWN,
            {"train_csv": "MY", "test_share": 0, "test_only": None},
            "no test clips to evaluate with",
        ),
        (OWN, {"train_csv": "MY", "test_csv": "MY"}, "27 clips of test_csv are"),
        (OWN, {"train_csv": "MY", "init": "RUN", "joint_dim": 8}, "joint_dim cannot"),
    ],
    ids=str,
)
def test_what_is_said_of_a_mistake(
    script, settings, message, folds, my_csv, esc, tmp_path
):
    others = tmp_path / "others.yaml"
    others.write_text("moths: wings flutter\n")
    known = {"MY": my_csv, "RUN": folds[0] / "fold_5", "OTHERS": others}
    settings = {key: known.get(value, value) for key, value in settings.items()}
    settings |= {"output_folder": tmp_path / "run", "device": "cpu"}
    settings |= {"data_folder": esc} if script == LABELS else {}
    finished = run(script, tmp_path / "log", **settings)
    assert re.search(message, error_of(finished))


def test_a_probe_is_prepared_alone(esc, tmp_path):
    settings = {"data_folder": esc, "output_folder": tmp_path / "run", "mode": "probe"}
    settings |= {"init": "nowhere", "stage": "prepare", "device": "cpu"}
    finished = run(LABELS, tmp_path / "log", **settings)
    assert finished.code == 0, finished.output
    assert (tmp_path / "run" / "manifests" / "esc50.json").is_file()
    assert not (tmp_path / "run" / "results").exists()


def test_ones_own_clips_are_not_prepared_a_second_time(my_csv, place, tmp_path):
    listed = place / "listed.csv"
    listed.write_bytes(my_csv.read_bytes())
    settings = {"train_csv": listed, "output_folder": tmp_path / "run", "device": "cpu"}
    settings |= {"stage": "prepare"}
    finished = run(OWN, tmp_path / "log", **settings)
    assert finished.code == 0, finished.output
    listed.unlink()
    finished = run(OWN, tmp_path / "log", **settings, skip_prep=True)
    assert finished.code == 0, finished.output
    assert "train: 21 clips, 42 captions" in finished.output


def test_a_folder_is_that_of_the_clips_that_were_trained_on(my_csv, place):
    """All 30 are trained on, in steps of three batches; others are refused."""
    folder = place / "all_of_them"
    settings = {**TINY, "output_folder": folder, "train_csv": my_csv}
    settings |= {"valid_share": 0, "test_share": 0, "best_metric": "epoch"}
    settings |= {"grad_accumulation_factor": 3}
    finished = run(OWN, place / "all.log", **settings)
    assert finished.code == 0, finished.output
    assert "no test clips: nothing is scored" in finished.output
    assert open_checkpoint(folder).trained_on == "my.csv"
    assert (folder / "export" / "hyperparams.yaml").is_file()
    # what was used: as given to SpeechBrain, and as suited to so few clips
    used = (folder / "hyperparams.yaml").read_text()
    assert "grad_accumulation_factor: 3" in used and "batch_size: 10" in used
    assert (folder / "train.py").is_file() and not (folder / "run.py").exists()

    other = place / "other.csv"
    other.write_text(my_csv.read_text().replace("somewhere", "anywhere"))
    kept = [path for path in folder.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in kept if path.name != "log.txt"}
    finished = run(OWN, place / "other.log", **settings | {"train_csv": other, "lr": 1})
    error = error_of(finished)
    assert "train_csv (my.csv there, other.csv here), training_clips" in error
    assert {path: path.read_bytes() for path in before} == before
