#!/usr/bin/env bash
# PyAV 16.0.1 (FFmpeg 8.0's libraries in its wheels): ALAC, which is lossless, in Apple's
# CAF container, written and read by it.
#
# Expected: that the container's number of valid frames is the number of samples that were
# written, for CAF's packet table has fields for it and for what the last packet lacks.
# Seen: the number is that of full packets of 4,096, and nothing is said to be missing from
# the last one. Whoever holds the promise against what is decoded takes every such file
# for cut short by up to 4,095 samples (93 ms). All samples are there, bit for bit. FFmpeg
# 8.1 writes the right number; files of before are about, and it tells the same of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.2.6 av==16.0.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE, PACKET = 44_100, 4_096
random = np.random.default_rng(0)
for length in (PACKET, 5_000, RATE):
    wav = random.integers(-20_000, 20_000, length).astype(np.int16)
    with av.open("a.caf", "w", format="caf") as target:
        stream = target.add_stream("alac", rate=RATE)
        stream.layout, stream.format = "mono", "s16p"
        frame = av.AudioFrame.from_ndarray(wav[None], format="s16p", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            target.mux(packet)
    content = Path("a.caf").read_bytes()
    packets, valid, priming, missing = struct.unpack_from(
        ">qqii", content, content.index(b"pakt") + 12
    )
    with av.open("a.caf") as source:
        stream = source.streams.audio[0]
        told = stream.duration
        found = np.concatenate([f.to_ndarray()[0] for f in source.decode(stream)])
    print(f"{length} samples: {len(found)} decoded, {valid} promised")
    assert np.array_equal(found, wav)
    assert (packets, priming, missing) == (-(-length // PACKET), 0, 0)
    assert valid == told == packets * PACKET
PYTHON
