"""The pictures of sounds: silence is black, loud is bright, all of a file is seen."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from builders import SAMPLE_RATE, tiny_htsat

from clap_sb.data.audio import AudioError
from clap_sb.features import LogMel
from clap_sb.inference.drawn_log_mel import drawn_decibels
from clap_sb.serve import picture
from clap_sb.serve.picture import overview_png, spectrogram_png

FLOORS = (1e-10, 1e-4)  # LAION's, and the demo's, whose silence has -40 dB


def listener(amin: float):
    log_mel = LogMel(SAMPLE_RATE, 256, 80, n_mels=16, f_max=4000, amin=amin)
    tower = tiny_htsat()
    tower.log_mel = log_mel
    model = SimpleNamespace(audio_encoder=tower, sample_rate=SAMPLE_RATE)
    return SimpleNamespace(
        model=model, device=torch.device("cpu"), sample_rate=SAMPLE_RATE
    )


def pixels(png: bytes) -> np.ndarray:
    """``[rows, columns]``: brightness from 0 to 1, high frequencies first."""
    from matplotlib.image import imread

    return imread(io.BytesIO(png))[..., :3].mean(-1)


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(round(seconds * SAMPLE_RATE), generator=generator) - 0.5


def write(path, wav: torch.Tensor):
    soundfile.write(path, wav.numpy(), SAMPLE_RATE)
    return path


@pytest.mark.parametrize("amin", FLOORS)
def test_silence_is_black(amin):
    wav = torch.cat([noise(1.0), torch.zeros(2 * SAMPLE_RATE)])
    image = pixels(spectrogram_png(listener(amin), wav))
    columns = image.shape[1]
    assert image[:, columns // 2 :].max() < 0.02
    assert image[:, : columns // 4].mean() > 0.2
    assert (
        pixels(spectrogram_png(listener(amin), torch.zeros(SAMPLE_RATE))).max() < 0.02
    )


@pytest.mark.parametrize("amin", FLOORS)
def test_the_same_sound_is_darker_where_it_is_quieter(amin):
    levels = [
        pixels(spectrogram_png(listener(amin), gain * noise(1.0))).mean()
        for gain in (1.0, 0.3, 0.1, 0.03)
    ]
    steps = -np.diff(levels)
    assert (steps > 0.04).all(), levels


@pytest.mark.parametrize("amin", FLOORS)
def test_the_scale_ends_20_db_below_a_full_tone(amin):
    log_mel = listener(amin).model.audio_encoder.log_mel
    time = torch.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    best = log_mel.mel_filters.max(1).values.argmax().item()
    tone = torch.cos(2 * torch.pi * best * SAMPLE_RATE / log_mel.n_fft * time)
    lowest, highest = drawn_decibels(log_mel)
    assert log_mel(tone[None]).max().item() == pytest.approx(highest + 20, abs=2.0)
    silence = log_mel(torch.zeros(1, SAMPLE_RATE)).max().item()
    assert lowest == pytest.approx(max(silence, highest - 70), abs=1e-4)


def test_a_floor_above_the_scale_leaves_one():
    lowest, highest = drawn_decibels(LogMel(SAMPLE_RATE, 256, 80, f_max=4000, amin=1e9))
    assert lowest < highest


@pytest.mark.parametrize("seconds", [0.004, 0.02, 1.0, 70.0])
def test_all_of_a_file_is_seen(seconds, tmp_path):
    """Its second half is silent, and its first one loud."""
    wav = noise(seconds)
    wav[len(wav) // 2 :] = 0
    path = write(tmp_path / "half.wav", wav)
    image = pixels(overview_png(listener(1e-4), path))
    rows, columns = image.shape
    assert rows == 96 and columns == min(600, len(wav) // 80 + 1)
    if columns < 8:
        return
    # away from the waveform, whose line is drawn through silence
    band = image[: rows // 5]
    edge = columns // 40 + 2
    assert band[:, : columns // 2 - edge].min() > 0.1
    assert band[:, columns // 2 + edge :].max() < 0.02


@pytest.mark.parametrize("peak", [1.0, 0.5, 0.1])
def test_the_waveform_is_as_high_as_the_sound_is_loud(peak, tmp_path):
    wav = torch.full((SAMPLE_RATE,), peak)
    wav[::2] *= -1
    image = pixels(overview_png(listener(1.0), write(tmp_path / "a.wav", wav)))
    middle = image[:, image.shape[1] // 2]
    lit = middle > middle[0] if peak < 1 else np.ones(96, bool)
    assert lit.sum() == pytest.approx(96 * peak, abs=2)


def test_of_a_long_file_a_part_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "_MOST_SECONDS", 60.0)
    wav = noise(90.0)
    wav[len(wav) // 2 :] = 0
    path = write(tmp_path / "long.wav", wav)
    read = []
    original = picture.AudioFile.read
    monkeypatch.setattr(
        picture.AudioFile,
        "read",
        lambda file, begin, end: read.append(end - begin) or original(file, begin, end),
    )
    image = pixels(overview_png(listener(1e-4), path))
    assert image.shape[1] == 600 and sum(read) <= 600 * SAMPLE_RATE // 10
    assert image[:20, :290].mean() > 0.1 > image[:20, 310:].max()


def test_a_file_that_is_no_sound_is_told(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound")
    with pytest.raises(AudioError, match="cannot be decoded"):
        overview_png(listener(1e-4), tmp_path / "a.wav")
