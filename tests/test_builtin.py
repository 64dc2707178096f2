"""The built-in set: deterministic, in the real layouts, captioned in English."""

from __future__ import annotations

import csv
import hashlib
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from clap_sb.data.builtin import LABELS, write_audiocaps, write_esc50
from clap_sb.data.builtin.event_captions import write_captions
from clap_sb.data.builtin.events import OPPOSITES, Event
from clap_sb.data.builtin.pcm import write_pcm
from clap_sb.data.builtin.scenes import draw_pairs, draw_scenes
from clap_sb.data.builtin.stamp import STAMP, write_once
from clap_sb.data.builtin.words import ADJECTIVES, ADVERBIALS, CLAUSES, NOUNS

SIZES = {"num_train": 12, "num_valid": 3, "num_test": 10}


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(path: Path) -> tuple[wave._wave_params, np.ndarray]:
    with wave.open(str(path), "rb") as file:
        params = file.getparams()
        return params, np.frombuffer(file.readframes(params.nframes), "<i2") / 32767


@pytest.fixture(scope="module")
def captioned(tmp_path_factory):
    return write_audiocaps(tmp_path_factory.mktemp("captioned"), **SIZES, seed=3)


def test_same_seed_same_bytes(captioned, tmp_path):
    again = write_audiocaps(tmp_path / "again", **SIZES, seed=3)
    assert digests(again) == digests(captioned)


def test_other_seed_other_clips(captioned, tmp_path):
    other = digests(write_audiocaps(tmp_path, **SIZES, seed=4))
    same = digests(captioned)
    clips = [name for name in same if name.endswith(".wav")]
    assert other.keys() == same.keys()
    assert all(other[name] != same[name] for name in clips)


def test_a_larger_set_begins_with_the_smaller(captioned, tmp_path):
    larger = write_audiocaps(tmp_path, 15, 3, 10, seed=3)
    small = (captioned / "dataset/train.csv").read_text(encoding="utf-8")
    assert (larger / "dataset/train.csv").read_text(encoding="utf-8").startswith(small)


@pytest.mark.parametrize(
    ("split", "clips", "captions"), [("train", 12, 1), ("val", 3, 5), ("test", 10, 5)]
)
def test_audiocaps_layout(captioned, split, clips, captions):
    rows = table(captioned / "dataset" / f"{split}.csv")
    assert list(rows[0]) == ["audiocap_id", "youtube_id", "start_time", "caption"]
    assert len(rows) == clips * captions
    by_clip: dict[str, set[str]] = {}
    for row in rows:
        assert int(row["start_time"]) >= 0
        by_clip.setdefault(row["youtube_id"], set()).add(row["caption"])
    assert [len(texts) for texts in by_clip.values()] == [captions] * clips
    assert {len(clip) for clip in by_clip} == {11}
    files = {path.stem for path in (captioned / "audio" / split).iterdir()}
    assert files == by_clip.keys()


def test_ids_are_unique_over_the_splits(captioned):
    rows = [
        row
        for split in ("train", "val", "test")
        for row in table(captioned / "dataset" / f"{split}.csv")
    ]
    assert len({row["audiocap_id"] for row in rows}) == len(rows)
    assert len({row["youtube_id"] for row in rows}) == 12 + 3 + 10


def test_clips_are_five_seconds_of_pcm(captioned):
    for path in captioned.rglob("*.wav"):
        params, samples = read(path)
        assert params[:4] == (1, 2, 16000, 80000)
        assert 0.02 < np.abs(samples).max() < 1


def test_pairs_differ_in_one_word(captioned):
    rows = table(captioned / "dataset/attribute_pairs.csv")
    right: dict[str, list[str]] = {}
    for row in table(captioned / "dataset/test.csv"):
        right.setdefault(row["youtube_id"], []).append(row["caption"])
    assert list(rows[0]) == ["youtube_id", "caption", "foil", "attribute"]
    assert len(rows) == 4
    for row in rows:
        assert row["caption"] in right[row["youtube_id"]]
        assert row["foil"] not in right[row["youtube_id"]]
        said, foil = row["caption"].split(), row["foil"].split()
        assert len(said) == len(foil)
        assert sum(a != b for a, b in zip(said, foil, strict=True)) == 1
    assert [row["attribute"] for row in rows] == ["pitch", "pitch", "rate", "rate"]
    for left, other in zip(rows[::2], rows[1::2], strict=True):
        assert (left["caption"], left["foil"]) == (other["foil"], other["caption"])


def test_twenty_pairs_in_a_hundred_clips():
    pairs = draw_pairs(seed=0, split=3, count=20)
    known = tuple(scene for pair in pairs for scene in pair)
    scenes = [*known, *draw_scenes(0, 3, 60, known)]
    assert len({scene.content for scene in scenes}) == 100
    assert len({scene.seed for scene in scenes}) == 80
    for left, right in pairs:
        assert left.seed == right.seed
        assert left.events[0].kind == right.events[0].kind
        assert len(set(left.events[0].traits) ^ set(right.events[0].traits)) == 2


