"""The benchmark of a folder: both embed the same, and each has its turns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[1]


def test_both_embed_a_folder_in_turn(tmp_path):
    pytest.importorskip("librosa")
    random = np.random.RandomState(0)
    for name in ("a", "b", "c"):
        wav = 0.1 * random.standard_normal(9600)
        soundfile.write(tmp_path / f"{name}.wav", wav, 48000)
    words = [sys.executable, str(ROOT / "benchmarks" / "embed_folder.py")]
    words += [str(tmp_path), "--small", "--rounds", "2", "--most", "2"]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert told.startswith("2 recordings, least cosine of both ")
    assert "| clap_sb |" in told and "| transformers |" in told
    ratios = told.partition("round by round: ")[2].splitlines()[0].split(", ")
    assert len(ratios) == 2 and all(float(ratio) > 0 for ratio in ratios)
