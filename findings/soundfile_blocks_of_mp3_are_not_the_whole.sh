#!/usr/bin/env bash
# soundfile 0.14.0 (libsndfile 1.2.2, libmpg123 inside); the MP3 is made by PyAV 18.1.0
# (LAME), with a true Xing header.
#
# Expected: that a file read block by block, in order and without a seek, gives the samples
# that one read of all of it gives.
# Seen: of an MP3 at 32 kbit/s it does not: from the second block on, stretches are other
# sound (off by up to half of full scale), and the total length is right. soundfile seeks
# behind every block that it has read, to the place where it is already, and libsndfile's
# seek in MP3 drops the bit reservoir that the next frames need. One read of all agrees
# with FFmpeg; so do the blocks once soundfile is told that the file cannot seek.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.2.6 soundfile==0.14.0 av==18.1.0
cd "$folder"
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
from fractions import Fraction

import av
import numpy as np
import soundfile

RATE, BLOCK = 44_100, 65_536
random = np.random.default_rng(0)
time = np.arange(30 * RATE) / RATE
loud = np.sin(2 * np.pi * time / 3.1) ** 8
wav = 0.2 * np.sin(2 * np.pi * 300 * time) + 0.25 * loud * random.standard_normal(len(time))
wav = np.clip(wav * (time % 7 < 5), -0.98, 0.98).astype(np.float32)
with av.open("a.mp3", "w", format="mp3") as target:
    stream = target.add_stream("libmp3lame", rate=RATE)
    stream.layout, stream.bit_rate = "mono", 32_000
    frame = av.AudioFrame.from_ndarray(wav[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
    for part in (frame, None):
        target.mux(stream.encode(part))


class Unsought(soundfile.SoundFile):
    def seekable(self):
        return False


def in_blocks(kind):
    with kind("a.mp3") as file:
        found = []
        while len(block := file.read(BLOCK, dtype="float32")):
            found.append(block)
        return np.concatenate(found)


at_once, _ = soundfile.read("a.mp3", dtype="float32")
with av.open("a.mp3") as source:
    decoded = np.concatenate([f.to_ndarray()[0] for f in source.decode(audio=0)])
blocks, unsought = in_blocks(soundfile.SoundFile), in_blocks(Unsought)
assert len(blocks) == len(at_once) == len(decoded) == len(wav)
off = np.abs(blocks - at_once)
first = int(np.flatnonzero(off > 1e-3)[0])
print(f"libsndfile {soundfile.__libsndfile_version__}: blocks of {BLOCK} differ from one "
      f"read by up to {off.max():.2f}, in {np.mean(off > 1e-3):.1%} of the samples, from "
      f"sample {first} on")
print(f"one read and FFmpeg differ by {np.abs(at_once - decoded).max():.0e}, "
      f"unsought blocks and one read by {np.abs(unsought - at_once).max():.0e}")
assert off.max() > 0.05 and first >= BLOCK
assert np.abs(at_once - decoded).max() < 1e-4
assert np.abs(unsought - at_once).max() < 1e-6
PYTHON
