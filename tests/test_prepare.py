"""What preparation tells of folders and files, whatever the data set is."""

from __future__ import annotations

import csv
import logging
import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from clap_sb.data import entries as entries_module
from clap_sb.data.captions_csv import prepare_captions_csv, read_captions_csv
from clap_sb.data.labels_csv import prepare_labels_csv
from clap_sb.data.manifest import read_manifest
from clap_sb.data.pairs import PairDataset
from clap_sb.data.prepare import Entry, index_audio, passed_by, prepare_manifest
from clap_sb.data.suffixes import HEADERLESS, SOUND_SUFFIXES
from clap_sb.data.whole_clips import WholeClipDataset

LATIN = os.fsdecode(b"Pi\xe8ce.wav")
needs_bytes = pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode")


@pytest.fixture
def folder(tmp_path):
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(800), 8000)
    return tmp_path


def entries_of(*names: str) -> list[Entry]:
    return [Entry(name, names=(name,), captions=("A dog barks",)) for name in names]


def prepare(folder, *names: str):
    path = prepare_manifest(folder / "save" / "test.json", entries_of(*names), [folder])
    return read_manifest(path)


def test_a_name_may_have_its_extension_or_another(folder):
    """A table says .wav of files that were saved as .flac since, or says none."""
    (folder / "d.wav.ogg").write_bytes((folder / "a.wav").read_bytes())
    names = ("a", "b.wav", "c.flac", "d.wav")
    found = {clip.id: clip.path for clip in prepare(folder, *names)}
    files = ("a.wav", "b.wav", "c.wav", "d.wav.ogg")
    assert found == {
        n: (folder / f).as_posix() for n, f in zip(names, files, strict=True)
    }


def test_captions_that_say_nothing_are_dropped(folder, caplog):
    entries = [
        Entry("a", names=("a",), captions=("A dog", " ", "")),
        Entry("b", names=("b",), captions=("",)),
    ]
    path = prepare_manifest(folder / "save" / "test.json", entries, [folder])
    assert [clip.captions for clip in read_manifest(path)] == [("A dog",), ()]
    assert "test: 3 empty captions are dropped" in caplog.text


