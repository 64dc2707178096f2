"""Labelled clips from a CSV file, and from the tables of published sets."""

from __future__ import annotations

import csv
import errno
import importlib.util

import numpy as np
import pytest
import soundfile
from scripts import ROOT

from clap_sb.data.captions_csv import read_captions_csv
from clap_sb.data.labels_csv import prepare_labels_csv, read_label_set
from clap_sb.data.manifest import read_manifest
from clap_sb.data.overlap import read_recordings
from clap_sb.evaluation.prompts import Prompts, read_templates
from clap_sb.whole_file import WriteError

CUSTOM = ROOT / "recipes" / "Custom"


@pytest.fixture(scope="module")
def published():
    path = CUSTOM / "published_prepare.py"
    spec = importlib.util.spec_from_file_location("published_prepare", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_sound(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(800, dtype=np.float32), 8000)
    return path


def clips_of(folder, text):
    (folder / "my.csv").write_text(text, encoding="utf-8")
    manifest = prepare_labels_csv(folder / "my.csv", folder / "save" / "my.json")
    return {clip.id: clip for clip in read_manifest(manifest)}


def test_labels_folds_and_paths(tmp_path):
    for name in ("a.wav", "sub/b.wav", "c.wav", "d.wav"):
        write_sound(tmp_path / name)
    absolute = tmp_path / "c.wav"
    clips = clips_of(
        tmp_path,
        "path,label,fold\n"
        "a.wav,dog,1\n"
        "sub/b.wav,dog; rain,2\n"
        f"{absolute},dog,3\n"
        f"{absolute},cat,3\n"
        "c.wav,dog,3\n"
        "d.wav,,1\n"
        "gone.wav,dog,1\n",
    )
    found = {id: (clip.keywords, clip.label, clip.fold) for id, clip in clips.items()}
    assert found == {
        "a.wav": (("dog",), "dog", 1),
        "sub/b.wav": (("dog", "rain"), None, 2),
        str(absolute): (("dog", "cat"), None, 3),
        "d.wav": ((), None, 1),
    }
    missing = (tmp_path / "save" / "my_missing.csv").read_text()
    assert "gone.wav" in missing


@pytest.mark.parametrize("none", ["nan", "NaN", " nan "])
def test_a_gap_is_no_class(none, tmp_path):
    """As tables with gaps are saved."""
    for name in ("a.wav", "b.wav"):
        write_sound(tmp_path / name)
    clips = clips_of(tmp_path, f"path,label\na.wav,dog\nb.wav,{none}\n")
    assert [clip.keywords for clip in clips.values()] == [("dog",), ()]
    with pytest.raises(ValueError, match=r"line 3 has no path"):
        clips_of(tmp_path, f"path,label\na.wav,dog\n{none},rain\n")
    with pytest.raises(ValueError, match="holds no label"):
        clips_of(tmp_path, f"path,label\na.wav,{none}\n")


def test_folds_are_not_needed(tmp_path):
    write_sound(tmp_path / "a.wav")
    assert clips_of(tmp_path, "path,label\na.wav,dog\n")["a.wav"].fold is None


def test_folds_as_programs_save_them(tmp_path):
    """Numbers with gaps become floats; of a clip's rows, one need say it."""
    for name in "ab":
        write_sound(tmp_path / f"{name}.wav")
    text = "path,label,Fold\na.wav,dog,2.0\na.wav,cat,\nb.wav,dog,10\n"
    clips = clips_of(tmp_path, text)
    assert [clip.fold for clip in clips.values()] == [2, 10]
    assert clips["a.wav"].keywords == ("dog", "cat")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,caption\na.wav,x\n", "must have the columns path, label"),
        ("path,label\na.wav,\n", "holds no label"),
        ("path,label\n,dog\n", "line 2 has no path"),
        ("path,label,fold\na.wav,dog,1\na.wav,cat,2\n", "fold of a.wav is 1 and 2"),
        ("path,label,fold\na.wav,dog,one\n", "line 2: fold is 'one'"),
        ("path,label,fold\na.wav,dog,1.5\n", "line 2: fold is '1.5'"),
        (
            "path,label,fold\na.wav,x,1\nb.wav,x,2\nc.wav,x,\nd.wav,x,3\n",
            "line 4: c.wav has no fold; of 4 clips, 1 have none",
        ),
        ("path,label\na.wav,dog, loud\n", "line 2: there are 3 values for 2"),
        ("path,label\nb.wav,dog\n", "Not one of the 1 clips"),
    ],
)
def test_files_that_cannot_be_used(text, message, tmp_path):
    write_sound(tmp_path / "a.wav")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        clips_of(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "count"), [("UrbanSound8K", 10), ("FSD50K", 200), ("VGGSound", 309)]
)
def test_the_published_classes(name, count):
    labels = read_label_set(CUSTOM / "label_sets" / f"{name}.txt")
    assert len(labels) == count
    assert all(label == label.strip() and ";" not in label for label in labels)


