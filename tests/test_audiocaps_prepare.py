"""AudioCaps is prepared from every layout seen, and what is missing is told."""

from __future__ import annotations

import csv
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocaps_prepare import prepare_audiocaps
from clap_sb.data.manifest import read_manifest, read_note

# Two captions for the first clip; ids that begin with a dash or hold underscores.
ROWS = [
    ("11", "7fmOlUlwoNg", "20", "A dog {barks}"),
    ("12", "-DmjkgWa-rw", "0", "Rain, falling"),
    ("13", "7fmOlUlwoNg", "20", "A dog barks twice"),
    ("14", "a_b_30_cdef", "130", 'He says "$no"'),
]
IDS = ["7fmOlUlwoNg_20", "-DmjkgWa-rw_0", "a_b_30_cdef_130"]

NAMINGS = {
    "id": ["7fmOlUlwoNg", "-DmjkgWa-rw", "a_b_30_cdef"],
    "y_id": ["Y7fmOlUlwoNg", "Y-DmjkgWa-rw", "Ya_b_30_cdef"],
    "id_start": IDS,
    "audiocap_id": ["13", "12", "14"],
}
LAYOUTS = ["audio/{}", "{}", "waveforms/{}", "audio", "waveforms", "."]
FOLDERS = [
    ("train", "train"),
    ("valid", "val"),
    ("valid", "valid"),
    ("valid", "validation"),
    ("test", "test"),
]
SOUND = 0.1 * np.random.default_rng(0).standard_normal(800)
LISTS = {"train": "train.csv", "valid": "val.csv", "test": "test.csv"}


def write_list(path: Path, rows: Iterable[tuple], encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerow(["audiocap_id", "youtube_id", "start_time", "caption"])
        writer.writerows(rows)


def write_audio(folder: Path, names: Iterable[str], suffix: str = ".wav") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        soundfile.write(folder / f"{name}{suffix}", SOUND, 8000)


@pytest.fixture
def data(tmp_path) -> Path:
    """A data folder with the caption list of the test split, and no audio yet."""
    write_list(tmp_path / "data" / "dataset" / "test.csv", ROWS)
    return tmp_path / "data"


@pytest.fixture
def prepare(data, tmp_path):
    """Prepares the test split and gives the clips of its manifest."""

    def run() -> list:
        manifests = prepare_audiocaps(data, tmp_path / "save", splits=["test"])
        return read_manifest(manifests["test"])

    return run


def missing_rows(tmp_path: Path) -> list[dict]:
    with open(tmp_path / "save" / "test_missing.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_and_names(data, prepare, layout, naming):
    folder = data / layout.format("test")
    write_audio(folder, NAMINGS[naming])
    clips = prepare()
    assert [clip.id for clip in clips] == IDS
    assert [clip.path for clip in clips] == [
        (folder / f"{name}.wav").resolve().as_posix() for name in NAMINGS[naming]
    ]
    assert [clip.captions for clip in clips] == [
        ("A dog {barks}", "A dog barks twice"),
        ("Rain, falling",),
        ('He says "$no"',),
    ]
    assert {clip.duration for clip in clips} == {0.1}


@pytest.mark.parametrize(("split", "folder"), FOLDERS)
@pytest.mark.parametrize("where", ["dataset", "."])
def test_split_folders_and_places_of_the_list(tmp_path, split, folder, where):
    data = tmp_path / "data"
    write_list(data / where / LISTS[split], ROWS, encoding="utf-8-sig")
    write_audio(data / "audio" / folder, NAMINGS["y_id"])
    manifests = prepare_audiocaps(data, tmp_path / "save", splits=[split])
    assert manifests == {split: tmp_path / "save" / f"{split}.json"}
    assert [clip.id for clip in read_manifest(manifests[split])] == IDS


def test_all_splits_by_default(tmp_path):
    data = tmp_path / "data"
    for split, name in LISTS.items():
        write_list(data / "dataset" / name, ROWS[:1])
        write_audio(data / "audio" / Path(name).stem, [f"Y{ROWS[0][1]}"])
        (data / "audio" / split).mkdir(exist_ok=True)
    manifests = prepare_audiocaps(str(data), str(tmp_path / "save"))
    assert {
        split: Path(read_manifest(path)[0].path).parent.name
        for split, path in manifests.items()
    } == {"train": "train", "valid": "val", "test": "test"}


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".WAV"])
def test_formats(data, prepare, suffix):
    write_audio(data / "audio", IDS, suffix)
    assert [Path(clip.path).suffix for clip in prepare()] == [suffix] * 3


