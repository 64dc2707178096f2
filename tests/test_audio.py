"""Audio is read right in every format, whole and in spans; bad files are named."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
import torch

from clap_sb.data.audio import AudioError, AudioInfo, probe, read_wav, resample

LOSSLESS = {"wav": "PCM_16", "flac": "PCM_16"}


def sine(sample_rate: int, seconds: float, frequency: float = 440.0) -> np.ndarray:
    times = np.arange(round(sample_rate * seconds)) / sample_rate
    return 0.5 * np.sin(2 * np.pi * frequency * times)


def noise(num_frames: int, channels: int = 1) -> np.ndarray:
    return 0.2 * np.random.default_rng(0).standard_normal((num_frames, channels))


def sine_fit(wav: torch.Tensor, sample_rate: int, frequency: float):
    """Amplitude of a sine in a waveform, and the largest deviation from it."""
    wav = wav.double()
    angles = 2 * math.pi * frequency * torch.arange(len(wav)).double() / sample_rate
    basis = torch.stack([angles.sin(), angles.cos()], dim=1)
    weights = torch.linalg.lstsq(basis, wav[:, None]).solution
    residual = wav - (basis @ weights)[:, 0]
    edge = sample_rate // 50  # resamplers and codecs ring at the ends
    return weights.norm().item(), residual[edge:-edge].abs().max().item()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("sample_rate", [8000, 44100])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_formats(tmp_path, suffix, sample_rate, channels):
    path = tmp_path / f"tone.{suffix}"
    tone = np.stack([sine(sample_rate, 0.5)] * channels, axis=1)
    soundfile.write(path, tone, sample_rate)

    assert probe(path) == AudioInfo(0.5, sample_rate, channels)
    wav = read_wav(path, sample_rate)
    assert wav.shape == (sample_rate // 2,)
    assert wav.dtype == torch.float32
    amplitude, residual = sine_fit(wav, sample_rate, 440.0)
    assert amplitude == pytest.approx(0.5, abs=1e-4 if suffix in LOSSLESS else 0.02)
    assert residual < (1e-4 if suffix in LOSSLESS else 0.05)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_24_bit(tmp_path, suffix):
    path = tmp_path / f"fine.{suffix}"
    samples = noise(1000).clip(-0.9, 0.9)
    soundfile.write(path, samples, 48000, subtype="PCM_24")
    torch.testing.assert_close(
        read_wav(path, 48000),
        torch.from_numpy(samples[:, 0]).float(),
        rtol=0,
        atol=2**-22,
    )


@pytest.mark.parametrize("channels", [2, 3, 6])
def test_channels_are_averaged(tmp_path, channels):
    path = tmp_path / "many.wav"
    samples = noise(500, channels)
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    expected = torch.from_numpy(samples.mean(axis=1)).float()
    torch.testing.assert_close(read_wav(path, 16000), expected)


@pytest.mark.parametrize("new_rate", [32000, 44100, 48000])
@pytest.mark.parametrize("sample_rate", [8000, 11127, 22050, 44100, 44056, 96000])
def test_resampling_keeps_frequency_and_amplitude(sample_rate, new_rate):
    wav = torch.from_numpy(sine(sample_rate, 0.5, 1000.0)).float()
    resampled = resample(wav, sample_rate, new_rate)
    assert resampled.shape == (math.ceil(len(wav) * new_rate / sample_rate),)
    assert resampled.dtype == torch.float32
    amplitude, residual = sine_fit(resampled, new_rate, 1000.0)
    assert amplitude == pytest.approx(0.5, abs=2e-3)
    assert residual < 2e-3


def test_resampling_removes_what_the_new_rate_cannot_hold():
    wav = torch.from_numpy(sine(48000, 0.5, 15000.0)).float()
    assert resample(wav, 48000, 16000)[400:-400].abs().max() < 0.01


def test_equal_rates_leave_the_samples_alone():
    wav = torch.rand(100)
    assert torch.equal(resample(wav, 16000, 16000), wav)


# The last two pairs have hardly a common divisor.
RATES = [(16000, 16000), (44100, 48000), (48000, 44100), (8000, 48000), (96000, 16000)]
RATES += [(11127, 48000), (44100, 47999)]


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(("sample_rate", "new_rate"), RATES[:2])
def test_span_in_every_format(tmp_path, suffix, sample_rate, new_rate):
    check_spans(tmp_path / f"noise.{suffix}", sample_rate, new_rate)


@pytest.mark.parametrize(("sample_rate", "new_rate"), RATES[2:])
def test_span_at_every_rate(tmp_path, sample_rate, new_rate):
    check_spans(tmp_path / "noise.wav", sample_rate, new_rate)


def check_spans(path, sample_rate, new_rate):
    """Each span equals the slice of the whole file."""
    soundfile.write(path, noise(3 * sample_rate // 2 + 1, 2), sample_rate)
    whole = read_wav(path, new_rate)
    for start, duration in [
        (0.0, 1.5),
        (0.0, 0.01),
        (0.1234567, 0.5),
        (1.0, 1 / new_rate),
        (1.25, None),
        (1.49, 10.0),
    ]:
        begin = round(start * new_rate)
        length = len(whole) if duration is None else round(duration * new_rate)
        span = read_wav(path, new_rate, start=start, duration=duration)
        # decoders of lossy formats are not exact about where they begin
        atol = 0 if path.suffix[1:] in LOSSLESS else 2e-6
        torch.testing.assert_close(
            span, whole[begin : begin + length], rtol=0, atol=atol
        )


def test_only_the_span_is_decoded(tmp_path):
    """And two thirds of a second on, where it is resampled."""
    path = tmp_path / "long.wav"
    samples = noise(96000)[:, 0]
    samples[72000:] = np.nan
    soundfile.write(path, samples, 48000, subtype="FLOAT")
    assert read_wav(path, 48000, duration=1.5).shape == (72000,)
    assert read_wav(path, 44100, duration=0.8).shape == (35280,)
    with pytest.raises(AudioError, match="not finite"):
        read_wav(path, 48000)


def test_span_after_the_end(tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, noise(8000), 8000)
    assert read_wav(path, 8000, start=0.99, duration=5.0).shape == (80,)
    for start in (1.0, 7.5):
        with pytest.raises(AudioError, match=r"short.wav: .* the file ends at 1.000 s"):
            read_wav(path, 8000, start=start)


@pytest.mark.parametrize(("start", "duration"), [(-0.1, None), (0, 0), (0, -1)])
def test_impossible_span(tmp_path, start, duration):
    with pytest.raises(ValueError, match="cannot start at"):
        read_wav(tmp_path / "any.wav", 8000, start=start, duration=duration)


def both_fail(path, reason):
    """Header and samples are refused with the file's name and the reason."""
    for read in (probe, lambda path: read_wav(path, 16000)):
        with pytest.raises(AudioError, match=reason) as error:
            read(path)
        assert path.name in str(error.value)