def test_the_prompts_that_come_with_the_recipe():
    prompts = Prompts(read_templates(str(CUSTOM / "prompts.txt")))
    assert len(set(prompts.of("dog_bark"))) == 5
    assert all("dog bark" in sentence for sentence in prompts.of("dog_bark"))


def test_label_sets_that_cannot_be_used(tmp_path):
    path = tmp_path / "set.txt"
    for text, message in (("# none\n", "none"), ("a\nb\na\n", "'a' twice")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_label_set(path)
    with pytest.raises(FileNotFoundError, match="no list of labels"):
        read_label_set(tmp_path / "other.txt")


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def test_urbansound8k(published, tmp_path):
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "UrbanSound8K.csv").write_text(
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100032-3-0-0.wav,100032,0.0,0.3,1,5,3,dog_bark\n"
    )
    out = published.prepare_published("UrbanSound8K", tmp_path, tmp_path / "out.csv")
    sound = write_sound(tmp_path / "audio" / "fold5" / "100032-3-0-0.wav")
    assert rows_of(out) == [(str(sound), "dog_bark", "5", "100032", "")]
    (clip,) = read_manifest(prepare_labels_csv(out, tmp_path / "m.json"))
    assert (clip.label, clip.fold, clip.path) == ("dog_bark", 5, str(sound))


def test_a_table_that_is_not_written_to_its_end_is_not_there(
    published, tmp_path, monkeypatch
):
    """And the one that was there before is."""
    label = (CUSTOM / "label_sets" / "VGGSound.txt").read_text().splitlines()[-1]
    (tmp_path / "vggsound.csv").write_text(f'a,1,"{label}",test\n')
    (tmp_path / "out.csv").write_text("before")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerows", full)
    with pytest.raises(WriteError, match=r"out\.csv cannot be written .*space"):
        published.prepare_published("VGGSound", tmp_path, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("part", ["eval", "dev"])
def test_fsd50k(published, tmp_path, part):
    (tmp_path / "FSD50K.ground_truth").mkdir()
    (tmp_path / "FSD50K.ground_truth" / f"{part}.csv").write_text(
        'fname,labels,mids\n37199,"Electric_guitar,Guitar,Music","/m/1,/m/2,/m/3"\n'
    )
    name = "FSD50K" if part == "eval" else "FSD50K-dev"
    out = published.prepare_published(name, tmp_path, tmp_path / "out.csv")
    write_sound(tmp_path / f"FSD50K.{part}_audio" / "37199.wav")
    # also a set to train on, with captions made of its labels
    (trained_on,) = read_captions_csv(out)
    assert trained_on.source == "freesound:37199"
    assert trained_on.keywords == ("Electric_guitar", "Guitar", "Music")
    (clip,) = read_manifest(prepare_labels_csv(out, tmp_path / "m.json"))
    assert clip.keywords == ("Electric_guitar", "Guitar", "Music")
    assert clip.label is None and clip.fold is None


def test_vggsound(published, tmp_path):
    (tmp_path / "vggsound.csv").write_text(
        '-0abc,30,"ice cream truck, ice cream van",test\n'
        "b,9,dog barking,train\n"
        "c,120,dog barking,test\n"
        "d,0,extending ladders,train\n"
        "\n"
    )
    sound = write_sound(tmp_path / "audio" / "-0abc_000030.flac")
    out = published.prepare_published("VGGSound", tmp_path, tmp_path / "out.csv")
    assert rows_of(out) == [
        (str(sound), "ice cream truck, ice cream van", "", "", "-0abc"),
        (str(tmp_path / "audio" / "c_000120"), "dog barking", "", "", "c"),
    ]
    # it needs no audio to be compared with what is trained on
    listed = read_recordings(out)
    assert [clip.source for clip in listed] == ["youtube:-0abc", "youtube:c"]


def test_a_table_of_another_set_is_refused(published, tmp_path):
    (tmp_path / "vggsound.csv").write_text("a,1,no such class,test\n")
    with pytest.raises(ValueError, match="'no such class' is none of the 309 classes"):
        published.prepare_published("VGGSound", tmp_path, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_start_that_is_none_names_its_row(published, tmp_path):
    (tmp_path / "vggsound.csv").write_text("a,1,dog barking,test\nb,x,dog barking,test")
    with pytest.raises(ValueError, match=r"vggsound\.csv, line 2: start is 'x'"):
        published.prepare_published("VGGSound", tmp_path, tmp_path / "out.csv")