def test_best_of_several_files(data, prepare):
    write_audio(data / "audio", IDS)
    write_audio(data / "audio" / "test", NAMINGS["id"], ".mp3")
    write_audio(data / "audio" / "test", NAMINGS["id"], ".flac")
    write_audio(data / "audio" / "test", NAMINGS["id"][:1], ".wav")
    found = [Path(clip.path).relative_to(data.resolve()) for clip in prepare()]
    # The start time tells most; then the split's own folder; then the plainest format.
    assert [path.as_posix() for path in found] == [f"audio/{name}.wav" for name in IDS]
    for name in IDS:
        (data / "audio" / f"{name}.wav").unlink()
    assert [Path(clip.path).suffix for clip in prepare()] == [".wav", ".flac", ".flac"]


def test_several_clips_of_one_video(data, prepare):
    write_list(
        data / "dataset" / "test.csv",
        [("1", "abc", "10", "One"), ("2", "abc", "20", "Two"), ("3", "x", "0", "X")],
    )
    write_audio(data, ["abc", "x"])  # which of the two it is, nobody knows
    assert [clip.id for clip in prepare()] == ["x_0"]
    write_audio(data, ["abc_10", "2"])
    assert [Path(clip.path).stem for clip in prepare()] == ["abc_10", "2", "x"]


@pytest.mark.parametrize("start", ["30.0", "30.000", " 30"])
def test_start_times_written_as_fractions(data, prepare, start):
    write_list(data / "dataset" / "test.csv", [("1", "abc", start, "One")])
    write_audio(data, ["abc_30"])
    assert prepare()[0].id == "abc_30"


def test_missing_and_unreadable_clips(data, prepare, tmp_path, caplog):
    rows = [(str(n), f"video{n}", "0", "Some sound") for n in range(8)]
    write_list(data / "dataset" / "test.csv", rows)
    folder = data / "audio" / "test"
    write_audio(folder, ["video0", "video5"])
    soundfile.write(folder / "video4.flac", np.tile(SOUND, 20), 8000)
    (folder / "video1.wav").touch()
    (folder / "video2.m4a").write_bytes(b"\x00\x00\x00 ftypM4A \x00\x00\x02\x00" * 9)
    soundfile.write(folder / "video3.wav", np.zeros(0), 8000)
    cut = folder / "video4.flac"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])

    with caplog.at_level(logging.WARNING):
        clips = prepare()

    assert [clip.id for clip in clips] == ["video0_0", "video5_0"]
    assert "test: 6 of 8 clips are left out" in caplog.text
    assert "test_missing.csv" in caplog.text
    rows = missing_rows(tmp_path)
    assert [row["id"] for row in rows] == [f"video{n}_0" for n in (1, 2, 3, 4, 6, 7)]
    assert rows[0]["path_or_name"] == (folder / "video1.wav").resolve().as_posix()
    assert rows[5]["path_or_name"] == "video7_0"
    reasons = ["0 bytes", "ffmpeg", "no samples", "corrupt", "no such", "no such"]
    for row, reason in zip(rows, reasons, strict=True):
        assert reason in row["reason"]


def test_missing_list_goes_when_nothing_is_missing(data, prepare, tmp_path, caplog):
    write_audio(data, IDS[:2])
    assert len(prepare()) == 2
    assert len(missing_rows(tmp_path)) == 1
    write_audio(data, IDS[2:])
    caplog.clear()
    assert len(prepare()) == 3
    assert not (tmp_path / "save" / "test_missing.csv").exists()
    assert not caplog.records


def test_no_audio_at_all_shows_what_was_looked_for(data, prepare, tmp_path):
    write_audio(data / "audio", ["something_else"])
    with pytest.raises(FileNotFoundError) as error:
        prepare()
    message = str(error.value)
    assert "Not one of 3 clips" in message
    assert f"{data.resolve().as_posix()}/audio/test (no such folder)\n" in message
    assert f"{data.resolve().as_posix()}/audio\n" in message
    for name in ("7fmOlUlwoNg_20", "Y7fmOlUlwoNg", "11", ".flac", "something_else.wav"):
        assert name in message
    assert not (tmp_path / "save" / "test.json").exists()


def test_only_unreadable_audio_shows_why(data, prepare):
    (data / "7fmOlUlwoNg.wav").write_text("nothing of the kind")
    with pytest.raises(FileNotFoundError, match="1 files .* unreadable.*7fmOlUlwoNg"):
        prepare()


def test_folder_without_audio_files(prepare):
    with pytest.raises(FileNotFoundError, match="No audio files were found"):
        prepare()


