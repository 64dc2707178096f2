"""Recordings on both sides, found by their ids."""

from __future__ import annotations

import csv

import pytest

from clap_sb.data.manifest import Clip
from clap_sb.data.overlap import (
    Overlap,
    find_overlaps,
    read_recordings,
    tell_overlaps,
)
from clap_sb.data.write_rows import write_rows
from clap_sb.evaluation.query_bank import QueryBank


def clip(name: str, source: str | None = None, path: str | None = None) -> Clip:
    return Clip(name, path or f"/audio/{name}.wav", 5.0, source=source)


TRAIN = {
    "A": [
        clip("a0", "youtube:x"),
        clip("a1", "freesound:x"),  # the same id on another site
        clip("a2"),
        clip("a3", "freesound:7"),
    ],
    "B": [clip("b0", "freesound:7"), clip("b1", path="/audio/t2.wav")],
}
TEST = {
    "T test": [
        clip("t0", "freesound:7"),
        clip("t1", "freesound:7"),  # another part of the same recording
        clip("t2"),
    ],
    "V": [clip("v0", "youtube:x"), clip("v1")],
}


def test_overlaps_against_all_pairs():
    expected = {
        (name, one.id, other_name, other.id)
        for name, clips in TRAIN.items()
        for one in clips
        for other_name, others in TEST.items()
        for other in others
        if (one.source is not None and one.source == other.source)
        or one.path == other.path
    }
    found = find_overlaps(TRAIN, TEST)
    pairs = [
        (o.train_set, o.train_id, o.evaluation_set, o.evaluation_id) for o in found
    ]
    assert len(pairs) == len(set(pairs)) and set(pairs) == expected
    assert len(expected) == 6
    recordings = {o.train_id: o.recording for o in found}
    assert recordings == {
        "a0": "youtube:x",
        "a3": "freesound:7",
        "b0": "freesound:7",
        "b1": "file:/audio/t2.wav",
    }


def test_a_pair_that_shares_id_and_file_counts_once():
    same = clip("same", "freesound:7")
    assert len(find_overlaps({"A": [same]}, {"B": [same]})) == 1


def test_counts_are_of_clips_and_recordings():
    assert tell_overlaps(find_overlaps(TRAIN, TEST)) == [
        "A and V share 1 recordings (1 training clips, 1 evaluation clips)",
        "A and T test share 1 recordings (1 training clips, 2 evaluation clips)",
        "B and T test share 2 recordings (2 training clips, 3 evaluation clips)",
    ]
    assert tell_overlaps([]) == []


def test_the_list_is_written_and_goes_with_what_it_tells(tmp_path):
    path = tmp_path / "save" / "overlap.csv"
    overlaps = find_overlaps(TRAIN, TEST)
    write_rows(path, overlaps)
    with open(path, newline="", encoding="utf-8") as file:
        assert [Overlap(**row) for row in csv.DictReader(file)] == overlaps
    write_rows(path, [])
    assert not path.exists()


def test_a_list_of_recordings_needs_no_audio(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("name,youtube_id,freesound_id\na,x,\nb,,7.0\nc,,\nd,y,8\n")
    sources = [clip.source for clip in read_recordings(path)]
    assert sources == ["youtube:x", "freesound:7", "youtube:y", "freesound:8"]
    for text in ("name\na\n", "youtube_id\n\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match="names no recording.*youtube_id or free"):
            read_recordings(path)


def test_one_file_is_one_recording_through_any_link(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.wav").write_bytes(b"x")
    (tmp_path / "a" / "2.wav").write_bytes(b"y")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "hard.wav").hardlink_to(tmp_path / "a" / "1.wav")
    train = [clip("t", path=str(tmp_path / "a" / "1.wav"))]
    for path in ("link/1.wav", "hard.wav", "a/../a/1.wav"):
        test = [clip("e", path=str(tmp_path / path))]
        [overlap] = find_overlaps({"A": train}, {"B": test})
        assert overlap.recording == f"file:{train[0].path}"
        with pytest.raises(ValueError, match="bank is empty.* 1 are recordings of"):
            QueryBank.draw(train, test, 1, 0)
    other = [clip("e", path=str(tmp_path / "link" / "2.wav"))]
    assert find_overlaps({"A": train}, {"B": other}) == []


@pytest.mark.parametrize(
    ("column", "written", "expected"),
    [
        ("freesound_id", "0100032", "freesound:100032"),
        ("Freesound ID", "1.00032e5", "freesound:100032"),
        ("freesound_id", "https://freesound.org/s/100032/", "freesound:100032"),
        (
            "freesound_id",
            "http://www.freesound.org/people/a7/sounds/100032/",
            "freesound:100032",
        ),
        ("freesound_id", "100032__a7__rain-2.wav", "freesound:100032"),
        (
            "freesound_id",
            "https://freesound.org/people/a7/sounds/100032/?page=2#comment",
            "freesound:100032",
        ),
        ("freesound_id", "rain on a roof", "freesound:rain on a roof"),
        ("YouTube-ID", "-0abc_defgh", "youtube:-0abc_defgh"),
        ("youtube_id", "Y-0abc_defgh", "youtube:-0abc_defgh"),
        ("youtube_id", "https://youtu.be/-0abc_defgh?t=3", "youtube:-0abc_defgh"),
        (
            "youtube_id",
            "https://www.youtube.com/watch?v=-0abc_defgh&t=3",
            "youtube:-0abc_defgh",
        ),
    ],
)
def test_ids_however_they_are_written(tmp_path, column, written, expected):
    path = tmp_path / "ids.csv"
    path.write_text(f"name,{column}\na,{written}\nb,nan\n")
    [found] = read_recordings(path)
    assert found.source == expected


@pytest.mark.parametrize(
    ("column", "written"),
    [("freesound_id", "1.5"), ("freesound_id", "#REF!"), ("freesound_id", "inf")]
    + [("youtube_id", "#NAME?"), ("freesound_id", "-3"), ("freesound_id", "12;13")]
    + [("freesound_id", "sound 12"), ("freesound_id", "12 13"), ("freesound_id", "a;b")]
    + [("freesound_id", '"12, 13"'), ("freesound_id", "12|13")]
    + [("freesound_id", "https://freesound.org/s/12/;https://freesound.org/s/13/")],
)
def test_what_is_no_id_is_named(tmp_path, column, written):
    """As a spreadsheet makes of a video's id that begins with a hyphen."""
    path = tmp_path / "ids.csv"
    path.write_text(f"{column}\n12\n{written}\n")
    with pytest.raises(ValueError, match=r"ids\.csv, line 3: .* is no id"):
        read_recordings(path)
