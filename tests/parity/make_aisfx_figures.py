"""Recomputes ``tests/fixtures/aisfx.json`` with the package aisfx itself.

It holds some numbers of each embedding that the package's own program writes, block by
block, of made sounds and of five recordings of ESC-10. The package asks for versions of
years ago, and computes its spectrograms with Essentia; so it has an environment of its
own, of Python 3.10, which needs nothing of clap_sb:

    python3.10 -m venv old
    old/bin/pip install aisfx==0.1.2 numpy==1.23.0 torch==1.12.1 numba==0.56.4 \
        essentia==2.1b6.dev1389 pyyaml==6.0.4 six==1.17.0 setuptools==79.0.1 \
        soxr==0.3.7 soundfile==0.14.0
    old/bin/python tests/parity/make_aisfx_figures.py ESC-10
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aisfx_sounds import RATE, REAL, made  # noqa: E402

EVERY = 16  # numbers from one that is stored to the next
FIGURES = Path(__file__).resolve().parents[1] / "fixtures" / "aisfx.json"


def real(folder: Path) -> dict[str, np.ndarray]:
    """The recordings, at another rate and back, so that its resampler has no part."""
    sounds = {}
    for rate, name in REAL.items():
        wav, own = soundfile.read(folder / "audio" / name, dtype="float32")
        there = soxr.resample(wav, own, rate, "HQ")
        sounds[str(rate)] = soxr.resample(there, rate, RATE, "HQ")
    return sounds


def embed(sounds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the package's program writes: ``[blocks, 512]`` each."""
    from aisfx.inference import main as program

    with tempfile.TemporaryDirectory() as folder:
        place, out = Path(folder, "wavs"), Path(folder, "out")
        place.mkdir()
        for name, wav in sounds.items():
            soundfile.write(place / f"{name}.wav", wav, RATE, subtype="FLOAT")
        program(str(place), str(out), use_cuda=False)
        return {name: np.load(out / f"{name}.npy") for name in sounds}


def main() -> None:
    """Writes the figures."""
    figures = {
        name: {
            "norms": [float(np.linalg.norm(row)) for row in rows.astype(np.float64)],
            "every": EVERY,
            "rows": [[round(float(v), 6) for v in row[::EVERY]] for row in rows],
        }
        for name, rows in embed({**made(), **real(Path(sys.argv[1]))}).items()
    }
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
