"""Kinds of event made of strokes: clock, bell, bird, knock, footsteps, dog, drip,
cricket.

Every voice has the signature `(rng, length, pitch, rate) -> waveform [length]`, with
`pitch` and `rate` factors about 1; a voice ignores what its kind has not. What does not
depend on the number of repetitions is drawn first, so that two events of equal seed
differ in the one factor that was changed. The harmonics stay below 8 kHz at the highest
pitch, so that nothing is mirrored down.
"""

from __future__ import annotations

import numpy as np

from clap_sb.data.builtin.shapes import drift, fade, repeat
from clap_sb.data.builtin.voices import damped, harmonic, noise, num_samples


def _course(seconds: float) -> np.ndarray:
    """Time within a stroke, from 0 to 1."""
    return np.linspace(0, 1, num_samples(seconds), dtype=np.float32)


def clock(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Tick and tock, short and bright."""
    partials = np.array([1900, 3300, 5100]) * rng.uniform(0.8, 1.25)
    strengths = rng.uniform(0.4, 1.0, 3)
    decays = rng.uniform(0.004, 0.012, 3)
    ratio = rng.uniform(0.75, 0.95)
    tick = damped(partials, strengths, decays, 0.08)
    tock = damped(partials * ratio, 0.8 * strengths, decays, 0.08)
    beats = repeat(rng, length, 4.0 * rate, lambda n: tock if n % 2 else tick, 0.01)
    return fade(beats, 0.001, 0.02)


def bell(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """A struck bell with its inharmonic, long partials."""
    ratios = np.array([0.5, 1.0, 1.19, 1.5, 2.0, 2.66, 3.4])
    partials = 640 * pitch * ratios * rng.uniform(0.98, 1.02, 7)
    strengths = np.array([0.4, 1.0, 0.6, 0.4, 0.7, 0.4, 0.3]) * rng.uniform(0.4, 1, 7)
    decays = rng.uniform(0.2, 0.4) / np.sqrt(ratios)
    stroke = fade(damped(partials, strengths, decays, 1.4), 0.002, 0.1)
    return fade(repeat(rng, length, 1.5 * rate, lambda n: stroke), 0.001, 0.15)


def bird(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Chirps: quick glides of a thin, high voice."""
    span = rng.uniform(0.15, 0.4) * rng.choice([-1, 1])
    trill = rng.uniform(0.0, 0.12)
    seconds = rng.uniform(0.07, 0.11)
    course = _course(seconds)
    contour = 1 + span * (course - 0.5) + trill * np.sin(2 * np.pi * 3 * course)

    def chirp(number: int) -> np.ndarray:
        base = 2700 * pitch * rng.uniform(0.93, 1.07)
        return harmonic(base * contour, [1.0]) * np.sin(np.pi * course)

    return fade(repeat(rng, length, 4.2 * rate, chirp, 0.18), 0.001, 0.02)


def knock(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Knuckles on wood: a short, dull resonance."""
    partials = np.array([170, 390, 720, 1300]) * rng.uniform(0.8, 1.3)
    strengths = np.array([1.0, 0.8, 0.5, 0.3]) * rng.uniform(0.5, 1.0, 4)
    decays = np.array([0.04, 0.025, 0.015, 0.008]) * rng.uniform(0.8, 1.3)
    stroke = damped(partials, strengths, decays, 0.25)
    return fade(repeat(rng, length, 3.0 * rate, lambda n: stroke, 0.08), 0.001, 0.02)


def footsteps(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """A soft heel and the scuff of the sole after it."""
    heel_top, scuff_low = rng.uniform(180, 400), rng.uniform(700, 1800)
    scuff_level = rng.uniform(0.15, 0.45)
    course = _course(0.22)
    late = np.maximum(0, course - 0.25)

    def foot() -> np.ndarray:
        heel = noise(rng, len(course), 60, heel_top) * np.exp(-14 * course)
        scuff = noise(rng, len(course), scuff_low, 4500)
        scuff *= 20 * late * np.exp(-10 * late)
        return fade(heel + scuff_level * scuff, 0.002, 0.02)

    feet = foot(), foot()
    steps = repeat(rng, length, 2.1 * rate, lambda n: feet[n % 2], 0.05)
    return fade(steps, 0.001, 0.02)


def dog(rng: np.random.Generator, length: int, pitch: float, rate: float) -> np.ndarray:
    """Barks: hoarse bursts of a falling voice."""
    seconds = rng.uniform(0.14, 0.2)
    course = _course(seconds)
    contour = 0.75 + 0.5 * np.sin(np.pi * course**0.6)
    orders = np.arange(1, 9)
    peak = rng.uniform(2.0, 3.5)
    strengths = np.exp(-(((orders - peak) / 2.5) ** 2)) + 0.15
    rough = rng.uniform(0.2, 0.5) * noise(rng, len(course), 800 * pitch, 2400 * pitch)

    def bark(number: int) -> np.ndarray:
        base = 400 * pitch * rng.uniform(0.94, 1.06)
        voice = harmonic(base * contour, strengths)
        return fade(voice + rough, 0.015, 0.7 * seconds)

    return fade(repeat(rng, length, 2.3 * rate, bark, 0.12), 0.001, 0.02)


def drip(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Drops into water: rounded blips that rise while they ring."""
    rise = rng.uniform(0.3, 0.8)
    course = _course(0.12)
    envelope = np.exp(-rng.uniform(4, 7) * course)
    spray = rng.uniform(0.05, 0.2) * noise(rng, len(course), 1500, 6000)
    spray *= np.exp(-30 * course)

    def drop(number: int) -> np.ndarray:
        base = 950 * pitch * rng.uniform(0.93, 1.07)
        blip = harmonic(base * (1 + rise * course), [1.0, 0.1])
        return fade((blip + spray) * envelope, 0.003, 0.02)

    return fade(repeat(rng, length, 2.2 * rate, drop, 0.15), 0.001, 0.02)


def cricket(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Trains of very short pulses on one high note."""
    pulses = int(rng.integers(3, 6))
    seconds = 0.03 * pulses
    course = _course(seconds)
    buzz = np.sqrt(np.abs(np.sin(np.pi * course))) * np.abs(
        np.sin(np.pi * pulses * course)
    )
    note = 3800 * pitch * drift(rng, len(course), 10 / seconds, 0.99, 1.01)
    train = harmonic(note, [1.0]) * buzz
    shimmer = 0.02 * noise(rng, length, 0.8 * 3800 * pitch, min(7600, 4600 * pitch))
    trains = repeat(rng, length, 2.6 * rate, lambda n: train, 0.06)
    return fade(trains + shimmer, 0.01, 0.03)
