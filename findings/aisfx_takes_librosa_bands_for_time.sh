#!/usr/bin/env bash
# aisfx 0.1.2 with librosa 0.9.2 (the version that it pins): its blocks of spectrograms, as
# its program cuts them for the network (EMB_BLOCK_LENGTH 100, a hop of 0.5, partial blocks
# dropped, all defaults).
#
# Expected: that spectrogram_type='librosa', offered for convenience beside 'essentia',
# gives the same kind of embeddings from a slightly different spectrogram: a row for each
# second, of a hundred frames by 96 mel bands.
# Seen: one row, however long the file is. librosa's spectrogram is [bands, frames], and
# Essentia's [frames, bands]; both are cut along the first axis. With librosa the 96
# bands, and four rows of zeros, are taken for the hundred frames, and all frames of the
# file for its bands. The network pools over both, so that nothing is raised: time and
# frequency have changed places in every embedding.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.10 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==1.23.0 numba==0.56.4 scipy==1.10.1 \
    librosa==0.9.2 soundfile==0.12.1 setuptools==79.0.1
"$folder/venv/bin/pip" install --quiet --no-deps aisfx==0.1.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib import metadata

import numpy as np
import soundfile

# its own modules, without the network, which takes torch
sys.path.insert(0, str(metadata.distribution("aisfx").locate_file("aisfx")))
from preprocessing import blocking, compute_hopSize
from spectrogram.spectrogram_librosa import compute_spectrogram

for seconds in (5, 20):
    wav = 0.1 * np.random.default_rng(0).standard_normal(seconds * 44_100)
    soundfile.write("a.wav", wav, 44_100)
    # the arguments of aisfx.inference.main
    spec = compute_spectrogram(
        filename="a.wav", sr=44100.0, block_size=2048, hop_size=1024, n_mels=96,
        f_min=0.0, f_max=22050.0,
    )
    blocks = blocking(spec, 100, compute_hopSize(100, 0.5, spec), True)
    frames = seconds * 44_100 // 1024 + 1
    wanted = blocking(spec.T, 100, compute_hopSize(100, 0.5, spec.T), True)
    print(f"{seconds} s: blocks {blocks.shape}, of the transposed one {wanted.shape}")
    assert blocks.shape == (1, 100, frames), "it is cut along time now"
    assert np.array_equal(blocks[0, :96], spec) and not blocks[0, 96:].any()
    assert wanted.shape == ((frames - 100) // 50 + 1, 100, 96)
PYTHON
