"""How the synthesised events go in time: slow curves, fades, repeated strokes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clap_sb.data.builtin.voices import SAMPLE_RATE, num_samples


def drift(
    rng: np.random.Generator, length: int, rate: float, low: float, high: float
) -> np.ndarray:
    """A slow random curve.

    Arguments
    ---------
    rng : np.random.Generator
        Source of randomness.
    length : int
        Number of samples.
    rate : float
        New directions a second.
    low, high : float
        Range of the curve.

    Returns
    -------
    np.ndarray
        [time].

    Example
    -------
    >>> curve = drift(np.random.default_rng(0), 16000, 4.0, 2.0, 3.0)
    >>> bool(curve.min() >= 2 and curve.max() <= 3)
    True
    """
    step = round(SAMPLE_RATE / rate)
    knots = rng.uniform(low, high, -(-length // step) + 1).astype(np.float32)
    course = np.arange(step, dtype=np.float32) / step
    pieces = knots[:-1, None] + np.diff(knots)[:, None] * course
    return pieces.reshape(-1)[:length]


def fade(wave: np.ndarray, attack: float, release: float) -> np.ndarray:
    """Let a waveform rise from silence and fall back to it, linearly.

    Arguments
    ---------
    wave : np.ndarray
        [time].
    attack, release : float
        Seconds.

    Returns
    -------
    np.ndarray
        [time].

    Example
    -------
    >>> fade(np.ones(6), 2 / 16000, 2 / 16000).tolist()
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    faded = wave.copy()
    for edge, seconds in ((faded, attack), (faded[::-1], release)):
        size = min(len(wave), num_samples(seconds))
        edge[:size] *= np.arange(size) / size
    return faded


def repeat(
    rng: np.random.Generator,
    length: int,
    rate: float,
    strike: Callable[[int], np.ndarray],
    wobble: float = 0.04,
) -> np.ndarray:
    """Strokes at a rate, each a little different in time and strength.

    Arguments
    ---------
    rng : np.random.Generator
        Source of randomness.
    length : int
        Number of samples.
    rate : float
        Strokes a second.
    strike : Callable[[int], np.ndarray]
        Gives the waveform of the stroke with this number.
    wobble : float
        Largest shift of a stroke, as a share of the period.

    Returns
    -------
    np.ndarray
        [time].

    Example
    -------
    >>> click = lambda number: np.ones(1, dtype=np.float32)
    >>> ticks = repeat(np.random.default_rng(0), 16000, 5.0, click)
    >>> int((ticks > 0).sum())
    5
    """
    wave = np.zeros(length, dtype=np.float32)
    period = SAMPLE_RATE / rate
    first = period * rng.uniform(wobble, 0.2 + wobble)
    for number in range(int(length / period) + 1):
        onset = int(first + period * (number + rng.uniform(-wobble, wobble)))
        stroke = strike(number)[: max(0, length - onset)]
        wave[onset : onset + len(stroke)] += rng.uniform(0.7, 1.0) * stroke
    return wave