def rows(path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def remarks(monkeypatch):
    """Gives files of some names something that is worth telling."""
    probe = entries_module.probe_to_end

    def give(**by_stem: tuple[str, ...]) -> None:
        def probed(path):
            return replace(probe(path), remarks=by_stem.get(path.stem, ()))

        monkeypatch.setattr(entries_module, "probe_to_end", probed)

    return give


def test_of_several_formats_the_best_is_taken(folder):
    for name in ("a.MP3", "a.mp4", "d.mp4", "d.opus", "d.wv", "e.wave", "e.flac"):
        (folder / name).touch()
    (folder / "f.wav").mkdir()
    (folder / "f.ogg").touch()
    (folder / "loop.wav").symlink_to(folder / "loop.wav")
    found = index_audio([folder])
    names = {name: path.name for name, path in found.items()}
    taken = {"a": "a.wav", "b": "b.wav", "c": "c.wav", "d": "d.wv", "e": "e.wave"}
    assert names == {**taken, "f": "f.ogg", "loop": "loop.wav"}


def test_the_order_of_formats_is_what_it_was():
    """A manifest that was made from some of these is made from the same ones again."""
    before = [".wav", ".flac", ".ogg", ".mp3", ".m4a"]
    assert [suffix for suffix in SOUND_SUFFIXES if suffix in before] == before
    assert len(set(SOUND_SUFFIXES)) == len(SOUND_SUFFIXES)
    assert not HEADERLESS & set(SOUND_SUFFIXES)


def test_what_is_passed_by_is_counted_and_told(folder, caplog):
    for name in ("x.raw", "y.raw", "list.csv", "README", ".hidden"):
        (folder / name).touch()
    (folder / "below").mkdir()
    kinds = {".raw": 2, ".csv": 1, "without a suffix": 1}
    assert passed_by([folder, folder / "nowhere"]) == kinds
    with caplog.at_level(logging.INFO):
        prepare(folder, "a", "x")
    told = "2 .raw (without a header), 1 .csv, 1 without a suffix"
    assert f"test: passed by in its folders: {told}" in caplog.text
    assert [row["id"] for row in rows(folder / "save" / "test_missing.csv")] == ["x"]


def test_a_folder_without_a_sound_says_what_was_there_instead(folder):
    for name in "abc":
        (folder / f"{name}.wav").rename(folder / f"{name}.mid")
    with pytest.raises(FileNotFoundError, match=r"No audio .* passed by: 3 \.mid"):
        prepare(folder, "a", "b")


def test_remarks_are_counted_and_listed(folder, remarks, caplog):
    remarks(a=("it is loud",), c=("its channels cancel", "it is loud"))
    assert [clip.id for clip in prepare(folder, "a", "b", "c")] == ["a", "b", "c"]
    assert "test: there is something to tell of 2 clips, such as" in caplog.text
    assert "a.wav: it is loud" in caplog.text and "test_remarks.csv" in caplog.text
    found = rows(folder / "save" / "test_remarks.csv")
    assert [(row["id"], row["remark"]) for row in found] == [
        ("a", "it is loud"),
        ("c", "its channels cancel"),
        ("c", "it is loud"),
    ]
    assert found[0]["path"] == (folder / "a.wav").as_posix()
    caplog.clear()
    prepare(folder, "a", "b", "c")
    told = [record for record in caplog.records if record.levelname == "WARNING"]
    assert not told
    remarks()
    prepare(folder, "a", "b")
    assert not (folder / "save" / "test_remarks.csv").exists()


def test_remarks_of_a_csv_file_are_logged(folder, remarks, caplog):
    remarks(a=("it is loud",))
    (folder / "my.csv").write_text("path,caption\na.wav,A dog\nb.wav,A cat\n")
    assert len(read_captions_csv(folder / "my.csv")) == 2
    assert "something to tell of 1 clips, such as" in caplog.text


@needs_bytes
@pytest.mark.parametrize("good", [True, False])
def test_a_name_that_is_not_utf8_is_a_clip_like_others(folder, good, caplog):
    path = os.path.join(folder, LATIN)
    shutil.copy(folder / "a.wav", path)
    if not good:
        with open(path, "wb") as file:
            file.write(b"no sound")
    stem = LATIN.removesuffix(".wav")
    clips = prepare(folder, "a", stem)
    assert [clip.path for clip in clips[1:]] == ([path] if good else [])
    if good:
        [whole] = [c for c in WholeClipDataset(clips, 8000) if c.id == stem]
        assert len(whole.wav) == 800
    else:
        [row] = rows(folder / "save" / "test_missing.csv")
        assert "Pi\\udce8ce.wav" in row["path_or_name"]


@needs_bytes
def test_a_training_clip_that_cannot_be_read_is_warned_about_in_text(folder, caplog):
    clips = prepare(folder, "a", "b")
    bad = replace(clips[0], path=os.path.join(folder, LATIN))
    pairs = PairDataset([bad, clips[1]], 8000, 400, seed=0)
    assert pairs[1, 0].id == "b"
    assert "left out of training" in caplog.text
    assert "Pi\ufffdce.wav" in caplog.text


@pytest.mark.parametrize("kind", ["captions", "labels"])
def test_a_row_that_the_system_refuses_stops_no_other(kind, folder):
    long, column = "x" * 999, "caption" if kind == "captions" else "label"
    (folder / "below").mkdir()
    names = ["a.wav", f"{long}.wav", "below", "gone.wav"]
    table = "\n".join([f"path,{column}", *(f"{name},dog" for name in names)])
    (folder / "my.csv").write_text(table)
    prepared = prepare_captions_csv if kind == "captions" else prepare_labels_csv
    clips = read_manifest(prepared(folder / "my.csv", folder / "save" / "my.json"))
    assert [clip.id for clip in clips] == ["a.wav"]
    missing = rows(folder / "save" / "my_missing.csv")
    assert [row["id"] for row in missing] == names[1:]
    assert "too long" in missing[0]["reason"]
    assert "no such file" in missing[2]["reason"]