def test_empty_captions_are_dropped(data, prepare, caplog):
    rows = [*ROWS, ("15", "7fmOlUlwoNg", "20", " "), ("16", "silent", "1", "nan")]
    write_list(data / "dataset" / "test.csv", rows)
    write_audio(data, [*IDS, "silent"])
    clips = prepare()
    assert "2 empty captions are dropped" in caplog.text
    assert [clip.id for clip in clips] == IDS
    assert len(clips[0].captions) == 2


def test_ids_that_look_like_missing_values(data, prepare):
    rows = [("1", "NA", "0", "None"), ("2", "nan", "0", "null")]
    write_list(data / "dataset" / "test.csv", rows)
    write_audio(data, ["NA", "nan"])
    assert [(clip.id, *clip.captions) for clip in prepare()] == [
        ("NA_0", "None"),
        ("nan_0", "null"),
    ]


def test_manifest_is_reused_until_something_changes(data, prepare, tmp_path):
    manifest = tmp_path / "save" / "test.json"
    write_audio(data, IDS[:2])
    prepare()
    os.utime(manifest, (0, 0))

    prepare()
    assert manifest.stat().st_mtime == 0  # kept

    write_audio(data, IDS[2:])  # a file comes
    assert len(prepare()) == 3
    assert manifest.stat().st_mtime > 0

    os.utime(manifest, (0, 0))
    write_list(data / "dataset" / "test.csv", ROWS[1:])  # the list changes
    assert prepare()[0].id == IDS[1]
    assert manifest.stat().st_mtime > 0

    moved = shutil.move(data, tmp_path / "moved")
    prepare_audiocaps(moved, tmp_path / "save", splits=["test"])  # another folder
    assert "/moved/" in read_manifest(manifest)[0].path


def test_reused_manifest_still_warns(data, prepare, caplog):
    write_audio(data, IDS[:2])
    prepare()
    caplog.clear()
    prepare()
    assert "test: 1 of 3 clips are left out" in caplog.text


def test_skip_prep_touches_nothing(tmp_path):
    manifests = prepare_audiocaps(tmp_path / "none", tmp_path / "save", skip_prep=True)
    assert list(manifests) == ["train", "valid", "test"]
    assert not list(tmp_path.iterdir())


def test_no_caption_list(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"dataset/val.csv and .*/val.csv"):
        prepare_audiocaps(tmp_path, tmp_path / "save", splits=["valid"])


def test_list_without_a_column(data, prepare):
    (data / "dataset" / "test.csv").write_text("youtube_id,caption\nabc,One\n")
    with pytest.raises(ValueError, match="it has youtube_id, caption"):
        prepare()


def test_captions_that_were_broken_over_two_lines(data, prepare, caplog):
    """As in the first publication of version 2.0's training list."""
    text = "audiocap_id,youtube_id,start_time,caption\n"
    text += "39899,IAosP90cdsE,30,an engine chugging loudly with muffled\n"
    text += "speech in the background\n"
    text += (
        "7994,2Cnv0FADwfo,30,a animal is gurgling in water.\na dog is whimpering,,,\n"
    )
    text += '7995,IAosP90cdsE,30,"an engine, nearby"\n'
    (data / "dataset" / "test.csv").write_text(text)
    write_audio(data, ["IAosP90cdsE", "2Cnv0FADwfo"])
    with caplog.at_level(logging.WARNING):
        clips = prepare()
    assert [clip.captions for clip in clips] == [
        (
            "an engine chugging loudly with muffled speech in the background",
            "an engine, nearby",
        ),
        ("a animal is gurgling in water. a dog is whimpering",),
    ]
    assert "2 captions that were broken over two lines are put together" in caplog.text
    (data / "dataset" / "test.csv").write_text(f"{text}7996,IAosP90cdsE,A dog\n")
    with pytest.raises(
        ValueError, match=r"test\.csv, line 7: there are 3 values for 4"
    ):
        prepare()


def test_start_time_that_is_no_number(data, prepare):
    write_list(data / "dataset" / "test.csv", [("1", "abc", "soon", "One")])
    with pytest.raises(ValueError, match="test.csv, line 2: start_time is 'soon'"):
        prepare()
    for start in ("inf", "-10", "nan"):
        write_list(data / "dataset" / "test.csv", [("1", "abc", start, "One")])
        with pytest.raises(ValueError, match=f"line 2: start_time is '{start}'"):
            prepare()


def test_unknown_split(tmp_path):
    with pytest.raises(ValueError, match="no split val; it has train, valid, test"):
        prepare_audiocaps(tmp_path, tmp_path, splits=["val"])


