#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1's libraries in its wheels): ALAC, which is lossless, in Apple's
# CAF container, written and read by it.
#
# Expected: that as many samples come back as were written, as from the same codec in MP4.
# Seen: of CAF files every second one loses its end, up to 2,047 samples (46 ms): those
# whose last packet of 4,096 samples is more than half full. The container tells by how
# much the last packet of 4,096 falls short; ALAC's last packet has its own length inside
# already, so that the same samples are taken off twice. What is kept is bit for bit
# right, nothing is raised, and the header still tells the full length.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.2.6 av==18.1.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from fractions import Fraction

import av
import numpy as np

RATE, PACKET = 44_100, 4_096
random = np.random.default_rng(0)


def by_ffmpeg(path, container, wav):
    with av.open(path, "w", format=container) as target:
        stream = target.add_stream("alac", rate=RATE)
        stream.layout, stream.format = "mono", "s16p"
        frame = av.AudioFrame.from_ndarray(wav[None], format="s16p", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            target.mux(packet)


def decoded(path):
    with av.open(path) as source:
        stream = source.streams.audio[0]
        told = stream.duration
        return np.concatenate([f.to_ndarray()[0] for f in source.decode(stream)]), told


for length in (PACKET * 3, PACKET * 3 + 1_000, PACKET * 3 + 3_000, 5 * RATE):
    wav = random.integers(-20_000, 20_000, length).astype(np.int16)
    by_ffmpeg("a.m4a", "ipod", wav)
    by_ffmpeg("a.caf", "caf", wav)
    lengths = {}
    for path in ("a.m4a", "a.caf"):
        found, told = decoded(path)
        assert np.array_equal(found, wav[: len(found)])
        assert told == length
        lengths[path] = len(found)
    print(f"{length} samples: MP4 {lengths['a.m4a']}, CAF {lengths['a.caf']}")
    rest = length % PACKET
    # the packet's padding, taken off a packet that never had it
    kept = length - (PACKET - rest if rest > PACKET // 2 else 0)
    assert lengths["a.m4a"] == length
    assert lengths["a.caf"] == kept, (lengths, kept)
PYTHON
