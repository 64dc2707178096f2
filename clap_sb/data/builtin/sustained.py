"""Kinds of event that last: tone, siren, rain, engine, alarm, whistle, wind, car horn.

Every voice has the signature `(rng, length, pitch, rate) -> waveform [length]`, with
`pitch` and `rate` factors about 1; a voice ignores what its kind has not. What does not
depend on the number of repetitions is drawn first, so that two events of equal seed
differ in the one factor that was changed. The harmonics stay below 8 kHz at the highest
pitch, so that nothing is mirrored down.
"""

from __future__ import annotations

import numpy as np

from clap_sb.data.builtin.shapes import drift, fade
from clap_sb.data.builtin.voices import SAMPLE_RATE, harmonic, noise


def _cycles(
    rng: np.random.Generator, length: int, rate: float, wobble: float
) -> np.ndarray:
    """Running phase, in cycles, of a movement at about `rate` a second."""
    speed = (rate / SAMPLE_RATE) * drift(rng, length, 2.0, 1 - wobble, 1 + wobble)
    return np.cumsum(speed, dtype=np.float64).astype(np.float32) + rng.random()


def tone(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """A held electronic note."""
    strengths = np.array([1.0, 0.5, 0.5, 0.25, 0.2]) * rng.random(5) ** 2
    strengths[0] = 1.0
    vibrato = drift(rng, length, 6.0, 0.993, 1.007)
    swell = drift(rng, length, 2.0, 0.75, 1.0)
    return fade(harmonic(520 * pitch * vibrato, strengths) * swell, 0.05, 0.15)


def siren(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """A pitch that climbs and falls without pause."""
    depth = rng.uniform(0.3, 0.42)
    sharpness = rng.uniform(0.2, 0.6)
    strengths = np.array([1.0, 0.6, 0.4, 0.3]) * rng.uniform(0.5, 1, 4)
    cycles = _cycles(rng, length, 0.85 * rate, 0.06)
    triangle = 4 * np.abs(cycles % 1 - 0.5) - 1
    sine = np.cos(2 * np.pi * cycles)
    contour = sharpness * triangle + (1 - sharpness) * sine
    return fade(harmonic(760 * pitch * (1 + depth * contour), strengths), 0.08, 0.2)


def rain(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Hiss made of many drops."""
    low, high = rng.uniform(400, 1200), rng.uniform(5000, 7500)
    hiss = noise(rng, length, low, high, rng.uniform(-0.6, 0.0))
    grain = 64
    drops = rng.gamma(rng.uniform(0.4, 1.2), size=-(-length // grain))
    patter = np.repeat(drops.astype(np.float32), grain)[:length]
    return fade(hiss * (0.5 + patter), 0.3, 0.3)


def engine(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Firing cylinders: a low pulse train through a body, with mechanical noise."""
    firing = 85 * pitch
    orders = np.arange(1, 25)
    body = rng.uniform(2.5, 4.5)
    strengths = np.exp(-(((orders - body) / 3) ** 2)) + 0.4 / orders
    strengths *= rng.uniform(0.5, 1.0, len(orders))
    frequency = firing * drift(rng, length, 3.0, 0.96, 1.04)
    pulses = harmonic(frequency, strengths)
    gate = 0.4 + np.maximum(0, harmonic(frequency, [1.0]))
    rattle = noise(rng, length, 300, 2500, -0.5) * gate * rng.uniform(0.15, 0.5)
    return fade(pulses + rattle, 0.2, 0.3)


def alarm(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Beeps of an electronic clock, even and hard-edged."""
    strengths = np.array([1.0, 0.1, 0.4, 0.1]) * rng.uniform(0.3, 1, 4)
    share = rng.uniform(0.4, 0.6)
    step = rng.choice([1.0, 1.0, 1.19])
    cycles = _cycles(rng, length, 2.6 * rate, 0.01)
    within = cycles % 1
    edge = 0.02
    gate = np.clip(np.minimum(within, share - within) / edge, 0, 1)
    frequency = 950 * pitch * np.where(cycles % 2 < 1, 1.0, step)
    return fade(harmonic(frequency, strengths) * gate, 0.005, 0.01)


def whistle(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Breathy, nearly pure glides upwards, one breath each."""
    span = rng.uniform(0.35, 0.55)
    bend = rng.uniform(0.7, 1.5)
    breath = rng.uniform(0.03, 0.1)
    cycles = _cycles(rng, length, 0.95 * rate, 0.08)
    within = cycles % 1
    gate = np.clip(np.minimum(within, 0.85 - within) / 0.12, 0, 1)
    frequency = 1250 * pitch * (1 + span * np.minimum(within, 0.85) ** bend)
    glide = harmonic(frequency, [1.0, 0.08])
    air = noise(rng, length, 900 * pitch, 2600 * pitch)
    return fade((glide + breath * air) * gate, 0.02, 0.05)


def wind(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Rumble and a howling band, swelling independently."""
    rumble = noise(rng, length, 80, rng.uniform(300, 600), -0.8)
    centre = rng.uniform(350, 900)
    howl = noise(rng, length, 0.85 * centre, 1.15 * centre)
    hiss = noise(rng, length, 500, 4000, -1.0)
    wave = rumble * drift(rng, length, 1.5, 0.3, 1.0)
    wave += howl * drift(rng, length, 1.2, 0.0, 1.0) ** 2
    wave += 0.4 * hiss * drift(rng, length, 1.8, 0.1, 1.0)
    return fade(wave, 0.4, 0.4)


def car_horn(
    rng: np.random.Generator, length: int, pitch: float, rate: float
) -> np.ndarray:
    """Two reedy notes held together, in a few honks."""
    interval = rng.uniform(1.19, 1.34)
    strengths = rng.uniform(0.4, 1.0, 9) / np.arange(1, 10) ** 0.6
    pattern = _cycles(rng, length, rng.uniform(0.5, 1.4), 0.25)
    share = rng.uniform(0.65, 0.9)
    within = pattern % 1
    gate = np.clip(np.minimum(within, share - within) / 0.03, 0, 1)
    base = 350 * pitch * drift(rng, length, 3.0, 0.995, 1.005)
    chord = harmonic(base, strengths) + harmonic(interval * base, strengths)
    return fade(chord * gate, 0.02, 0.04)
