"""Length rules against loops that a reader can check by eye."""

from __future__ import annotations

import pytest
import torch

from clap_sb.clips import (
    cut_windows,
    mean_of_windows,
    num_samples,
    window_starts,
)


@pytest.mark.parametrize("time", [1, 1000, 480000, 60 * 48000])
def test_num_samples_inverts_relative_lengths(time):
    counts = torch.randint(1, time + 1, (500,))
    wavs = torch.zeros(1).expand(500, time)
    wav_lens = (counts / time).float()
    assert torch.equal(num_samples(wavs, wav_lens), counts)


def test_num_samples_without_lengths():
    assert num_samples(torch.zeros(3, 8), None).tolist() == [8, 8, 8]


@pytest.mark.parametrize("length", [1, 9, 10, 11, 19, 20, 21, 35])
def test_window_starts_cover_a_clip_and_end_with_it(length):
    starts = window_starts(length, 10)
    covered = {at for start in starts for at in range(start, min(start + 10, length))}
    assert covered == set(range(length))
    assert starts == sorted(set(starts))
    assert len(starts) == -(-length // 10)
    assert length <= 10 or starts[-1] + 10 == length


def test_cut_windows_agrees_with_window_starts():
    lengths = torch.tensor([35, 30, 21, 20, 11, 10])
    wavs = torch.randn(6, 35)
    windows, valid = cut_windows(wavs, lengths, 10)
    for clip, length in enumerate(lengths.tolist()):
        starts = window_starts(length, 10)
        assert valid[clip].tolist() == [i < len(starts) for i in range(4)]
        for row, start in zip(windows[clip], starts, strict=False):
            assert torch.equal(row, wavs[clip, start : start + 10])


def test_a_clip_shorter_than_a_window_has_one():
    wavs = torch.randn(1, 25)
    windows, valid = cut_windows(wavs, torch.tensor([3]), 10)
    assert valid.tolist() == [[True, False, False]]
    assert torch.equal(windows[0, 0, :3], wavs[0, :3])


def test_mean_of_windows_does_not_touch_windows_that_do_not_exist():
    embedding = torch.randn(2, 3, 4)
    embedding[0, 2] = float("inf")
    embedding[1, 1:] = float("nan")
    valid = torch.tensor([[True, True, False], [True, False, False]])
    mean = mean_of_windows(embedding, valid)
    torch.testing.assert_close(mean[0], embedding[0, :2].mean(0))
    torch.testing.assert_close(mean[1], embedding[1, 0])
