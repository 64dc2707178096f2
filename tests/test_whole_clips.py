"""Whole clips for evaluation: nothing is left out, nothing is doubled."""

from __future__ import annotations

import soundfile
import torch

from clap_sb.clips import window_starts
from clap_sb.data.manifest import Clip
from clap_sb.data.whole_clips import WholeClip, WholeClipDataset, WindowCollate


def test_the_dataset_reads_from_end_to_end_and_tells_of_bad_files(tmp_path):
    wav = torch.arange(2000) / 32768
    soundfile.write(tmp_path / "a.wav", wav.numpy(), 8000, subtype="PCM_16")
    (tmp_path / "b.wav").write_bytes(b"")
    clips = [
        Clip("a", str(tmp_path / "a.wav"), 0.25, ("one", "two")),
        Clip("b", str(tmp_path / "b.wav"), 1.0, ("three",)),
        Clip("c", str(tmp_path / "c.wav"), 1.0),
    ]
    dataset = WholeClipDataset(clips, 8000)
    assert len(dataset) == 3
    good, empty, missing = (dataset[index] for index in range(3))
    assert torch.equal(good.wav, wav)
    assert (good.index, good.captions, good.error) == (0, ("one", "two"), "")
    assert empty.wav is None and "b.wav" in empty.error and "empty" in empty.error
    assert missing.wav is None and "no such file" in missing.error


def test_every_window_of_every_clip(tmp_path):
    lengths = [25, 3, 10, 11, 40]
    clips = [
        WholeClip(7 - place, tuple("abcde"[: place % 3]), torch.randn(length))
        for place, length in enumerate(lengths)
    ]
    batch = WindowCollate(10)(clips)
    assert batch.index == [7, 6, 5, 4, 3]
    row = 0
    for place, clip in enumerate(clips):
        for start in window_starts(len(clip.wav), 10):
            window = clip.wav[start : start + 10]
            assert int(batch.window_clip[row]) == place
            assert torch.equal(batch.windows[row, : len(window)], window)
            assert (batch.windows[row, len(window) :] == 0).all()
            assert round(float(batch.window_lens[row]) * 10) == len(window)
            row += 1
    assert row == len(batch.windows) == len(batch.window_lens)
    assert batch.captions == ["a", "a", "b", "a"]
    assert batch.caption_clip.tolist() == [1, 2, 2, 4]


def test_unreadable_clips_are_set_aside():
    bad = WholeClip(4, ("never",), None, "why not")
    good = WholeClip(5, ("x",), torch.ones(5))
    batch = WindowCollate(10)([bad, good])
    assert batch.unreadable == {4: "why not"}
    assert (batch.index, batch.captions) == ([5], ["x"])
    assert batch.window_clip.tolist() == batch.caption_clip.tolist() == [0]


def test_a_batch_of_unreadable_clips_is_empty():
    batch = WindowCollate(10)([WholeClip(0, ("never",), None, "why not")])
    assert batch.windows.shape == (0, 10) and batch.window_lens.shape == (0,)
    assert batch.index == batch.captions == []
    assert batch.window_clip.dtype == batch.caption_clip.dtype == torch.int64
