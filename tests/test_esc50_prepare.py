"""ESC-50's layout is prepared, also with files of another format than listed."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap_sb.data.manifest import read_manifest
from esc50_prepare import prepare_esc50, set_name

ROWS = [
    ("1-1-A-12.wav", "1", "12", "crackling_fire"),
    ("1-2-A-0.wav", "1", "0", "dog"),
    ("5-3-A-12.wav", "5", "12", "crackling_fire"),
    ("2-4-A-1.wav", "2", "1", "rooster"),
]


SUBSET = {"dog", "rooster"}


def write_set(folder: Path, suffix: str = ".wav", listed_suffix: str = ".wav") -> None:
    for part in ("meta", "audio"):
        (folder / part).mkdir(parents=True)
    with open(folder / "meta" / "esc50.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filename", "fold", "target", "category", "esc10"])
        for name, *row in ROWS:
            listed = Path(name).with_suffix(listed_suffix)
            writer.writerow([listed, *row, row[-1] in SUBSET])
    for name, *_ in ROWS:
        path = folder / "audio" / Path(name).with_suffix(suffix)
        soundfile.write(path, np.zeros(800), 8000)


@pytest.mark.parametrize(
    ("suffix", "listed"),
    [(".wav", ".wav"), (".ogg", ".wav"), (".wav", ".ogg"), (".flac", ".wav")],
)
def test_labels_folds_and_order(tmp_path, suffix, listed):
    write_set(tmp_path / "ESC-50", suffix, listed)
    manifest = prepare_esc50(tmp_path / "ESC-50", tmp_path / "save")
    assert manifest == tmp_path / "save" / "esc50.json"
    clips = read_manifest(manifest)
    assert [(clip.id, clip.label, clip.fold) for clip in clips] == [
        ("1-2-A-0", "dog", 1),
        ("2-4-A-1", "rooster", 2),
        ("1-1-A-12", "crackling_fire", 1),
        ("5-3-A-12", "crackling_fire", 5),
    ]
    folder = (tmp_path / "ESC-50" / "audio").resolve().as_posix()
    assert clips[0].path == f"{folder}/1-2-A-0{suffix}"
    assert {clip.duration for clip in clips} == {0.1}


def test_the_subset_is_what_the_list_says(tmp_path):
    write_set(tmp_path / "ESC-50")
    (tmp_path / "ESC-50" / "audio" / "2-4-A-1.wav").unlink()
    manifest = prepare_esc50(tmp_path / "ESC-50", tmp_path / "save", subset="ESC-10")
    assert [clip.label for clip in read_manifest(manifest)] == ["dog"]
    missing = (tmp_path / "save" / "esc50_missing.csv").read_text()
    assert "2-4-A-1" in missing and len(missing.splitlines()) == 2
    # the whole set is not taken for the subset, in the same folder
    whole = read_manifest(prepare_esc50(tmp_path / "ESC-50", tmp_path / "save"))
    assert len(whole) == 3


@pytest.mark.parametrize(
    ("subset", "table", "message"),
    [
        ("ESC-5", None, "has the subset ESC-10, and no 'ESC-5'"),
        ("ESC-10", ",esc10\n,False\n", "no clip of ESC-10"),
        ("ESC-10", "\n\n", "must have the columns .*esc10; it has filename"),
    ],
)
def test_a_subset_that_cannot_be_had(tmp_path, subset, table, message):
    write_set(tmp_path / "ESC-50")
    if table is not None:
        head, row = "filename,fold,target,category", "1-2-A-0.wav,1,0,dog"
        last, value, _ = table.split("\n")
        (tmp_path / "ESC-50" / "meta" / "esc50.csv").write_text(
            f"{head}{last}\n{row}{value}\n"
        )
    with pytest.raises(ValueError, match=message):
        prepare_esc50(tmp_path / "ESC-50", tmp_path / "save", subset=subset)


def test_missing_clips(tmp_path, caplog):
    write_set(tmp_path / "ESC-50")
    (tmp_path / "ESC-50" / "audio" / "1-2-A-0.wav").unlink()
    (tmp_path / "ESC-50" / "audio" / "2-4-A-1.wav").write_bytes(b"RIFF")
    manifest = prepare_esc50(tmp_path / "ESC-50", tmp_path / "save")
    assert [clip.label for clip in read_manifest(manifest)] == ["crackling_fire"] * 2
    assert "esc50: 2 of 4 clips are left out" in caplog.text
    with open(tmp_path / "save" / "esc50_missing.csv", newline="") as file:
        rows = [(row["id"], row["reason"]) for row in csv.DictReader(file)]
    assert [row[0] for row in rows] == ["1-2-A-0", "2-4-A-1"]
    assert "no such file" in rows[0][1]
    assert "cannot be decoded" in rows[1][1]


def test_no_audio_or_no_list(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"meta/esc50.csv"):
        prepare_esc50(tmp_path, tmp_path / "save")
    write_set(tmp_path / "ESC-50")
    for path in (tmp_path / "ESC-50" / "audio").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"Not one of 4 clips(.|\n)*1-2-A-0"):
        prepare_esc50(tmp_path / "ESC-50", tmp_path / "save")


def test_skip_prep_touches_nothing(tmp_path):
    manifest = prepare_esc50(tmp_path / "none", tmp_path / "save", skip_prep=True)
    assert manifest == tmp_path / "save" / "esc50.json"
    assert not list(tmp_path.iterdir())


def test_real_recordings(shared_data, tmp_path):
    manifest = prepare_esc50(shared_data / "ESC-10", tmp_path / "all")
    clips = read_manifest(manifest)
    subset = prepare_esc50(shared_data / "ESC-10", tmp_path / "ten", subset="ESC-10")
    assert read_manifest(subset) == clips
    assert set_name(clips) == "ESC-10"
    assert Counter(clip.fold for clip in clips) == dict.fromkeys(range(1, 6), 80)
    labels = Counter(clip.label for clip in clips)
    assert set(labels.values()) == {40}
    assert list(labels)[:3] == ["dog", "rooster", "rain"]
    assert len(labels) == 10
    assert all(3.5 < clip.duration < 7.5 for clip in clips)
