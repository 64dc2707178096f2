"""Several training sets at once, and what they share with the evaluation sets."""

from __future__ import annotations

import csv
import json
import logging
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from scripts import ROOT, TRAIN, command, run_script

from audiocaps_prepare import prepare_audiocaps
from clap_sb.config import join
from clap_sb.data.builtin import write_audiocaps, write_esc50
from clap_sb.data.builtin.clotho import write_clotho
from clap_sb.data.manifest import read_manifest
from clap_sb.experiment.run import Experiment
from clap_sb.experiment.training_sets import TrainingSets, load_preparation

RECIPES = ROOT / "recipes"
FILES = [
    *(RECIPES / f"{name}.yaml" for name in ("common", "training", "captions")),
    RECIPES / "AudioCaps" / "recipe.yaml",
    ROOT / "hparams" / "demo.yaml",
]
TRAINED_ON = (
    "AudioCaps + Clotho + my.csv with 1 clips of recordings in the evaluation sets"
)
OWN = [f"syn000000{number}a_" for number in range(4)]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """AudioCaps, Clotho and ESC-50 in small, and a CSV that has some of their clips."""
    folder = tmp_path_factory.mktemp("sets")
    write_audiocaps(folder / "AudioCaps", 4, 2, 2, seed=1)
    write_clotho(folder / "Clotho", 3, 2, 2, seed=1)
    write_esc50(folder / "ESC-50", 1, seed=1)
    rows = [
        ("path", "caption", "youtube_id", "freesound_id", "keywords"),
        ("AudioCaps/audio/train/syn0000000a.wav", "Mine", "syn0000001c", "", "dog"),
        ("Clotho/audio/development/syn development 0.wav", "Two", "", "100000", ""),
        ("Clotho/audio/development/syn development 1.wav", "Three", "", "1", ""),
    ]
    with open(folder / "my.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture
def prepare(data, tmp_path):
    def run(trust: bool = False, **settings):
        folders = {name: str(data / name) for name in ("Clotho", "ESC-50")}
        settings = {"set_folders": folders} | settings
        settings |= {
            "data_folder": str(data / "AudioCaps"),
            "output_folder": str(tmp_path / "run"),
            "stage": "train" if trust else "all",
        }
        run_opts = SimpleNamespace(device="cpu")
        experiment = Experiment(join(FILES, json.dumps(settings)), run_opts)
        own, folder = data / "AudioCaps", experiment.manifests
        sets = TrainingSets(experiment, prepare_audiocaps, own, RECIPES, folder)
        return sets.splits()

    return run


def names_of(data: Path) -> list[str]:
    return ["AudioCaps", "Clotho", str(data / "my.csv")]


def test_one_set_is_as_it_was(prepare, data):
    experiment, splits = prepare()
    assert [clip.id[:12] for clip in splits["train"]] == OWN
    assert {name: len(clips) for name, clips in splits.items()} == {
        "train": 4,
        "valid": 2,
        "test": 2,
    }
    assert experiment.values["trained_on"] == "AudioCaps"
    assert not (experiment.folder / "manifests" / "overlap.csv").exists()


def test_several_sets_in_one_list(prepare, data):
    experiment, splits = prepare(train_sets=names_of(data))
    train = splits["train"]
    assert len(train) == 4 + 3 + 3
    assert len({clip.id for clip in train}) == 10
    assert [len(clip.captions) for clip in train] == [1] * 4 + [5] * 3 + [1] * 3
    assert train[4].id == "Clotho:syn development 0"
    assert [clip.id[:3] for clip in splits["test"]] == ["syn"] * 2
    assert experiment.values["trained_on"] == TRAINED_ON
    # nothing is looked for again where the manifests are trusted
    again, same = prepare(
        trust=True, train_sets=names_of(data), set_folders={"Clotho": "nowhere"}
    )
    assert same == splits and again.values["trained_on"] == TRAINED_ON


def test_the_own_set_may_be_evaluated_with_alone(prepare, data):
    experiment, splits = prepare(train_sets=["Clotho"])
    assert [clip.id for clip in splits["train"]] == [
        f"syn development {number}" for number in range(3)
    ]
    assert len(splits["test"]) == 2
    assert not (experiment.folder / "manifests" / "train.json").exists()
    assert experiment.values["trained_on"] == "Clotho"


@pytest.mark.parametrize("leave_out", [False, True])
def test_shared_recordings_are_told_and_left_out_on_request(
    prepare, data, capsys, leave_out
):
    ids = data / "ids.csv"
    ids.write_text("freesound_id\n1\n2\n")
    experiment, splits = prepare(
        train_sets=names_of(data),
        evaluation_sets=["ESC-50", "Clotho", str(ids)],
        leave_out_overlaps=leave_out,
    )
    told = capsys.readouterr().out
    for shared in ("AudioCaps test", "ESC-50", str(ids)):
        assert f"my.csv and {shared} share 1 recordings (1 training clips" in told
    with open(experiment.folder / "manifests" / "overlap.csv", newline="") as file:
        found = {
            (row["train_id"][:9], row["recording"]) for row in csv.DictReader(file)
        }
    assert found == {
        ("AudioCaps", "youtube:syn0000001c"),
        ("Clotho/au", "freesound:100000"),
        ("Clotho/au", "freesound:1"),
    }
    kept = [clip for clip in splits["train"] if "my.csv" in clip.id]
    trained_on = "AudioCaps + Clotho + my.csv"
    if leave_out:
        assert "3 clips are left out of training" in told and not kept
        trained_on += " without 3 clips of recordings in the evaluation sets"
    else:
        assert "3 clips are trained on all the same" in told and len(kept) == 3
        trained_on += " with 3 clips of recordings in the evaluation sets"
    assert experiment.values["trained_on"] == trained_on
    assert len(splits["train"]) == (7 if leave_out else 10)


def test_captions_are_made_for_training_alone(prepare, data):
    plain, before = prepare(train_sets=names_of(data))
    _, after = prepare(
        train_sets=names_of(data),
        keyword_captions="templates",
        keyword_captions_a_clip=2,
    )
    # AudioCaps has no keywords; Clotho's five captions get two, those of the CSV
    # only where there is a keyword
    counts = [len(clip.captions) for clip in after["train"]]
    assert counts == [1] * 4 + [7] * 3 + [3, 1, 1]
    assert all(
        made.captions[: len(human.captions)] == human.captions
        for made, human in zip(after["train"], before["train"], strict=True)
    )
    assert (after["valid"], after["test"]) == (before["valid"], before["test"])
    cached = plain.folder / "manifests" / "train_keywords.json"
    assert read_manifest(cached) == after["train"]


def test_labels_are_captions_too(prepare):
    _, splits = prepare(
        train_sets=["AudioCaps", "ESC-50"], keyword_captions="templates"
    )
    labelled = [clip for clip in splits["train"] if clip.id.startswith("ESC-50")]
    assert labelled
    for clip in labelled:
        (caption,) = clip.captions
        assert clip.label.replace("_", " ") in caption.lower()


@pytest.fixture
def keywords_csv(tmp_path) -> Path:
    """Clips of three seconds and one, with keywords, a label, a caption, or nothing."""
    for name, seconds in (("a", 3), ("b", 3), ("c", 3), ("short", 1), ("shorter", 1)):
        sound = 0.1 * np.random.default_rng(0).standard_normal(seconds * 8000)
        soundfile.write(tmp_path / f"{name}.wav", sound, 8000)
    rows = "path,caption,keywords,label\na.wav,,dog;rain,\nb.wav,,,sea_waves\n"
    rows += "c.wav,Wind,,\nshort.wav,,dog,\nshorter.wav,A bark,dog,\n"
    path = tmp_path / "words.csv"
    path.write_text(rows)
    return path


def test_a_set_may_have_keywords_alone(prepare, keywords_csv, caplog):
    with caplog.at_level(logging.INFO):
        _, splits = prepare(
            train_sets=[str(keywords_csv)], keyword_captions="templates"
        )
    captions = {clip.id: clip.captions for clip in splits["train"]}
    assert list(captions) == ["a.wav", "b.wav", "c.wav", "shorter.wav"]
    (made,) = captions["a.wav"]
    assert "dog" in made.lower() and "rain" in made.lower()
    assert "sea waves" in captions["b.wav"][0].lower()
    assert (captions["c.wav"], captions["shorter.wav"]) == (("Wind",), ("A bark",))
    assert "2 clips got some, 2 clips of less than 2 s none" in caplog.text
    assert "1 of 5 clips have no caption and are left out, such as short" in caplog.text


def test_without_made_captions_only_those_with_one_are_trained_on(
    prepare, keywords_csv, caplog
):
    _, splits = prepare(train_sets=[str(keywords_csv)])
    assert [clip.id for clip in splits["train"]] == ["c.wav", "shorter.wav"]
    assert "3 of 5 clips have no caption and are left out" in caplog.text


def test_a_model_runs_on_the_device_of_the_run(prepare, keywords_csv, monkeypatch):
    asked = {}

    class Model:
        def __init__(self, source, device):
            asked.update(source=source, device=device)

        def __call__(self, keywords, count, cache):
            asked.update(cache=cache.name)
            return [("said",)] * len(keywords)

    monkeypatch.setattr("clap_sb.data.keyword_captions.KeywordModel", Model)
    _, splits = prepare(train_sets=[str(keywords_csv)], keyword_captions="some/t5")
    assert asked == {
        "source": "some/t5",
        "device": "cpu",
        "cache": "train_keywords_model.jsonl",
    }
    assert splits["train"][0].captions == ("said",)


@pytest.fixture
def second_version(data, tmp_path) -> Path:
    """The lists of AudioCaps 2.0 have a folder, and clips, of their own."""
    folder = tmp_path / "AudioCaps-2.0"
    shutil.copytree(write_audiocaps(tmp_path / "new", 3, 2, 2, seed=7), folder)
    shutil.move(folder / "dataset", folder / "dataset2.0")
    return folder


def test_the_other_version_of_audiocaps_is_a_set_of_its_own(
    prepare, data, second_version
):
    experiment, splits = prepare(
        train_sets=["AudioCaps", "AudioCaps-2.0"],
        evaluation_sets=["AudioCaps-2.0"],
        set_folders={"AudioCaps-2.0": str(second_version)},
    )
    trained_on = experiment.values["trained_on"]
    assert trained_on.startswith("AudioCaps + AudioCaps-2.0")
    assert len(splits["train"]) == 4 + 3
    assert sum(clip.id.startswith("AudioCaps-2.0:") for clip in splits["train"]) == 3
    manifests = experiment.folder / "manifests" / "AudioCaps-2.0"
    assert {path.stem for path in manifests.glob("*.json")} == {
        *("train", "valid", "test")
    }


def test_the_version_is_in_every_name(second_version):
    given = {"dataset": "AudioCaps-2.0", "data_folder": str(second_version)}
    experiment = Experiment(join(FILES, json.dumps(given)), run_opts=None)
    assert experiment.folder.as_posix() == "results/AudioCaps-2.0/demo/3407"
    assert experiment.dataset_name == "AudioCaps-2.0"
    values = experiment.values
    assert values["trained_on"] == "AudioCaps-2.0"
    assert list(values["train_sets"]) == ["AudioCaps-2.0"]


def test_the_recipe_reads_the_lists_of_its_version(second_version, tmp_path):
    settings = {"dataset": "AudioCaps-2.0", "data_folder": second_version}
    settings |= {"output_folder": tmp_path / "run", "stage": "prepare"}
    words = command("hparams/demo.yaml", {**settings, "device": "cpu"})
    finished = run_script(TRAIN, words, tmp_path / "log")
    assert finished.code == 0, finished.output
    assert "train: 3 clips, 3 captions" in finished.output


@pytest.mark.parametrize("name", ["AudioCaps", "AudioCaps-2.0", "Clotho", "ESC-10"])
def test_a_preparation_is_loaded_from_its_recipe_alone(name, monkeypatch, tmp_path):
    """Also where no script has imported its module before."""
    for module in ("audiocaps_prepare", "clotho_prepare", "esc50_prepare"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    known = join(FILES).values()["preparations"]
    prepare = load_preparation(known[name], RECIPES)
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        prepare(data_folder=tmp_path, save_folder=tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train_sets": ["AudioCap"]}, "no data set 'AudioCap': name one of AudioCaps"),
        ({"train_sets": []}, "it has none"),
        ({"train_sets": ["Clotho", "Clotho"]}, "it has Clotho twice"),
        ({"train_sets": ["Clotho"], "set_folders": {}}, "--set_folders '{Clotho: FO"),
        ({"evaluation_sets": ["ESC-5"]}, "no data set 'ESC-5'"),
        (
            {"train_sets": ["AudioCaps", "ESC-50"]},
            "ESC-50: not one .*_captions",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_is_told(prepare, settings, message):
    with pytest.raises(ValueError, match=message):
        prepare(**settings)


def test_a_csv_that_is_not_there(prepare):
    with pytest.raises(FileNotFoundError, match="no CSV file nowhere.csv"):
        prepare(train_sets=["nowhere.csv"])