def test_missing_file_or_folder(tmp_path):
    both_fail(tmp_path / "gone.wav", "no such file")
    folder = tmp_path / "folder.wav"
    folder.mkdir()
    both_fail(folder, "is a folder")


def test_empty_file(tmp_path):
    path = tmp_path / "empty.wav"
    path.touch()
    both_fail(path, "0 bytes")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_no_audio_at_all(tmp_path, suffix):
    path = tmp_path / f"page.{suffix}"
    path.write_text("<html>Too many requests</html>" * 50)
    both_fail(
        path, rf"cannot be decoded.*ffmpeg -i .*page.{suffix} .*page-converted.wav"
    )


def test_header_without_samples(tmp_path):
    path = tmp_path / "hollow.wav"
    soundfile.write(path, np.zeros((0, 1)), 16000)
    both_fail(path, "no samples")


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_cut_file(tmp_path, suffix):
    path = tmp_path / f"cut.{suffix}"
    soundfile.write(path, noise(48000), 48000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for start in (0.0, 0.99):
        with pytest.raises(AudioError, match=rf"cut.{suffix}: the audio data is c.*"):
            read_wav(path, 48000, start=start)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite(tmp_path, value):
    path = tmp_path / "bad.wav"
    samples = noise(1000, 2)
    samples[500, 1] = value
    soundfile.write(path, samples, 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"bad.wav: .* not finite"):
        read_wav(path, 16000)


def test_silence_is_valid(tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(16000), 16000)
    assert torch.equal(read_wav(path, 16000), torch.zeros(16000))


def test_names_of_any_script(tmp_path):
    path = tmp_path / "-ä 音 {x} $y.flac"
    soundfile.write(path, noise(800), 8000)
    assert probe(str(path)).duration == 0.1
    assert read_wav(str(path), 8000).shape == (800,)
