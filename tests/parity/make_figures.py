"""Recomputes the stored figures with the peers' own packages.

``tests/fixtures/log_mel.json`` holds log-mels of torchlibrosa, and
``tests/fixtures/upstream.json`` embeddings of the classes of laion_clap, msclap and
panns_inference, made small: names and shapes of their weights, which are drawn by name,
and what they give for the clips and captions of ``tests/peer_inputs.py``.

Run from the root of the repository, after ``make parity`` has installed the packages:

    HF_HUB_OFFLINE=1 .venv/bin/python tests/parity/make_figures.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import peers  # noqa: E402
from builders import FAMILIES, FIXTURES, figure_signal  # noqa: E402
from golden import CONSTANTS, FRONT_ENDS, filled  # noqa: E402
from peer_inputs import PEERS, noise  # noqa: E402

EVERY = 10  # frames from one that is stored to the next
DIGITS = 6


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


def log_mel_figures() -> dict:
    """Log-mels of every family."""
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
    return figures


def small_figures(name: str) -> dict:
    """Names and shapes of a small model, and what it gives."""
    theirs = peers.panns(small=True) if name == "panns" else peers.build(name, True)
    own = theirs.state_dict()
    shapes = {key: list(value.shape) for key, value in own.items()}
    state = filled(shapes, FRONT_ENDS[name])
    state |= {k: v for k, v in own.items() if any(part in k for part in CONSTANTS)}
    theirs.load_state_dict(state, strict=True)
    found = _panns_outputs(theirs) if name == "panns" else peers.outputs(name, theirs)
    rounded = {
        key: [[round(v, DIGITS) for v in row] for row in value.tolist()]
        for key, value in found.items()
    }
    return {"shapes": shapes, **rounded}


@torch.no_grad()
def _panns_outputs(theirs: torch.nn.Module) -> dict[str, torch.Tensor]:
    found = theirs(noise(320000, 1)[None])
    return {"embedding": found["embedding"], "classes": found["clipwise_output"]}


def main() -> None:
    """Writes both files."""
    models = {name: small_figures(name) for name in (*PEERS, "panns")}
    for file, figures in (("log_mel", log_mel_figures()), ("upstream", models)):
        path = FIXTURES / f"{file}.json"
        path.write_text(json.dumps(figures) + "\n", encoding="utf-8")
        print(f"wrote {path}")


if __name__ == "__main__":
    main()
