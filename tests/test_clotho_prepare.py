"""Clotho is prepared from every layout seen, and what is missing is told."""

from __future__ import annotations

import csv
import logging
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap_sb.data.builtin.clotho import write_clotho
from clap_sb.data.manifest import read_manifest, read_note
from clap_sb.evaluation.query_bank import QueryBank
from clotho_prepare import prepare_clotho

SOUND = 0.1 * np.random.default_rng(0).standard_normal(800)
NAMES = ["a dog.wav", " birds - 2.L.wav", "rain (1).wav"]
CAPTIONS = [
    [f"{name.strip()} {{{number}}}" for number in range(1, 6)] for name in NAMES
]
HEADER = ["file_name", *(f"caption_{number}" for number in range(1, 6))]


def write_csv(path: Path, rows: list, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows(rows)


def write_list(folder: Path, captions: list = CAPTIONS) -> None:
    rows = [[name, *told] for name, told in zip(NAMES, captions, strict=True)]
    write_csv(folder / "clotho_captions_evaluation.csv", [HEADER, *rows])


def link_sounds(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    soundfile.write(folder / "sound", SOUND, 8000, format="WAV")
    for name in names:
        os.link(folder / "sound", folder / name)


def prepare_test(data: Path, save: Path) -> list:
    return read_manifest(prepare_clotho(data, save, splits=["test"])["test"])


@pytest.mark.parametrize("lists", [".", "clotho_csv_files", "meta"])
@pytest.mark.parametrize(
    "audio", ["{}", "clotho_audio_files/{}", "clotho_audio_{}", "audio/{}"]
)
def test_layouts(tmp_path, lists, audio):
    write_list(tmp_path / "data" / lists)
    folder = tmp_path / "data" / audio.format("evaluation")
    link_sounds(folder, NAMES)
    clips = prepare_test(tmp_path / "data", tmp_path / "save")
    assert [clip.id for clip in clips] == ["a dog", "birds - 2.L", "rain (1)"]
    assert [clip.path for clip in clips] == [(folder / n).as_posix() for n in NAMES]
    assert [list(clip.captions) for clip in clips] == CAPTIONS
    assert {clip.source for clip in clips} == {None}


def test_a_name_may_have_lost_its_leading_space_and_its_format(tmp_path):
    write_list(tmp_path / "data")
    folder = tmp_path / "data" / "evaluation"
    link_sounds(folder, ["a dog.wav", "rain (1).wav"])
    soundfile.write(folder / "birds - 2.L.flac", SOUND, 8000)
    assert len(prepare_test(tmp_path / "data", tmp_path / "save")) == 3


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_are_written_in_two_ways(tmp_path, forms):
    listed, stored = (unicodedata.normalize(form, "caf\u00e9.wav") for form in forms)
    write_csv(
        tmp_path / "data" / "clotho_captions_evaluation.csv",
        [HEADER, [listed, *CAPTIONS[0]]],
    )
    link_sounds(tmp_path / "data" / "evaluation", [stored])
    [clip] = prepare_test(tmp_path / "data", tmp_path / "save")
    assert Path(clip.path).name == stored and clip.id == listed.removesuffix(".wav")


def test_metadata_names_recordings_and_keywords(tmp_path):
    """The real files are in Latin-1."""
    write_list(tmp_path / "data")
    link_sounds(tmp_path / "data" / "evaluation", NAMES)
    rows = [
        ("file_name", "keywords", "sound_id", "manufacturer"),
        (NAMES[2], "rain; thunder;;", "1234", "Jürgen"),
        (NAMES[0], "dog", "Not found", "x"),
    ]
    path = tmp_path / "data" / "clotho_metadata_evaluation.csv"
    write_csv(path, rows, encoding="latin-1")
    clips = prepare_test(tmp_path / "data", tmp_path / "save")
    assert [clip.source for clip in clips] == [None, None, "freesound:1234"]
    assert [clip.keywords for clip in clips] == [("dog",), (), ("rain", "thunder")]


def test_empty_captions_are_dropped(tmp_path, caplog):
    captions = [["one", " ", "three", "", "five"], *CAPTIONS[1:]]
    write_list(tmp_path / "data", captions)
    link_sounds(tmp_path / "data" / "evaluation", NAMES)
    with caplog.at_level(logging.WARNING):
        clips = prepare_test(tmp_path / "data", tmp_path / "save")
    assert clips[0].captions == ("one", "three", "five")
    assert "2 empty captions are dropped" in caplog.text


def test_one_name_in_two_splits_is_two_files(tmp_path):
    for number, split in enumerate(("development", "evaluation"), start=1):
        row = ["same.wav", *CAPTIONS[0]]
        data = tmp_path / "data"
        write_csv(data / f"clotho_captions_{split}.csv", [HEADER, row])
        (data / split).mkdir()
        soundfile.write(data / split / "same.wav", np.tile(SOUND, number), 8000)
    manifests = prepare_clotho(tmp_path / "data", tmp_path / "save", ["train", "test"])
    durations = {s: read_manifest(path)[0].duration for s, path in manifests.items()}
    assert durations == {"train": 0.1, "test": 0.2}


def test_what_is_wrong_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="evaluation split .*clotho_csv_files"):
        prepare_test(tmp_path, tmp_path / "save")
    with pytest.raises(ValueError, match="no split evaluation; it has train, valid"):
        prepare_clotho(tmp_path, tmp_path / "save", splits=["evaluation"])
    write_list(tmp_path)
    with pytest.raises(FileNotFoundError, match="Not one of 3 clips"):
        prepare_test(tmp_path, tmp_path / "save")
    write_csv(tmp_path / "clotho_captions_evaluation.csv", [["file_name", "caption"]])
    with pytest.raises(ValueError, match="caption_5; it has file_name, caption"):
        prepare_test(tmp_path, tmp_path / "save")


def test_the_builtin_set_is_prepared_like_the_real_one(tmp_path):
    data = write_clotho(tmp_path / "data", 3, 2, 2, seed=1)
    manifests = prepare_clotho(data, tmp_path / "save")
    clips = {split: read_manifest(path) for split, path in manifests.items()}
    assert {s: len(c) for s, c in clips.items()} == {"train": 3, "valid": 2, "test": 2}
    every = [clip for split in clips.values() for clip in split]
    assert all(len(set(clip.captions)) == 5 for clip in every)
    assert all(clip.keywords for clip in every)
    again = write_clotho(tmp_path / "again", 3, 2, 2, seed=1)
    for path in data.rglob("*.*"):
        assert path.read_bytes() == (again / path.relative_to(data)).read_bytes()


@pytest.mark.parametrize("every", [None, 10], ids=["whole", "every tenth missing"])
@pytest.mark.parametrize(
    ("split", "name", "num_clips"),
    [
        ("train", "development", 3839),
        ("valid", "validation", 1045),
        ("test", "evaluation", 1045),
    ],
)
def test_real_caption_lists(
    shared_data, tmp_path, probed_once, split, name, num_clips, every
):
    """All clips of the real lists, and all but every tenth."""
    data = tmp_path / "data"
    data.mkdir()
    caption_list = shared_data / "Clotho" / f"clotho_captions_{name}.csv"
    shutil.copy(caption_list, data)
    with open(caption_list, encoding="utf-8", newline="") as file:
        names = [row["file_name"] for row in csv.DictReader(file)]
    gone = names[::every] if every else []
    link_sounds(data / name, [name for name in names if name not in set(gone)])

    manifest = prepare_clotho(data, tmp_path / "save", splits=[split])[split]
    clips = read_manifest(manifest)
    assert len(clips) == num_clips - len(gone)
    assert {len(clip.captions) for clip in clips} == {5}
    assert read_note(manifest)["listed"] == num_clips
    assert read_note(manifest)["missing"] == len(gone)
    missing_list = tmp_path / "save" / f"{split}_missing.csv"
    assert missing_list.exists() == bool(gone)
    if gone:
        with open(missing_list, newline="") as file:
            missing = [row["id"] for row in csv.DictReader(file)]
        assert missing == [Path(name).stem.strip() for name in gone]


def test_a_bank_of_the_real_lists(shared_data, tmp_path, probed_once):
    """Sounds of both splits have one name, and are not one recording."""
    data = tmp_path / "data"
    data.mkdir()
    for name in ("development", "evaluation"):
        caption_list = shared_data / "Clotho" / f"clotho_captions_{name}.csv"
        shutil.copy(caption_list, data)
        with open(caption_list, encoding="utf-8", newline="") as file:
            link_sounds(data / name, [row["file_name"] for row in csv.DictReader(file)])
    manifests = prepare_clotho(data, tmp_path / "save", splits=["train", "test"])
    training, test = (read_manifest(manifests[split]) for split in ("train", "test"))
    assert {clip.id for clip in training} & {clip.id for clip in test}
    bank = QueryBank.draw(training, test, 1000, seed=0)
    assert (len(bank.clips), bank.num_shared) == (1000, 0)