def test_a_quarter_of_the_training_captions_is_bare(tmp_path, monkeypatch):
    silence = np.zeros(80, np.float32)
    monkeypatch.setattr(
        "clap_sb.data.builtin.audiocaps.render_scene", lambda scene: silence
    )
    rows = table(write_audiocaps(tmp_path, 1000, 0, 0, seed=0) / "dataset/train.csv")
    told = {
        phrase
        for words in (ADJECTIVES, ADVERBIALS)
        for phrases in words.values()
        for phrase in phrases
    }
    bare = [
        row
        for row in rows
        if not any(
            f" {word} " in f" {row['caption']} ".replace(",", "") for word in told
        )
    ]
    assert 200 <= len(bare) <= 300


def test_every_kind_and_trait_has_words():
    assert NOUNS.keys() == CLAUSES.keys() == set(LABELS)
    assert ADJECTIVES.keys() == ADVERBIALS.keys() == OPPOSITES.keys()
    for trait, other in OPPOSITES.items():
        assert len(ADJECTIVES[trait]) == len(ADJECTIVES[other])
        assert len(ADVERBIALS[trait]) == len(ADVERBIALS[other])


@pytest.mark.parametrize("kind", LABELS)
def test_captions_of_bare_kinds_suffice(kind):
    captions = write_captions(np.random.default_rng(0), [Event(kind)], "single", 15)
    assert len(set(captions)) == 15
    assert not [text for text in captions if " a a" in text or "  " in text]


def test_esc50_layout(tmp_path):
    folder = write_esc50(tmp_path, 10, seed=1)
    rows = table(folder / "meta/esc50.csv")
    columns = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    assert list(rows[0]) == columns
    assert len(LABELS) >= 12
    assert len(rows) == 10 * len(LABELS)
    for row in rows:
        name = f"{row['fold']}-{row['src_file']}-{row['take']}-{row['target']}.wav"
        assert row["filename"] == name
        assert LABELS[int(row["target"])] == row["category"]
        assert read(folder / "audio" / name)[0].nframes == 80000
    cells = [(row["fold"], row["category"]) for row in rows]
    assert {cells.count(cell) for cell in cells} == {2}
    assert {row["fold"] for row in rows} == set("12345")


def test_a_complete_set_is_left_alone(tmp_path):
    folder = write_esc50(tmp_path / "set", 1, seed=0)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    write_esc50(folder, 1, seed=0)
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_other_settings_replace_the_set(tmp_path):
    write_esc50(tmp_path / "set", 2, seed=0)
    write_audiocaps(tmp_path / "set", 1, 1, 1, seed=0)
    fresh = write_audiocaps(tmp_path / "fresh", 1, 1, 1, seed=0)
    assert digests(tmp_path / "set") == digests(fresh)


def test_a_half_written_set_is_written_anew(tmp_path):
    def fail(folder: Path) -> None:
        (folder / "audio").mkdir()
        (folder / "audio" / "left_over.wav").write_bytes(b"RIFF")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_once(tmp_path / "set", {"clips": 1}, fail)
    assert not (tmp_path / "set" / STAMP).exists()
    write_esc50(tmp_path / "set", 1, seed=0)
    fresh = write_esc50(tmp_path / "fresh", 1, seed=0)
    assert digests(tmp_path / "set") == digests(fresh)


def test_a_set_with_a_clip_missing_is_written_anew(tmp_path):
    folder = write_esc50(tmp_path, 1, seed=0)
    before = digests(folder)
    next(folder.glob("audio/*.wav")).unlink()
    assert digests(write_esc50(folder, 1, seed=0)) == before


def test_another_format_version_is_written_anew(tmp_path):
    folder = write_esc50(tmp_path, 1, seed=0)
    before = digests(folder)
    stamp = json.loads((folder / STAMP).read_text())
    (folder / STAMP).write_text(json.dumps({**stamp, "builtin_format": 0}))
    assert digests(write_esc50(folder, 1, seed=0)) == before


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "train.csv").write_text("mine")
    with pytest.raises(FileExistsError, match="nothing was written"):
        write_audiocaps(tmp_path, 1, 1, 1, seed=0)
    assert digests(tmp_path).keys() == {"dataset/train.csv"}


def test_negative_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Negative"):
        write_audiocaps(tmp_path / "set", 1, -1, 1, seed=0)
    with pytest.raises(ValueError, match="Negative"):
        write_esc50(tmp_path / "set", 1, seed=-1)
    assert not (tmp_path / "set").exists()


def test_samples_beyond_full_scale_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the peak is 1\.500"):
        write_pcm(tmp_path / "loud.wav", np.array([0.0, -1.5]))
