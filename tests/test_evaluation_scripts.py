"""Evaluation scripts on a public checkpoint: protocols, prompts, mistakes."""

from __future__ import annotations

import csv
import json
import re
import shlex

import pytest
import torch
from recipe_table import assert_checks, error_of, name_of, results, rows
from scripts import CUSTOM_ZERO_SHOT, EVALUATE, ZERO_SHOT, Finished, command, run_script
from small_checkpoints import laion_state, write_tokenizer

import clap_sb.progress
from clap_sb.data.builtin import write_audiocaps, write_esc50
from clap_sb.evaluation.protocols import PROTOCOLS

SYSTEM = "hparams/htsat_roberta.yaml"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def checkpoint(place):
    """A small LAION-CLAP file with its tokenizer."""
    path = place / "laion.pt"
    torch.save({"state_dict": laion_state()}, path)
    tokenizer = write_tokenizer(place / "tokenizer")
    return {"checkpoint": path, "tokenizer": tokenizer, "device": "cpu"}


@pytest.fixture(scope="module")
def esc50(place):
    """With a clip of fold 2 missing, of the last class."""
    folder = write_esc50(place / "esc50", 5, seed=1)
    with open(folder / "meta" / "esc50.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["fold"] == "2"]
    last = max(rows, key=lambda row: row["category"])
    (folder / "audio" / last["filename"]).unlink()
    return folder


@pytest.fixture(scope="module")
def audiocaps(place):
    """With one of nine test clips missing."""
    folder = write_audiocaps(place / "audiocaps", 12, 4, 9, seed=1)
    max(folder.glob("audio/test/*.wav")).unlink()
    return folder


def tell_at_once() -> None:
    """Of steps that take no time, too, how far they are."""
    clap_sb.progress.SECONDS = 0.0


@pytest.fixture(scope="module")
def evaluate(place, checkpoint):
    """Runs a script; gives how it ended, and its results by name."""
    count = iter(range(100))

    def run(script: str, **settings) -> tuple[Finished, dict[str, dict]]:
        folder = place / f"run{next(count)}"
        usual = {"output_folder": folder, "num_resamples": 20, **checkpoint}
        words = command(SYSTEM, {**usual, **settings})
        finished = run_script(script, words, folder.with_suffix(".log"), tell_at_once)
        found = {
            path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in folder.glob("results/*.json")
        }
        return finished, found

    return run


def protocol_rows(found: dict[str, dict]) -> dict[str, dict]:
    return {row["protocol"]: row for row in found["protocols"]["tables"]["Protocols"]}


def test_all_protocols_of_a_classification(evaluate, esc50):
    finished, found = evaluate(ZERO_SHOT, data_folder=esc50, protocol="all")
    assert finished.code == 0, finished.output
    rows = protocol_rows(found)
    assert list(rows) == list(PROTOCOLS)
    for name, row in rows.items():
        scores = found["zero_shot" if name == "official" else f"zero_shot_{name}"]
        card = scores["card"]
        assert card["protocol"] == name
        assert row["accuracy"] == scores["accuracy"]
        assert row["crop_rule"] == card["crop_rule"]
        assert card["crop_rule"].startswith(f"{PROTOCOLS[name].crop_rule}: ")
        assert card["prompt"] == PROTOCOLS[name].prompts("ESC-50").text
        # fold 1, or all folds, of which a clip has no audio
        listed, missing = (16, 0) if name == "laion" else (80, 1)
        assert card["num_clips"] == listed - missing
        assert (card["num_listed"], card["num_missing"]) == (listed, missing)
        assert f"| {name} |" in finished.output
    assert "kept" in found["zero_shot_mteb"]["card"]["label_text"]
    assert "recall_at_10" in found["zero_shot_laion"]
    wavcaps = found["zero_shot_wavcaps"]
    assert wavcaps["accuracy"] == pytest.approx(wavcaps["fold_mean"])
    # what is said of a public checkpoint
    assert "LAION" in found["zero_shot"]["title"]
    assert found["zero_shot"]["card"]["selection"].startswith("as published")


def test_prompts_of_ones_own(evaluate, esc50, place):
    described = {label: [f"a {label}", "a sound"] for label in labels_of(esc50)}
    path = place / "described.json"
    path.write_text(json.dumps(described))
    usual = {"data_folder": esc50, "protocol": "msclap", "crop_rule": "first"}
    _, by_list = evaluate(ZERO_SHOT, prompt="['{label}', 'I hear {label}']", **usual)
    finished, by_file = evaluate(ZERO_SHOT, class_descriptions=path, **usual)
    assert finished.code == 0, finished.output
    card = by_list["zero_shot_msclap"]["card"]
    assert card["protocol"] == "msclap, but for crop rule and prompt"
    assert card["prompt"] == "mean of 2: {label} | I hear {label}"
    assert card["crop_rule"].startswith("first: ")
    card = by_file["zero_shot_msclap"]["card"]
    assert card["prompt"] == "descriptions of each class (2), averaged"
    assert by_list["zero_shot_msclap"].keys() == by_file["zero_shot_msclap"].keys()


def labels_of(folder) -> list[str]:
    lines = (folder / "meta" / "esc50.csv").read_text().splitlines()
    column = lines[0].split(",").index("category")
    return sorted({line.split(",")[column] for line in lines[1:]})


def test_all_protocols_of_a_retrieval(evaluate, audiocaps):
    finished, found = evaluate(EVALUATE, data_folder=audiocaps, protocol="all")
    assert finished.code == 0, finished.output
    rows = protocol_rows(found)
    assert list(rows) == list(PROTOCOLS)
    for name, row in rows.items():
        scores = found["retrieval" if name == "official" else f"retrieval_{name}"]
        assert scores["card"]["protocol"] == name
        assert (row["clips"], row["captions"]) == (8, 40)
        for key in ("t2a_recall_at_1", "a2t_recall_at_10", "a2t_map_at_10"):
            assert row[key] == scores[key]
        assert "rescoring" not in scores["card"]
        assert (scores["card"]["num_listed"], scores["card"]["num_missing"]) == (9, 1)
    notes = " ".join(found["retrieval_wavcaps"]["card"]["notes"])
    assert "published pool has 957 clips, this one 8" in notes
    assert "does not sort" in " ".join(found["retrieval_laion"]["card"]["notes"])
    # of the split that was scored, and never of the test split for it
    notes = " ".join(found["retrieval"]["card"]["notes"])
    assert "published pool has 975 clips, this one 8" in notes
    # the same clips, all shorter than a window and filled up in one way
    laion, mteb = found["retrieval_laion"], found["retrieval_mteb"]
    assert laion["a2t_map_at_10"] > mteb["a2t_map_at_10"]
    assert laion["t2a_map_at_10"] == pytest.approx(mteb["t2a_map_at_10"])


@pytest.mark.parametrize("row", rows("recipes/Clotho/evaluate.py"), ids=name_of)
def test_clotho(row, checkpoint, tmp_path):
    folders = {"output_folder": tmp_path / "out", "builtin_folder": tmp_path / "data"}
    words = command(row["Hparam_file"], {**checkpoint, **folders})
    words += shlex.split(row["test_debug_flags"])
    finished = run_script(row["Script_file"], words, tmp_path / "log")
    assert_checks(row, tmp_path / "out", finished)
    scores = results(tmp_path / "out", "retrieval")
    assert (scores["num_clips"], scores["num_captions"]) == (100, 500)
    assert "builtin (synthetic), test" in scores["title"]
    assert scores["card"]["rescoring"].startswith("qb_norm (temperature 0.05")


def test_rescoring_is_named_with_its_bank(evaluate, audiocaps):
    numbers = {"rescoring": "nnn", "rescoring_numbers": "{neighbours: 3}"}
    finished, found = evaluate(EVALUATE, data_folder=audiocaps, **numbers)
    assert finished.code == 0, finished.output
    _, plain = evaluate(EVALUATE, data_folder=audiocaps)
    card = found["retrieval"]["card"]
    assert card["rescoring"] == "nnn (neighbours 3, weight 0.75)"
    assert card["protocol"] == "official, but for rescoring"
    (bank,) = (note for note in card["notes"] if "bank" in note)
    assert "12 training clips" in bank and bank in finished.output
    assert "bank" not in " ".join(plain["retrieval"]["card"]["notes"])
    assert any(
        value != found["retrieval"][key]
        for key, value in plain["retrieval"].items()
        if key[:4] in ("t2a_", "a2t_")
    )


# ------------------------------------------------------------------ one's own clips


@pytest.fixture(scope="module")
def sounds(esc50) -> list[tuple[str, str, str]]:
    """Path, label and fold of some clips of three classes."""
    with open(esc50 / "meta" / "esc50.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = sorted({row["category"] for row in rows})[:3]
    return [
        (str(esc50 / "audio" / row["filename"]), row["category"], row["fold"])
        for row in rows
        if row["category"] in chosen
    ]


def write_csv(path, rows, columns=("path", "label", "fold")):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_own_clips_with_one_label_each(evaluate, sounds, place):
    path = write_csv(place / "one.csv", sounds)
    classes = place / "classes.txt"
    classes.write_text("\n".join(["a_hum", *sorted({row[1] for row in sounds})]))
    settings = {"csv": path, "label_set": classes, "dataset": "Mine"}
    finished, found = evaluate(CUSTOM_ZERO_SHOT, **settings)
    assert finished.code == 0, finished.output
    scores = found["zero_shot"]
    assert (scores["num_classes"], scores["num_clips"]) == (4, 15)
    assert list(scores["fold_accuracies"]) == list("12345")
    assert "on Mine, one.csv" in scores["title"]
    assert scores["tables"]["Classes"][0]["label"] == "a_hum"


def test_a_protocol_that_scores_none_of_the_clips_is_named(evaluate, sounds, place):
    """LAION's rule scores fold 1 of ESC-50: without folds, the others are scored."""
    path = write_csv(
        place / "unfolded.csv", [row[:2] for row in sounds], ("path", "label")
    )
    settings = {"csv": path, "dataset": "ESC-50", "crop_rule": "first"}
    finished, found = evaluate(CUSTOM_ZERO_SHOT, protocol="all", **settings)
    assert finished.code == 0, finished.output
    rows = protocol_rows(found)
    left_out = rows.pop("laion")
    assert "fold 1 of ESC-50, and no clip is in it" in left_out["not_applicable"]
    assert left_out["accuracy"] is None and "zero_shot_laion" not in found
    assert len(rows) == found["protocols"]["num_protocols"] == 4
    assert all(row["not_applicable"] is None for row in rows.values())
    # one crop rule: the clips are embedded once
    assert finished.output.count("embedding: 0 of") == 1
    wavcaps = found["zero_shot_wavcaps"]
    assert rows["wavcaps, but for crop rule"]["counted"] == "pooled"
    assert "no folds" in " ".join(wavcaps["card"]["notes"])
    assert (wavcaps["card"]["num_listed"], wavcaps["card"]["num_missing"]) == (15, 0)


def test_own_clips_with_several_labels(evaluate, sounds, place):
    rows = [
        (path, f"{label};a_sound" if n % 2 else label, "")
        for n, (path, label, _) in enumerate(sounds)
    ]
    path = write_csv(place / "several.csv", rows)
    finished, found = evaluate(CUSTOM_ZERO_SHOT, csv=path, protocol="[official, mteb]")
    assert finished.code == 0, finished.output
    scores = found["tagging"]
    assert (scores["num_scored_classes"], scores["num_clips"]) == (4, 15)
    low, high = scores["intervals"]["map"]
    assert 0 < low <= scores["map"] <= high <= 100
    assert "fold_accuracies" not in scores
    assert [row["num_clips"] for row in scores["tables"]["Classes"]] == [7, 5, 5, 5]
    assert set(protocol_rows(found)) == {"official", "mteb"}


@pytest.mark.parametrize(
    ("script", "settings", "message"),
    [
        (ZERO_SHOT, {"protocol": "laon"}, "protocol is one of official.*'laon'"),
        (ZERO_SHOT, {"crop_rule": "middle"}, "crop_rule is one of whole.*'middle'"),
        (ZERO_SHOT, {"prompt": "a sound"}, "no {label} and is no file"),
        (
            ZERO_SHOT,
            {"prompt": "a {label}", "class_descriptions": "x.yaml"},
            "both given",
        ),
        (EVALUATE, {"rescoring": "softmax"}, "rescoring is one of inverted_softmax"),
        (
            EVALUATE,
            {"rescoring": "nnn", "rescoring_numbers": "{k: 3}"},
            "no parameter k",
        ),
        (EVALUATE, {"split": "tst"}, "no split tst"),
        (EVALUATE, {"tokenizer": "nowhere"}, "nowhere"),
        (CUSTOM_ZERO_SHOT, {}, "give --csv FILE"),
        (CUSTOM_ZERO_SHOT, {"csv": "no.csv"}, r"no CSV file no\.csv"),
        (CUSTOM_ZERO_SHOT, {"csv": "ONE", "label_set": "ESC"}, "no list of labels ESC"),
        (CUSTOM_ZERO_SHOT, {"csv": "ONE", "label_set": "FSD50K"}, "none of the 200"),
        (CUSTOM_ZERO_SHOT, {"csv": "ALIKE"}, "not one of the 2 classes can be scored"),
    ],
    ids=str,
)
def test_what_is_said_of_a_mistake(
    script, settings, message, evaluate, esc50, audiocaps, sounds, place
):
    if script == CUSTOM_ZERO_SHOT:
        one = write_csv(place / "one.csv", sounds)
        alike = write_csv(place / "alike.csv", [(row[0], "a;b", "") for row in sounds])
        files = {"ONE": one, "ALIKE": alike}
        settings = {k: files.get(v, v) for k, v in settings.items()}
    else:
        folder = esc50 if script == ZERO_SHOT else audiocaps
        settings = {"data_folder": folder, **settings}
    finished, _ = evaluate(script, **settings)
    assert re.search(message, error_of(finished))
