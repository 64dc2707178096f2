"""Towers with feature fusion are given whole clips, in training and in evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from clap_sb.clips import num_samples
from clap_sb.data.crop_rules import CROP_RULES
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import Pair, PairCollate, PairDataset
from clap_sb.data.whole_clips import WholeClipDataset, WindowCollate
from clap_sb.encoders.htsat import HTSAT
from clap_sb.evaluation.embedding import embed_clips
from clap_sb.features import LogMel
from clap_sb.model import CLAP

RATE, CLIP_SAMPLES = 8000, 8000
LENGTHS = [26001, 3000, 8000]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wavs")
    rng = np.random.RandomState(0)
    made = []
    for index, length in enumerate(LENGTHS):
        path = folder / f"{index}.wav"
        wav = 0.1 * rng.standard_normal(length).astype(np.float32)
        soundfile.write(path, wav, RATE, subtype="FLOAT")
        made.append(Clip(str(index), str(path), length / RATE, ("a sound",)))
    return made


def read(clip: Clip) -> torch.Tensor:
    return torch.from_numpy(soundfile.read(clip.path, dtype="float32")[0])


def test_pairs_hold_whole_clips(clips):
    whole = PairDataset(clips, RATE, CLIP_SAMPLES, seed=1, whole_clips=True)
    cut = PairDataset(clips, RATE, CLIP_SAMPLES, seed=1)
    for index, clip in enumerate(clips):
        assert torch.equal(whole[1, index].wav, read(clip))
    assert [len(cut[1, index].wav) for index in range(3)] == [8000, 3000, 8000]


@pytest.mark.parametrize("length", [17_000_003, 48_000 * 600 + 1])
def test_lengths_are_exact_for_long_clips(length):
    """float32 cannot tell these from their neighbours."""
    wav = torch.zeros(1).expand(length)
    pairs = [Pair("a", wav[: length - 1], "x"), Pair("b", wav, "y")]
    batch = PairCollate(lambda captions: {})(pairs)
    assert num_samples(batch.wavs, batch.wav_lens).tolist() == [length - 1, length]


def test_collated_clips_are_whole(clips):
    items = [WholeClipDataset(clips, RATE)[index] for index in range(3)]
    batch = WindowCollate(CLIP_SAMPLES, whole_clips=True)(items)
    assert batch.windows.shape == (3, max(LENGTHS))
    assert batch.window_clip.tolist() == [0, 1, 2]
    assert num_samples(batch.windows, batch.window_lens).tolist() == LENGTHS
    for row, clip, length in zip(batch.windows, clips, LENGTHS, strict=True):
        assert torch.equal(row[:length], read(clip)) and not row[length:].any()


@torch.no_grad()
def test_an_evaluation_hears_whole_clips(clips):
    log_mel = LogMel(RATE, 256, 80, 16, f_max=4000.0)
    tower = HTSAT(
        log_mel,
        CLIP_SAMPLES,
        fusion="aff_2d",
        spec_size=64,
        window_size=4,
        embed_dim=16,
        depths=[1, 1],
        num_heads=[1, 2],
    )
    clap = CLAP(tower, nn.Identity(), nn.Linear(32, 8), nn.Identity(), nn.Identity())
    found = embed_clips(clap, clips, batch_size=2, with_captions=False)
    expected = torch.cat([clap.encode_audio(read(clip)[None]) for clip in clips])
    torch.testing.assert_close(found.audio, expected, atol=1e-5, rtol=1e-5)
    assert found.crop_rule == CROP_RULES["whole"].describe(True)
    assert "fused views" in found.crop_rule
