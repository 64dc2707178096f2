"""Sounds that aiSFX's own code and ours embed; NumPy alone, for both environments."""

from __future__ import annotations

import numpy as np

RATE = 44100
# of five of ESC-10's recordings, by the rate that each is brought to before
REAL = {
    8000: "1-100032-A-0.ogg",
    16000: "2-100786-A-1.ogg",
    22050: "3-104632-A-12.ogg",
    32000: "4-125929-A-40.ogg",
    48000: "5-151085-A-20.ogg",
}


def made() -> dict[str, np.ndarray]:
    """By name: a window, less than a window, and six seconds, float32."""
    rng = np.random.RandomState(5)
    noise = rng.standard_normal(6 * RATE)
    t = np.arange(6 * RATE) / RATE
    chirp = 0.4 * np.sin(2 * np.pi * (100 * t + 1500 * t**2)) + 1e-3 * noise
    bursts = 0.15 * noise * (np.sin(2 * np.pi * 1.7 * t) > 0.4) + 1e-3 * noise
    tones = sum(0.2 * np.sin(2 * np.pi * f * t) for f in (220.0, 1730.0, 6100.0))
    sounds = {
        "window": bursts[:101376],
        "short": (tones + 1e-2 * noise)[:60000],
        "long": np.where(t < 3, chirp, 0.5 * bursts),
    }
    return {name: wav.astype(np.float32) for name, wav in sounds.items()}
