"""Splits of sets that have none of their own."""

from __future__ import annotations

import random

import pytest

from clap_sb.data.manifest import Clip
from clap_sb.data.split import split_clips

SHARES = {"test": 0.2, "valid": 0.1}


def some_clips(count: int, recordings: int | None = None) -> list[Clip]:
    sources = [
        None if recordings is None else f"f:{i % recordings}" for i in range(count)
    ]
    return [Clip(f"{i}", f"/{i}.wav", 1.0, source=s) for i, s in enumerate(sources)]


@pytest.mark.parametrize("count", [3, 7, 40, 101])
def test_each_clip_falls_into_one_part_in_the_sets_order(count):
    clips = some_clips(count)
    parts = split_clips(clips, 1, SHARES)
    assert sorted(sum(parts.values(), []), key=clips.index) == clips
    for name, share in SHARES.items():
        assert len(parts[name]) == max(1, round(share * count))
    assert parts["train"] == sorted(parts["train"], key=clips.index)


def test_the_split_follows_from_seed_and_ids_alone():
    clips = some_clips(40)
    shuffled = random.Random(3).sample(clips, len(clips))
    parts, again = (split_clips(order, 1, SHARES) for order in (clips, shuffled))
    assert {k: set(v) for k, v in parts.items()} == {
        k: set(v) for k, v in again.items()
    }
    assert split_clips(clips, 2, SHARES)["test"] != parts["test"]


def test_clips_of_one_recording_stay_together():
    parts = split_clips(some_clips(60, recordings=12), 1, SHARES)
    owners = [{clip.source for clip in part} for part in parts.values()]
    assert sum(map(len, owners)) == len(set.union(*owners)) == 12


def test_a_share_of_nothing_is_no_part():
    parts = split_clips(some_clips(10), 1, {"test": 0.2, "valid": 0.0})
    assert parts["valid"] == [] and len(parts["train"]) == 8


@pytest.mark.parametrize("clips", [some_clips(2), some_clips(50, recordings=2)])
def test_too_few_to_split_is_told(clips):
    with pytest.raises(ValueError, match="something to train on.*--valid_csv"):
        split_clips(clips, 1, SHARES)
