"""Your own CSV of paths and captions: what is read, what is skipped, what is said."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile

from clap_sb.data.captions_csv import prepare_captions_csv, read_captions_csv
from clap_sb.data.manifest import read_manifest

SOUND = 0.1 * np.random.default_rng(0).standard_normal(800)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with three sounds, one of them below it."""
    (tmp_path / "sub").mkdir()
    for name in ("a.wav", "b.wav", "sub/c.flac"):
        soundfile.write(tmp_path / name, SOUND, 8000)
    return tmp_path


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "my.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_several_rows_are_several_captions_and_paths_are_relative_to_the_file(folder):
    rows = [
        ("a.wav", "A dog {barks}"),
        ("sub/c.flac", 'He says "$no", twice'),
        ("./a.wav", " Barking, far away "),  # the same file, spelt in another way
        ((folder / "b.wav").as_posix(), "Rain"),
        ("a.wav", "A dog {barks}"),
        ("a.wav", "ein Hund bellt: wau – wüff"),
    ]
    with open(folder / "my.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "caption"), *rows])
    a, c, b = read_captions_csv(folder / "my.csv")
    assert a.captions == (
        "A dog {barks}",
        "Barking, far away",
        "ein Hund bellt: wau – wüff",
    )
    assert (a.id, a.path) == ("a.wav", (folder / "a.wav").as_posix())
    assert (c.id, c.captions) == ("sub/c.flac", ('He says "$no", twice',))
    assert (b.path, b.captions) == ((folder / "b.wav").as_posix(), ("Rain",))
    assert {clip.duration for clip in (a, b, c)} == {0.1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_further_columns(folder, encoding):
    text = "caption,path,youtube_id,freesound_id,keywords\n"
    text += "Wind,a.wav,,1234,wind; storm ;wind\nRain,b.wav,Ab_-9,,\nSea,sub/c.flac\n"
    clips = read_captions_csv(write(folder, text, encoding))
    assert [clip.source for clip in clips] == ["freesound:1234", "youtube:Ab_-9", None]
    assert [clip.keywords for clip in clips] == [("wind", "storm"), (), ()]


def test_keywords_or_a_label_will_do(folder):
    text = "path,caption,keywords,label\na.wav,,dog;rain,\nb.wav,,nan,siren\n"
    text += "sub/c.flac,Waves,,sea;wind\nsub/c.flac,,,surf\n"
    a, b, c = read_captions_csv(write(folder, text))
    assert (a.captions, a.keywords, a.label) == ((), ("dog", "rain"), None)
    assert (b.captions, b.keywords, b.label) == ((), ("siren",), "siren")
    assert (c.captions, c.keywords, c.label) == (
        ("Waves",),
        ("sea", "wind", "surf"),
        None,
    )
    (clip, *_) = read_captions_csv(write(folder, "path,label\na.wav,dog\n"))
    assert (clip.captions, clip.label) == ((), "dog")
    # captions are somebody's: clips of one label stay negatives of each other
    (clip,) = read_captions_csv(write(folder, "path,label,caption\na.wav,dog,Bark\n"))
    assert (clip.keywords, clip.label) == (("dog",), None)


def test_what_is_empty_missing_or_broken_is_left_out_and_counted(folder, caplog):
    (folder / "broken.wav").write_text("nothing of the kind")
    text = "path,caption\na.wav,Wind\na.wav,\nb.wav, \nsub/c.flac,NaN\n"
    path = write(folder, f"{text}gone.wav,Rain\nbroken.wav,Rain\n")
    with caplog.at_level(logging.WARNING):
        (clip,) = read_captions_csv(path)
    assert clip.captions == ("Wind",)
    assert "3 rows that say nothing are skipped" in caplog.text
    assert "2 of 3 clips are left out" in caplog.text
    assert "gone.wav (no such file" in caplog.text

    manifest = prepare_captions_csv(path, folder / "save" / "my.json")
    assert read_manifest(manifest) == [clip]
    with open(folder / "save" / "my_missing.csv", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["gone.wav", "broken.wav"]
    soundfile.write(folder / "gone.wav", SOUND, 8000)  # it comes: looked at again
    prepare_captions_csv(path, manifest)
    assert [clip.id for clip in read_manifest(manifest)] == ["a.wav", "gone.wav"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,text\na.wav,Wind\n", "must have the columns path; it has file"),
        ("path,text\na.wav,Wind\n", "column caption, keywords or label besides path"),
        ("", "it has none"),
        ("path,caption\n,Wind\n", "row 1 below the header has no path"),
        ("path,caption\na.wav,\n", "holds no caption"),
        ("path,caption\n", "holds no caption"),
    ],
)
def test_what_a_useless_file_gets_to_hear(folder, text, message):
    with pytest.raises(ValueError, match=message):
        read_captions_csv(write(folder, text))


def test_another_encoding_is_named(folder):
    path = write(folder, "path,caption\na.wav,wüff\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"my\.csv cannot be read as CSV.*UTF-8"):
        read_captions_csv(path)


@pytest.mark.parametrize("function", ["read", "prepare"])
def test_no_file_and_no_audio(folder, function):
    def call(path):
        if function == "read":
            return read_captions_csv(path)
        return prepare_captions_csv(path, folder / "save" / "my.json")

    with pytest.raises(FileNotFoundError, match="no CSV file .*nowhere.csv"):
        call(folder / "nowhere.csv")
    path = write(folder, "path,caption\ngone.wav,Wind\ngone2.wav,Wind\n")
    with pytest.raises(
        FileNotFoundError, match=r"Not one of the 2 .*gone\.wav"
    ) as info:
        call(path)
    assert folder.as_posix() in str(info.value)
