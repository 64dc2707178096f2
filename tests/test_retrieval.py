"""Retrieval against its slow twin, worked examples, and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import naive
import pytest
import torch
from torch.nn.functional import normalize

from clap_sb.evaluation.retrieval import Retrieval, retrieval

ROOT = Path(__file__).resolve().parents[1]
BENCHMARK = ROOT / "benchmarks" / "retrieval_memory.py"

CASES = ["spread", "close", "duplicates", "constant"]


def make(num_clips: int, max_captions: int, case: str, seed: int = 0):
    """Embeddings with a ragged number of captions a clip, in a shuffled order."""
    generator = torch.Generator().manual_seed(seed)
    counts = torch.randint(1, max_captions + 1, (num_clips,), generator=generator)
    clip = torch.arange(num_clips).repeat_interleave(counts)
    clip = clip[torch.randperm(len(clip), generator=generator)]
    audio = torch.randn(num_clips, 6, generator=generator)
    noise = torch.randn(len(clip), 6, generator=generator)
    text = audio[clip] + (0.3 if case == "close" else 1.5) * noise
    if case == "duplicates":  # a third of the clips, and of the captions, are equal
        audio[: num_clips // 3] = audio[0]
        text[: len(clip) // 3] = text[0]
    if case == "constant":
        audio, text = torch.ones_like(audio), torch.ones_like(text)
    return normalize(audio, dim=1), normalize(text, dim=1), clip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("num_clips", "max_captions"), [(1, 3), (7, 1), (13, 5), (40, 3)]
)
def test_equals_naive(num_clips, max_captions, case):
    audio, text, clip = make(num_clips, max_captions, case)
    result = retrieval(audio, text, clip)
    t2a, a2t = naive.retrieval_ranks(audio, text, clip)
    assert result.text_to_audio_ranks.tolist() == t2a
    own = [sorted(torch.tensor(a2t)[clip == c].tolist()) for c in range(num_clips)]
    ranks = result.audio_to_text_ranks
    assert [sorted(ranks[clip == c].tolist()) for c in range(num_clips)] == own
    assert result.scores() == pytest.approx(naive.retrieval_scores(t2a, a2t, clip))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("block_size", [1, 2, 7, 10_000])
def test_block_size_changes_nothing(block_size, case):
    inputs = make(9, 4, case)
    expected, result = retrieval(*inputs), retrieval(*inputs, block_size=block_size)
    assert torch.equal(result.text_to_audio_ranks, expected.text_to_audio_ranks)
    assert torch.equal(result.audio_to_text_ranks, expected.audio_to_text_ranks)


@pytest.mark.parametrize("case", CASES)
def test_order_of_clips_and_captions_changes_nothing(case):
    audio, text, clip = make(20, 4, case)
    clips = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    captions = torch.randperm(len(text), generator=torch.Generator().manual_seed(2))
    new_clip = clips.argsort()[clip][captions]
    shuffled = retrieval(audio[clips], text[captions], new_clip)
    expected = retrieval(audio, text, clip)
    assert shuffled.scores() == pytest.approx(expected.scores())
    ranks = expected.text_to_audio_ranks[captions]
    assert torch.equal(shuffled.text_to_audio_ranks, ranks)


def test_perfect_model_has_full_marks():
    audio = torch.eye(12)
    clip = torch.arange(12).repeat(5)
    scores = retrieval(audio, audio[clip], clip).scores()
    for name, value in scores.items():
        if "recall" in name or "map" in name:
            assert value == pytest.approx(100), name
    assert scores["t2a_median_rank"] == scores["a2t_median_rank"] == 1
    assert (scores["num_clips"], scores["num_captions"]) == (12, 60)


def test_constant_model_has_none():
    audio = normalize(torch.ones(12, 4), dim=1)
    clip = torch.arange(12).repeat_interleave(2)
    result = retrieval(audio, audio[clip], clip)
    assert result.text_to_audio_ranks.tolist() == [11] * 24
    assert result.audio_to_text_ranks.tolist() == [22, 23] * 12
    assert result.scores()["a2t_recall_at_10"] == 0


def test_map_of_audio_to_text_by_hand():
    # Clip 0 finds its captions at ranks 0, 3 and 12, clip 1 its only one at rank 4.
    ranks = torch.tensor([3, 4, 12, 0])
    result = Retrieval(torch.zeros(4).long(), ranks, torch.tensor([0, 1, 0, 0]))
    first = (1 / 1 + 2 / 4 + 0) / 3
    assert result.scores()["a2t_map_at_10"] == pytest.approx(50 * (first + 1 / 5))
    assert result.scores()["a2t_recall_at_1"] == 50
    assert result.scores()["a2t_median_rank"] == 3  # best ranks 0 and 4


def test_map_of_text_to_audio_by_hand():
    ranks = torch.tensor([0, 1, 9, 10])
    scores = Retrieval(ranks, torch.zeros(4).long(), torch.arange(4)).scores()
    assert scores["t2a_map_at_10"] == pytest.approx(25 * (1 + 1 / 2 + 1 / 10))
    assert scores["t2a_recall_at_10"] == 75
    assert scores["t2a_median_rank"] == 6  # between 1 and 9, counted from 1


def test_a_tie_counts_against_the_model_and_a_difference_does_not():
    clips = normalize(torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1e-2]]), dim=1)
    result = retrieval(clips, clips, torch.arange(3))
    assert result.text_to_audio_ranks.tolist() == [1, 1, 0]


def test_precision_settings_do_not_touch_the_ranks():
    inputs = make(40, 3, "spread")
    expected = retrieval(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = retrieval(*inputs)
    assert torch.equal(result.text_to_audio_ranks, expected.text_to_audio_ranks)
    assert torch.equal(result.audio_to_text_ranks, expected.audio_to_text_ranks)


def test_intervals_hold_the_scores_and_follow_the_seed():
    result = retrieval(*make(60, 4, "spread"))
    scores, intervals = result.scores(), result.intervals(seed=3, num_resamples=300)
    shares = [name for name in scores if "recall" in name or "map" in name]
    assert list(intervals) == shares and len(shares) == 8
    for name, (low, high) in intervals.items():
        assert low <= scores[name] <= high, name
        assert high - low > 1, name
    assert result.intervals(seed=3, num_resamples=300) == intervals
    assert result.intervals(seed=4, num_resamples=300) != intervals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a, t, c: (a, t, c.clamp(max=3)), "1 clips have no caption.*clip 4"),
        (lambda a, t, c: (a, t, c + 1), "from 1 to 5, but there are 5 clips"),
        (lambda a, t, c: (a, t, c - 1), "from -1 to 3"),
        (lambda a, t, c: (a, t, c.float()), "clip indices"),
        (lambda a, t, c: (a, t, c[:-1]), "expected 5 clip indices"),
        (lambda a, t, c: (2 * a, t, c), "audio: row 0 has norm 2"),
        (lambda a, t, c: (a, t * (1 + 2e-3), c), "text: row 0 has norm 1.002"),
        (lambda a, t, c: (a, t * torch.nan, c), "text: 5 rows are not finite"),
        (lambda a, t, c: (a[:0], t, c), "audio: expected embeddings"),
        (lambda a, t, c: (a, t[:, :4] + 0, c), "norm 0|dimensions"),
    ],
)
def test_wrong_input_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        retrieval(*change(torch.eye(5), torch.eye(5), torch.arange(5)))


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_stays_below_that_of_the_full_matrix():
    run = subprocess.run(
        [sys.executable, str(BENCHMARK), "--num_clips=4000", "--dim=16"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    measured = dict(line.split()[:2] for line in run.stdout.splitlines())
    assert float(measured["full_matrix_mib"]) > 300
    assert float(measured["added_mib"]) < 200
