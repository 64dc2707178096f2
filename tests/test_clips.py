"""Length rules against loops that a reader can check by eye."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clap_sb.clips import cut_windows, num_samples, sum_of_windows, window_starts
from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WindowBatch
from clap_sb.evaluation.embedding import Embedder
from clap_sb.inference.encoder import Encoder
from clap_sb.model import CLAP


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


def test_windows_that_do_not_exist_are_not_touched():
    embedding = torch.randn(2, 3, 4)
    embedding[0, 2] = float("inf")
    embedding[1, 1:] = float("nan")
    valid = torch.tensor([[True, True, False], [True, False, False]])
    total = sum_of_windows(embedding, valid)
    torch.testing.assert_close(total[0], embedding[0, :2].sum(0))
    assert torch.equal(total[1], embedding[1, 0])


class Spread(nn.Module):
    """A tower whose embedding is the window itself: nothing depends on the batch."""

    sample_rate, clip_samples, takes_whole_clips = 8, 10, False

    def forward(self, wavs, wav_lens=None):
        lengths = num_samples(wavs, wav_lens)
        heard = torch.arange(wavs.shape[1]) < lengths.unsqueeze(1)
        return nn.functional.pad(wavs * heard, (0, 10 - wavs.shape[1]))


def test_long_clips_are_the_same_wherever_they_are_embedded():
    """By the model, by the interface, by an evaluation; of one window to the bit."""
    none = nn.Identity()
    model = CLAP(Spread(), none, none, none, none)
    model.register_parameter("where", nn.Parameter(torch.zeros(1)))
    generator = torch.Generator().manual_seed(5)
    lengths = [47, 10, 3, 20, 11]
    clips = [torch.randn(length, generator=generator) for length in lengths]
    batch = nn.utils.rnn.pad_sequence(clips, batch_first=True)
    by_model = model.encode_audio(batch, torch.tensor(lengths).double() / 47)
    by_interface = Encoder(model).encode_audio(clips, 8, batch_size=2)
    pieces = [
        (clip, clips[clip][s : s + 10])
        for clip in range(5)
        for s in window_starts(lengths[clip], 10)
    ]
    windows = WindowBatch(
        windows=nn.utils.rnn.pad_sequence([p for _, p in pieces], batch_first=True),
        window_lens=torch.tensor([len(piece) / 10 for _, piece in pieces]),
        window_clip=torch.tensor([clip for clip, _ in pieces]),
        captions=[],
        caption_clip=torch.zeros(0, dtype=torch.int64),
        index=list(range(5)),
        unreadable={},
        silent=[],
    )
    by_evaluation, _ = Embedder([Clip(str(i), "", 1.0) for i in range(5)]).add(
        model, windows
    )
    for clip, wav in enumerate(clips):
        rows = [wav[start : start + 10] for start in window_starts(len(wav), 10)]
        units = [model.encode_audio(row[None])[0] for row in rows]
        mean = sum(units) / len(units)
        for found in (by_model, by_interface, by_evaluation):
            if len(units) == 1:
                assert torch.equal(found[clip], units[0])
            torch.testing.assert_close(found[clip], mean / mean.norm())
