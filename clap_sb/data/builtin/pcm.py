"""WAV files, 16 bit, written with the standard library alone."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from clap_sb.data.builtin.voices import SAMPLE_RATE


def write_pcm(path: Path, samples: np.ndarray) -> None:
    """Write a mono waveform as a 16-bit WAV file at 16 kHz.

    Arguments
    ---------
    path : Path
        The file.
    samples : np.ndarray
        [time], within [-1, 1].

    Raises
    ------
    ValueError
        If samples lie outside [-1, 1] and would wrap around.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "half.wav")
    ...     write_pcm(path, np.full(16000, 0.5))
    ...     path.stat().st_size
    32044
    """
    peak = np.abs(samples).max(initial=0.0)
    if not peak <= 1:
        raise ValueError(f"{path}: the peak is {peak:.3f}; scale it to at most 1.")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
