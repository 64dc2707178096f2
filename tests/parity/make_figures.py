"""Recomputes ``tests/fixtures/log_mel.json`` with torchlibrosa.

Run from the root of the repository, where torchlibrosa and librosa are installed (the
``parity`` extra):

    python tests/parity/make_figures.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from builders import FAMILIES, FIXTURES, figure_signal  # noqa: E402

EVERY = 10  # frames from one that is stored to the next


def torchlibrosa_log_mel(sample_rate: int, hop_length: int) -> torch.Tensor:
    """The signal through the checkpoints' own front end: ``[frames, mels]``, dB."""
    from torchlibrosa.stft import LogmelFilterBank, Spectrogram

    spectrogram = Spectrogram(
        n_fft=1024,
        hop_length=hop_length,
        win_length=1024,
        window="hann",
        center=True,
        pad_mode="reflect",
        freeze_parameters=True,
    )
    log_mel = LogmelFilterBank(
        sr=sample_rate,
        n_fft=1024,
        n_mels=64,
        fmin=50,
        fmax=14000,
        ref=1.0,
        amin=1e-10,
        top_db=None,
        freeze_parameters=True,
    )
    return log_mel(spectrogram(figure_signal(sample_rate)[None]))[0, 0]


def main() -> None:
    """Writes the figures of every family."""
    figures = {}
    for name, family in FAMILIES.items():
        log_mel = torchlibrosa_log_mel(**family)
        figures[name] = {
            "frames": len(log_mel),
            "mean": round(float(log_mel.double().mean()), 5),
            "every": EVERY,
            "log_mel": [
                [round(v, 4) for v in row] for row in log_mel[::EVERY].tolist()
            ],
        }
    path = FIXTURES / "log_mel.json"
    path.write_text(json.dumps(figures) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
