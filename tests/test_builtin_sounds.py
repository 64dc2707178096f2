"""The built-in sounds are what their captions say, by measurement."""

from __future__ import annotations

import numpy as np
import pytest

from clap_sb.data.builtin.events import KINDS, PITCHES, RATES, Event
from clap_sb.data.builtin.events import render_event as render
from clap_sb.data.builtin.scenes import Scene, render_scene


def kinds_with(attribute: str) -> list[str]:
    return [name for name, kind in KINDS.items() if attribute in kind.attributes]


def spectrogram(sound: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(sound, 512)[::128]
    return np.abs(np.fft.rfft(frames * np.hanning(512))) ** 2


def centroid(sound: np.ndarray) -> float:
    power = spectrogram(sound).sum(axis=0)
    return float(power @ np.arange(len(power)) / power.sum())


def strokes(sound: np.ndarray) -> int:
    """How often the loudness, smoothed over 50 ms, rises steeply."""
    loudness = np.convolve(np.sqrt(spectrogram(sound).sum(axis=1)), np.ones(6), "same")
    rise = np.maximum(0, loudness[4:] - loudness[:-4])
    above = rise > rise.max() / 4
    return int(np.sum(above[1:] & ~above[:-1]) + above[0])


def sweeps(sound: np.ndarray) -> int:
    """How often the loudest frequency rises through its median."""
    power = spectrogram(sound)
    ridge = power.argmax(axis=1)[power.sum(axis=1) > 0.05 * power.sum(axis=1).max()]
    ridge = np.convolve(ridge, np.ones(9) / 9, "valid")
    above = ridge > np.median(ridge)
    return int(np.sum(above[1:] & ~above[:-1]) + above[0])


@pytest.mark.parametrize("ranges", [PITCHES, RATES])
def test_ranges_of_opposites_are_twofold_apart(ranges):
    (low, low_top), (middle, middle_top), (high, _) = ranges.values()
    assert low < low_top < middle < middle_top < high
    assert high >= 2 * low_top


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", kinds_with("pitch"))
def test_high_lies_above_low(kind, seed):
    high, low = (render(Event(kind, (t,)), (seed,), 48000) for t in ("high", "low"))
    assert centroid(high) > 1.4 * centroid(low)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", kinds_with("rate"))
def test_fast_repeats_more_often_than_slow(kind, seed):
    count = sweeps if kind in ("siren", "whistle") else strokes
    fast, slow = (render(Event(kind, (t,)), (seed,), 72000) for t in ("fast", "slow"))
    assert count(fast) >= 1.7 * count(slow) > 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", kinds_with("level"))
def test_loud_is_louder_than_soft(kind, seed):
    loud, soft = (render(Event(kind, (t,)), (seed,), 48000) for t in ("loud", "soft"))
    assert np.mean(loud**2) > 49 * np.mean(soft**2)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", kinds_with("distance"))
def test_near_is_brighter_and_louder_than_far(kind, seed):
    near, far = (render(Event(kind, (t,)), (seed,), 48000) for t in ("near", "far"))
    assert centroid(near) > centroid(far)
    assert np.mean(near**2) > 2 * np.mean(far**2)
    # Only the far one is answered by a room after its end.
    assert np.mean(far[48000:] ** 2) > 1e-8 > 100 * np.mean(near[50000:] ** 2)


def test_level_survives_in_a_clip():
    loud, soft = (
        render_scene(Scene((Event("engine", (trait,)),), "single", (0, 1, 0)))
        for trait in ("loud", "soft")
    )
    assert np.abs(loud).max() > 5 * np.abs(soft).max()
