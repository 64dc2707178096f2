"""What the synthesised events are made of: oscillators, struck bodies, noise, a room.

Waveforms are float32 arrays [time] at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

SAMPLE_RATE = 16000

# A phase is a 32-bit integer, which wraps around with the period by itself; its upper
# bits are the place in a table of one period.
_CYCLE = 2**32
_TABLE_BITS = 12

_MAX_HARMONICS = 24
_SINES = np.sin(
    np.outer(
        np.arange(1, _MAX_HARMONICS + 1),
        np.linspace(0, 2 * np.pi, 2**_TABLE_BITS, endpoint=False),
    )
).astype(np.float32)

# Lengths whose FFT is fast are made of small primes; this is 2^6 * 5^3, and no clip
# needs more than 12 of it.
_FFT_STEP = 8000


def num_samples(seconds: float) -> int:
    """Number of samples in a span of time.

    Arguments
    ---------
    seconds : float
        The span.

    Returns
    -------
    int

    Example
    -------
    >>> num_samples(0.5)
    8000
    """
    return round(seconds * SAMPLE_RATE)


def harmonic(frequency: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
    """A periodic tone whose frequency may change from sample to sample.

    One period is tabulated and read at the running phase.

    Arguments
    ---------
    frequency : np.ndarray
        Fundamental in Hz, [time].
    strengths : Sequence[float]
        Amplitude of the first, second, ... harmonic; at most 24.

    Returns
    -------
    np.ndarray
        [time].

    Example
    -------
    >>> harmonic(np.full(6, 4000.0), [1.0]).astype(int).tolist()
    [1, 0, -1, 0, 1, 0]
    """
    table = np.asarray(strengths, dtype=np.float32) @ _SINES[: len(strengths)]
    increment = (frequency * (_CYCLE / SAMPLE_RATE)).astype(np.uint32)
    phase = np.cumsum(increment, dtype=np.uint32)
    return table[phase >> (32 - _TABLE_BITS)]


def damped(
    frequencies: Sequence[float],
    strengths: Sequence[float],
    decays: Sequence[float],
    seconds: float,
) -> np.ndarray:
    """A struck body: partials that die away exponentially.

    Arguments
    ---------
    frequencies : Sequence[float]
        Partials in Hz.
    strengths : Sequence[float]
        Their amplitudes at the stroke.
    decays : Sequence[float]
        Seconds in which each falls to 1/e.
    seconds : float
        Length.

    Returns
    -------
    np.ndarray
        [time].

    Example
    -------
    >>> stroke = damped([440.0, 880.0], [1.0, 0.5], [0.05, 0.02], 0.25)
    >>> stroke.shape, bool(abs(stroke[:800]).max() > 10 * abs(stroke[-800:]).max())
    ((4000,), True)
    """
    time = np.arange(num_samples(seconds), dtype=np.float32) / SAMPLE_RATE
    wave = np.zeros_like(time)
    for frequency, strength, decay in zip(frequencies, strengths, decays, strict=True):
        wave += strength * np.exp(-time / decay) * np.sin(2 * np.pi * frequency * time)
    return wave


@lru_cache(maxsize=64)
def _bins(size: int) -> np.ndarray:
    """Frequency in Hz of every bin of a real FFT; there are few sizes."""
    return np.fft.rfftfreq(size, 1 / SAMPLE_RATE).astype(np.float32)


def noise(
    rng: np.random.Generator, length: int, low: float, high: float, tilt: float = 0.0
) -> np.ndarray:
    """Noise of a band, of unit RMS, drawn in the frequency domain.

    Arguments
    ---------
    rng : np.random.Generator
        Source of randomness.
    length : int
        Number of samples.
    low, high : float
        Band edges in Hz; 12 dB per octave beyond them.
    tilt : float
        Exponent of the frequency within the band: 0 is white, -1 falls by 6 dB per
        octave.

    Returns
    -------
    np.ndarray
        [time].

    Example
    -------
    >>> hiss = noise(np.random.default_rng(0), 8000, 1000.0, 4000.0)
    >>> hiss.shape, round(float((hiss**2).mean()), 1)
    ((8000,), 1.0)
    """
    size = -(-length // _FFT_STEP) * _FFT_STEP
    frequency = _bins(size)[1:]
    below, above = np.square(low / frequency), np.square(frequency / high)
    gain = frequency**tilt / np.sqrt((1 + below * below) * (1 + above * above))
    # The sum over the bins makes the samples Gaussian, however a bin is distributed.
    parts = (rng.random((2, len(gain)), dtype=np.float32) - 0.5) * gain
    spectrum = np.zeros(len(gain) + 1, dtype=np.complex64)
    spectrum.real[1:], spectrum.imag[1:] = parts
    wave = np.fft.irfft(spectrum, size)[:length].astype(np.float32)
    return wave / np.sqrt(np.mean(wave**2))


def place(
    rng: np.random.Generator, wave: np.ndarray, treble: float, echo: float
) -> np.ndarray:
    """Put a source at a distance: the air takes or leaves the treble, a room answers.

    Arguments
    ---------
    rng : np.random.Generator
        Source of randomness (the room's reflections).
    wave : np.ndarray
        [time].
    treble : float
        Gain towards high frequencies, passing the square root of it at 1.5 kHz: below
        1 it is dull, above 1 bright.
    echo : float
        Energy of the reflections relative to the direct sound; they take 0.7 s.

    Returns
    -------
    np.ndarray
        The waveform and its tail, [time + 0.7 s].

    Example
    -------
    >>> near = place(np.random.default_rng(0), np.ones(800, np.float32), 2.0, 0.0)
    >>> len(near)
    12000
    """
    tail = num_samples(0.7)
    size = -(-(len(wave) + tail) // _FFT_STEP) * _FFT_STEP
    decay = np.exp(-np.arange(tail, dtype=np.float32) / num_samples(0.16))
    room = rng.standard_normal(tail, dtype=np.float32) * decay
    room *= np.sqrt(echo / np.sum(room**2))
    room[0] += 1
    square = np.square(_bins(size) / 1500)
    shelf = np.sqrt((1 + treble * square) / (1 + square / treble))
    spectrum = np.fft.rfft(wave, size) * np.fft.rfft(room, size) * shelf
    return np.fft.irfft(spectrum, size)[: len(wave) + tail].astype(np.float32)
