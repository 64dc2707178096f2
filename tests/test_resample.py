"""The resampler against sines, a naive twin and itself, whole and in spans."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soxr
import torch

from clap_sb.data.resample import Resampler, resample

COMMON = [(44100, 48000), (44100, 32000), (48000, 44100), (48000, 16000), (8000, 48000)]
COMMON += [(22050, 32000), (32000, 44100), (96000, 44100), (192000, 48000)]
# Reduced, hardly smaller: soxr rounds the step from one sample of these to the next.
ODD = [(11127, 48000), (44100, 47999), (44101, 48000), (48000, 47999), (12345, 32000)]
ODD += [(7919, 32000)]
EXTREME = [(100, 48000), (48000, 100), (384000, 44100), (1021, 1024)]
PAIRS = COMMON + ODD + EXTREME


def full_scale_noise(num_samples: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(num_samples, generator=generator) - 1


def soft_noise(num_samples: int, band: float) -> np.ndarray:
    """Noise of up to `band` cycles a sample that fades in and out."""
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(num_samples))
    spectrum[int(band * num_samples) :] = 0
    noise = np.fft.irfft(spectrum, num_samples) * np.hanning(num_samples)
    return noise / np.abs(noise).max()


def sine(frequency: float, sample_rate: int, end: int, begin: int = 0) -> np.ndarray:
    return np.sin(2 * np.pi * (np.arange(begin, end) * (frequency / sample_rate) % 1.0))


def windowed_sinc(wav: np.ndarray, old: int, new: int) -> np.ndarray:
    """Slowly, in float64: each new sample is a sum over those around it."""
    cutoff, reach = 0.95 * min(1.0, new / old), 150 * max(1.0, old / new)
    found = []
    for index in range(math.ceil(len(wav) * new / old)):
        place = index * old / new
        first, last = max(0, math.ceil(place - reach)), math.floor(place + reach)
        near = np.arange(first, min(last + 1, len(wav)))
        away = place - near
        window = np.i0(12 * np.sqrt((1 - (away / reach) ** 2).clip(0))) / np.i0(12)
        found.append(np.sum(wav[near] * cutoff * np.sinc(cutoff * away) * window))
    return np.array(found)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_lengths_are_rounded_up(old, new):
    for num_samples in (0, 1, 2, 3, 5, 100, 441, 4409, 4410, 4411, 44101):
        if num_samples * new > 1e8 * old:
            continue
        found = resample(full_scale_noise(num_samples), old, new)
        assert found.dtype == torch.float32
        assert len(found) == -(-num_samples * new // old), num_samples


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_span_has_the_bits_of_the_whole(old, new):
    resampler = Resampler(old, new)
    wav = full_scale_noise(5 * max(old, old * 2**15 // max(old, new)) // 2 + 1)
    whole = resampler(wav)
    size, asked = len(whole), []

    def read(begin: int, end: int) -> torch.Tensor:
        asked.append((begin, end))
        return wav[begin:end]

    draw = np.random.default_rng(1)
    spans = [(0, 1), (0, 177), (size - 1, size), (size - 178, size), (0, size), (5, 5)]
    for length in (1, 3, 160, size // 3, size // 2):
        begin = int(draw.integers(0, size - length))
        spans += [(begin, begin + length), (begin | 1, (begin | 1) + length - 1)]
    # where the pieces meet
    seam = round(2**15 * new / max(old, new))
    starts = range(max(0, seam - 150), seam + 150, 29)
    spans += [(start, min(start + 300, size)) for start in starts]
    spans = [(begin, max(begin, min(end, size))) for begin, end in spans]
    for begin, end in spans:
        found = resampler.span(read, len(wav), begin, end)
        assert torch.equal(found, whole[begin:end]), (begin, end)
    assert len(asked) == len(spans), "read once for each span"


def test_no_more_is_read_than_a_piece_on_either_side():
    asked = []

    def read(begin: int, end: int) -> torch.Tensor:
        asked.append((begin, end))
        return torch.zeros(end - begin)

    for begin in range(0, 10**6, 99_991):
        Resampler(44100, 48000).span(read, 10**7, begin, begin + 48000)
        ((first, last),) = asked
        asked.clear()
        assert begin * 147 / 160 - 31_000 < first <= max(0, begin * 147 / 160 - 128)
        assert (
            (begin + 48000) * 147 / 160 + 128
            <= last
            < (begin + 48000) * 147 / 160 + 31_000
        )


def off_from_one_run(old: int, new: int) -> float:
    """How far noise in pieces is from noise in one run, by the largest sample."""
    wav = full_scale_noise(3 * old)
    expected = soxr.resample(wav.numpy(), old, new, quality="HQ")
    found = resample(wav, old, new).numpy()
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("old", "new"), COMMON + EXTREME)
def test_pieces_are_one_run_of_soxr(old, new):
    """To the rounding of float32, which soxr computes in."""
    assert off_from_one_run(old, new) <= 1e-6


@pytest.mark.parametrize(("reach", "least", "most"), [(64, 1e-4, 4e-4), (104, 0, 1e-6)])
def test_what_is_heard_around_a_piece_is_enough(reach, least, most, monkeypatch):
    monkeypatch.setattr("clap_sb.data.resample._REACH", reach)
    for old, new in ((48000, 16000), (8000, 48000), (100, 48000)):
        assert least <= off_from_one_run(old, new) <= most


def test_pieces_do_not_drift_as_one_run_does():
    old, new, seconds = 44100, 47999, 60
    wav = torch.from_numpy(sine(10000.0, old, seconds * old)).float()
    expected = sine(10000.0, new, seconds * new)
    last = slice(-new, -1000)
    for found, least, most in (
        (resample(wav, old, new).numpy(), 0, 1e-5),
        (soxr.resample(wav.numpy(), old, new, quality="HQ"), 1e-4, 1e-3),
    ):
        assert least <= np.abs(found[last] - expected[last]).max() <= most


@pytest.mark.parametrize(("old", "new"), [*COMMON[:5], *ODD, (1021, 1024)])
def test_noise_is_that_of_a_naive_twin(old, new):
    """Nothing comes early or late, and nothing is missing, at the ends either."""
    lower = min(old, new)
    wav = soft_noise(1500 * old // lower, 0.25 * lower / old)
    found = resample(torch.from_numpy(wav).float(), old, new).double().numpy()
    expected = windowed_sinc(wav, old, new)
    assert np.abs(found - expected).max() <= 5e-5


@pytest.mark.parametrize(("old", "new"), PAIRS[:-4])
def test_a_long_way_in_a_sine_is_where_it_belongs(old, new):
    frequency, begin = 0.37 * min(old, new), 3 * 3600 * new + 17

    def read(first: int, last: int) -> torch.Tensor:
        return torch.from_numpy(sine(frequency, old, last, first)).float()

    span = Resampler(old, new).span(read, 4 * 3600 * old, begin, begin + 1000)
    expected = sine(frequency, new, begin + 1000, begin)
    assert np.abs(span.numpy() - expected).max() <= 2e-4


@pytest.mark.parametrize(("old", "new"), [*COMMON, *EXTREME[2:]])
def test_an_impulse_stays_where_it_is_and_is_symmetric(old, new):
    resampler, divisor = Resampler(old, new), math.gcd(old, new)
    count = math.ceil(1000 * divisor / min(old, new))
    place, expected = count * old // divisor, count * new // divisor
    wav = torch.zeros(2 * place + 1)
    wav[place] = 1.0
    found = resampler(wav)
    largest = found.max()
    assert found.argmax() == expected
    around = min(expected, 300)
    before = found[expected - around : expected].flip(0)
    after = found[expected + 1 : expected + 1 + around]
    assert (before - after).abs().max() <= 1e-6 * largest


@pytest.mark.parametrize(("old", "new"), COMMON)
def test_what_the_lower_rate_holds_passes(old, new):
    """0.01 dB at 0.91 of half the lower rate, and 120 dB of what was not there."""
    for part, decibel in ((0.01, 1e-4), (0.5, 1e-3), (0.8, 0.005), (0.91, 0.011)):
        frequency = round(part * min(old, new) / 2)
        found = resample(torch.from_numpy(sine(frequency, old, old)).float(), old, new)
        angles = 2 * np.pi * frequency * np.arange(new) / new
        basis = np.stack([np.sin(angles), np.cos(angles)], axis=1)[
            new // 10 : -new // 10
        ]
        heard = found.double().numpy()[new // 10 : -new // 10]
        (sines, cosines), *_ = np.linalg.lstsq(basis, heard, rcond=None)
        assert abs(20 * math.log10(math.hypot(sines, cosines))) <= decibel, part
        assert abs(math.atan2(cosines, sines)) <= 1e-6, part
        rest = heard - basis @ [sines, cosines]
        assert np.sqrt(2 * np.mean(rest**2)) <= 1e-6, part


@pytest.mark.parametrize(("old", "new"), [p for p in COMMON if p[1] < p[0]])
def test_what_the_new_rate_cannot_hold_is_removed(old, new):
    for part in (1.0, 1.01, 1.05, 1.3, 1.9):
        frequency = part * new / 2
        if frequency < old / 2:
            wav = torch.from_numpy(sine(frequency, old, old)).float()
            left = resample(wav, old, new)[200:-200]
            assert left.square().mean().sqrt() <= 1e-6, part


@pytest.mark.parity
@pytest.mark.parametrize(("old", "new"), COMMON)
def test_librosa_gives_the_same_numbers(old, new):
    """LAION-CLAP's own pipeline reads files with it."""
    librosa = pytest.importorskip("librosa")
    wav = full_scale_noise(3 * old + 1)
    theirs = librosa.resample(
        wav.numpy(), orig_sr=old, target_sr=new, res_type="soxr_hq"
    )
    ours = resample(wav, old, new).numpy()
    assert abs(len(ours) - len(theirs)) <= 1
    shorter = min(len(ours), len(theirs)) - 1  # theirs may end on a sample of silence
    off = np.abs(ours[:shorter] - theirs[:shorter]).max()
    assert off <= 1e-6 * np.abs(ours).max()
