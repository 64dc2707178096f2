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
    write_overlaps,
)


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
    write_overlaps(path, overlaps)
    with open(path, newline="", encoding="utf-8") as file:
        assert [Overlap(**row) for row in csv.DictReader(file)] == overlaps
    write_overlaps(path, [])
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
