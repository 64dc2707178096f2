"""The benchmark of tagging over time: what calibrates is not what is tested with."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path

import pytest
from scripts import ROOT


@pytest.fixture(scope="module")
def benchmark():
    path = ROOT / "benchmarks" / "tagging_over_time.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(5))
def test_the_halves_share_no_recording(benchmark, seed):
    """Seven of eight crying babies are of one recording, as in fold 5 of ESC-10."""
    recordings = {"baby": "aaaaaaab", "dog": "abcdefgh", "saw": "aabccdde"}
    clips = [
        benchmark.Source(Path(f"{label}{number}"), label, f"{label} {recording}")
        for label, sources in recordings.items()
        for number, recording in enumerate(sources)
    ]
    source = {clip.path: clip.recording for clip in clips}
    halves = benchmark.split(clips, random.Random(seed))
    first, second = (
        {source[path] for paths in half.values() for path in paths} for half in halves
    )
    assert first and second and not first & second
    for label in recordings:
        assert sum(len(half[label]) for half in halves) == 8
    assert len(halves[0]["dog"]) == len(halves[0]["saw"]) == 4


def test_one_recording_cannot_be_split(benchmark):
    clips = [benchmark.Source(Path(name), "dog", "7") for name in "ab"]
    with pytest.raises(SystemExit, match="of dog in this fold are of one recording"):
        benchmark.split(clips, random.Random(0))
