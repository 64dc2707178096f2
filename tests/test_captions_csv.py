"""Your own CSV of paths and captions: what is read, what is skipped, what is said."""

from __future__ import annotations

import csv
import logging
import unicodedata
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
    text += (
        "Wind,a.wav,,1234,wind; storm ;wind\nRain,b.wav,Ab_-9,,\nSea,sub/c.flac,,,\n"
    )
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
        ("path,caption\n,Wind\n", "line 2 has no path"),
        ("path,caption\na.wav,\n", "holds no caption"),
        ("path,caption\n", "holds no caption"),
    ],
)
def test_what_a_useless_file_gets_to_hear(folder, text, message):
    with pytest.raises(ValueError, match=message):
        read_captions_csv(write(folder, text))


def test_another_encoding_is_named(folder):
    path = write(folder, "path,caption\na.wav,wüff\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"my\.csv, line 2: the byte 0xfc.*UTF-8"):
        read_captions_csv(path)


def test_a_caption_with_a_comma_needs_quotes(folder):
    """Half of a caption is none: neither is it trained on, nor left out."""
    text = "path,caption\na.wav,A dog barks, then a cat meows\n"
    with pytest.raises(
        ValueError, match=r"my\.csv, line 2: .*comma needs double quotes"
    ):
        read_captions_csv(write(folder, text))
    text = "path,caption\nb.wav,x\na.wav,A dog barks\nthen a cat meows\n"
    with pytest.raises(ValueError, match=r"my\.csv, line 4: .*broken over two lines"):
        read_captions_csv(write(folder, text))
    text = 'path,caption\na.wav,"A dog barks, then a cat meows"\n'
    [clip] = read_captions_csv(write(folder, text))
    assert clip.captions == ("A dog barks, then a cat meows",)


def test_files_are_known_by_what_they_are(folder):
    """Through links, and in any spelling, one file is one clip."""
    (folder / "link").symlink_to(folder / "sub")
    (folder / "hard.wav").hardlink_to(folder / "a.wav")
    rows = "a.wav,one\nlink/c.flac,two\nhard.wav,three\nsub/c.flac,four\nb.wav,five\n"
    clips = read_captions_csv(write(folder, f"path,caption\n{rows}"))
    found = {clip.id: clip.captions for clip in clips}
    assert found == {
        "a.wav": ("one", "three"),
        "link/c.flac": ("two", "four"),
        "b.wav": ("five",),
    }


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_accents_are_written_in_two_ways(folder, listed, stored):
    place = folder / unicodedata.normalize(stored, "caf\u00e9")
    place.mkdir()
    soundfile.write(place / unicodedata.normalize(stored, "\u00fc.wav"), SOUND, 8000)
    name = unicodedata.normalize(listed, "caf\u00e9/\u00fc.wav")
    [clip] = read_captions_csv(write(folder, f"path,caption\n{name},Wind\n"))
    assert clip.id == name and Path(clip.path).is_file()


def test_odd_names_are_taken_as_they_are(folder):
    soundfile.write(folder / " e ieio.wav", SOUND, 8000)
    soundfile.write(folder / "~tilde.wav", SOUND, 8000)
    text = "path,caption\n e ieio.wav,Waves\n a.wav,Wind\n gone.wav,Rain\n"
    text += f"~tilde.wav,Rain\n{'long' * 100},Rain\n"
    e, a, tilde = read_captions_csv(write(folder, text))
    assert tilde.id == "~tilde.wav"
    assert (e.id, e.path) == (" e ieio.wav", (folder / " e ieio.wav").as_posix())
    assert (a.id, a.path) == ("a.wav", (folder / "a.wav").as_posix())


def test_a_list_that_is_a_link_lies_beside_its_files_or_not(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("lists")
    write(elsewhere, "path,caption\na.wav,Wind\n")
    (folder / "linked.csv").symlink_to(elsewhere / "my.csv")
    assert len(read_captions_csv(folder / "linked.csv")) == 1
    write(folder, "path,caption\na.wav,Wind\n")
    (elsewhere / "other.csv").symlink_to(folder / "my.csv")
    assert len(read_captions_csv(elsewhere / "other.csv")) == 1


@pytest.mark.parametrize("written", ["0100032", "1.00032e5", "100032.0", "1.00032E+05"])
def test_ids_are_numbers(folder, written):
    text = f"path,caption,Freesound_ID\na.wav,Wind,{written}\nb.wav,Rain,Not found\n"
    a, b = read_captions_csv(write(folder, text))
    assert (a.source, b.source) == ("freesound:100032", None)


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