def write_real_list(shared_data: Path, data: Path, split: str) -> list[str]:
    """Copies the real list of a split into a data folder; gives its video ids."""
    (data / "dataset").mkdir(parents=True)
    caption_list = shared_data / "AudioCaps" / "dataset" / LISTS[split]
    shutil.copyfile(caption_list, data / "dataset" / LISTS[split])
    with open(caption_list, encoding="utf-8", newline="") as file:
        return list(dict.fromkeys(r["youtube_id"] for r in csv.DictReader(file)))


def write_stand_ins(folder: Path, names: Iterable[str]) -> None:
    """One short sound under many names: hard links cost next to nothing."""
    write_audio(folder, ["sound"])
    for name in names:
        os.link(folder / "sound.wav", folder / f"{name}.wav")


@pytest.mark.parametrize("every", [None, 10], ids=["whole", "every tenth missing"])
@pytest.mark.parametrize(
    ("split", "num_clips", "num_captions"),
    [("train", 49_838, 1), ("valid", 495, 5), ("test", 975, 5)],
)
def test_real_caption_lists(
    shared_data, tmp_path, probed_once, split, num_clips, num_captions, every
):
    """All clips of the real lists, and all but every tenth."""
    data = tmp_path / "data"
    youtube_ids = write_real_list(shared_data, data, split)
    assert len(youtube_ids) == num_clips
    gone = set(youtube_ids[::every]) if every else set()
    there = (f"Y{name}" for name in youtube_ids if name not in gone)
    write_stand_ins(data / "audio" / Path(LISTS[split]).stem, there)

    manifest = prepare_audiocaps(data, tmp_path / "save", splits=[split])[split]
    clips = read_manifest(manifest)
    assert len(clips) == num_clips - len(gone)
    assert {len(clip.captions) for clip in clips} == {num_captions}
    found = [clip.source for clip in clips]
    assert found == [f"youtube:{name}" for name in youtube_ids if name not in gone]
    assert read_note(manifest)["missing"] == len(gone)
    missing_list = tmp_path / "save" / f"{split}_missing.csv"
    assert missing_list.exists() == bool(gone)
    if gone:
        with open(missing_list, newline="") as file:
            missing = [row["id"].rsplit("_", 1)[0] for row in csv.DictReader(file)]
        assert missing == youtube_ids[::10]


@pytest.mark.parametrize(
    ("version", "folder"),
    [
        ("1.0", "dataset"),
        ("1.0", "csv_files_v1"),
        ("1.0", "."),
        ("2.0", "dataset2.0"),
        ("2.0", "csv_files_v2"),
    ],
)
def test_versions_have_folders_of_their_own(tmp_path, version, folder):
    data = tmp_path / "data"
    write_list(data / folder / "test.csv", ROWS)
    write_audio(data / "audio_32000Hz" / "test", IDS)  # as aac-datasets lays it out
    manifests = prepare_audiocaps(data, tmp_path / "save", ["test"], version=version)
    assert [clip.id for clip in read_manifest(manifests["test"])] == IDS
    other = "2.0" if version == "1.0" else "1.0"
    with pytest.raises(FileNotFoundError, match=r"repository \(folder dataset"):
        prepare_audiocaps(data, tmp_path / "save", ["test"], version=other)


@pytest.mark.parametrize(("split", "num_clips"), [("valid", 495), ("test", 975)])
def test_the_second_version_of_real_lists(
    shared_data, tmp_path, probed_once, split, num_clips
):
    """A stand-in for the lists of 2.0: those of 1.0 in its place, in another order."""
    data = tmp_path / "data"
    youtube_ids = write_real_list(shared_data, data, split)
    with open(data / "dataset" / LISTS[split], encoding="utf-8", newline="") as file:
        rows = [tuple(row.values()) for row in csv.DictReader(file)]
    spread = [row for first in range(7) for row in rows[first::7]]
    changed = [(*row[:3], row[3].lower()) for row in spread]
    write_list(data / "dataset2.0" / LISTS[split], changed)
    write_stand_ins(data / "audio" / Path(LISTS[split]).stem, youtube_ids)
    clips = {}
    for version in ("1.0", "2.0"):
        save = tmp_path / version
        manifest = prepare_audiocaps(data, save, [split], version=version)[split]
        clips[version] = {clip.id: clip for clip in read_manifest(manifest)}
        assert len(clips[version]) == num_clips
        assert {len(clip.captions) for clip in clips[version].values()} == {5}
    for name, clip in clips["2.0"].items():
        first = clips["1.0"][name]
        assert clip.source == first.source and clip.path == first.path
        assert set(clip.captions) == {text.lower() for text in first.captions}


def test_unknown_version(tmp_path):
    with pytest.raises(ValueError, match=r"no version 3; it has 1\.0, 2\.0"):
        prepare_audiocaps(tmp_path, tmp_path, version="3")
