"""The four views of a clip, against LAION's loader written out with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clap_sb.clips import fill
from clap_sb.features import LogMel
from clap_sb.fusion_views import FusionViews, chunk_ranges

HOP, CLIP = 80, 800  # 11 frames


@pytest.fixture(scope="module")
def log_mel():
    return LogMel(8000, n_fft=256, hop_length=HOP, n_mels=8, f_max=4000.0)


@pytest.fixture(scope="module")
def views():
    return FusionViews(CLIP).eval()


def naive_shrink(mel: np.ndarray, frames: int) -> np.ndarray:
    """Bilinear without antialias: two neighbours of each place, pixel centres."""
    rows = []
    for index in range(frames):
        place = min(max((index + 0.5) * len(mel) / frames - 0.5, 0.0), len(mel) - 1.0)
        low = int(place)
        high, share = min(low + 1, len(mel) - 1), place - low
        rows.append((1 - share) * mel[low] + share * mel[high])
    return np.stack(rows)


def naive_views(log_mel, wav: torch.Tensor, choose):
    if len(wav) <= CLIP:
        wav = fill(wav[None], torch.tensor([len(wav)]), CLIP)[0]
    mel = log_mel(wav[None])[0, 0].numpy()
    frames = CLIP // HOP + 1
    if len(mel) == frames:
        return np.stack([mel] * 4), False
    parts = np.array_split(np.arange(len(mel) - frames + 1), 3)
    parts = [part if len(part) else np.array([0]) for part in parts]
    chunks = [mel[start : start + frames] for start in map(choose, parts)]
    return np.stack([naive_shrink(mel, frames), *chunks]), True


# shorter than a clip; a clip; more samples but not more frames; one frame more (an
# empty third part); two more (all parts have one); long ones
LENGTHS = [300, 800, 879, 880, 960, 1700, 5000]


@pytest.mark.parametrize("length", LENGTHS)
def test_equals_numpy(log_mel, views, length):
    wav = torch.randn(length)
    found, longer = views(log_mel, wav[None], torch.tensor([length]))
    expected, is_long = naive_views(log_mel, wav, lambda part: part[len(part) // 2])
    assert longer.tolist() == [is_long] == [length >= 880]
    np.testing.assert_allclose(found[0].numpy(), expected, atol=1e-4)


def test_a_batch_equals_its_clips(log_mel, views):
    wavs, lengths = torch.randn(len(LENGTHS), max(LENGTHS)), torch.tensor(LENGTHS)
    together, longer = views(log_mel, wavs, lengths)
    for row, wav, length in zip(together, wavs, LENGTHS, strict=True):
        alone, _ = views(log_mel, wav[None, :length], torch.tensor([length]))
        torch.testing.assert_close(row, alone[0], atol=1e-4, rtol=0)
    assert longer.tolist() == [length >= 880 for length in LENGTHS]


def test_ranges_are_those_of_array_split():
    for spare in range(1, 40):
        parts = np.array_split(np.arange(spare + 1), 3)
        expected = [list(part) if len(part) else [0] for part in parts]
        assert [list(part) for part in chunk_ranges(11 + spare, 11)] == expected


def test_chunks_are_fixed_in_eval_and_random_in_training(log_mel):
    views, wav = FusionViews(CLIP), torch.randn(1, 20000)
    lengths = torch.tensor([20000])
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(views.train()(log_mel, wav, lengths)[0])
    assert torch.equal(draws[0], draws[1]), "the seed decides"
    assert (draws[0] - draws[2]).abs().amax((0, 2, 3))[0] == 0, "shrunk: no chance"
    assert ((draws[0] - draws[2]).abs().amax((0, 2, 3))[1:] > 0).all()
    state = torch.random.get_rng_state()
    fixed = [views.eval()(log_mel, wav, lengths)[0] for _ in range(2)]
    assert torch.equal(*fixed)
    assert torch.equal(state, torch.random.get_rng_state()), "eval draws nothing"


def test_random_starts_cover_each_third(monkeypatch):
    views = FusionViews(CLIP).train()
    drawn = torch.tensor([views._starts(11 + 29, 11) for _ in range(600)])
    for column, part in zip(drawn.T, chunk_ranges(11 + 29, 11), strict=True):
        assert set(column.tolist()) == set(part)


def test_explicit_starts_are_taken(log_mel, views):
    wav, lengths = torch.randn(2, 5000), torch.tensor([5000, 400])
    found, _ = views(log_mel, wav, lengths, starts=[[0, 20, 51], [0, 0, 0]])
    mel = log_mel(wav[:1])[0, 0]
    for chunk, start in zip(found[0, 1:], [0, 20, 51], strict=True):
        assert torch.equal(chunk, mel[start : start + 11])
