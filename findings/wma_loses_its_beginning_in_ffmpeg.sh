#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1's libraries in its wheels): WMA 2 in ASF, written and read by it.
#
# Expected: that a sound comes back from its first sample on, or that the container's
# timestamps tell from where.
# Seen: at 44.1 kHz the first 2,048 samples (46 ms) never come back: a click within them
# is gone. And the first frame that is decoded, which holds sample 2,048 of the sound, is
# stamped 92 ms, twice as late as it was; so neither its place nor its time is right. At
# 16 kHz it is 512 samples. Nothing is raised.
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

print("PyAV", av.__version__)


def through_wma(wav, rate):
    with av.open("a.wma", "w", format="asf") as target:
        stream = target.add_stream("wmav2", rate=rate)
        stream.layout, stream.bit_rate = "mono", 128_000
        frame = av.AudioFrame.from_ndarray(wav[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            target.mux(packet)
    with av.open("a.wma") as source:
        frames = list(source.decode(audio=0))
        first = float(frames[0].pts * frames[0].time_base)
        return np.concatenate([frame.to_ndarray()[0] for frame in frames]), first


for rate, lost in ((44_100, 2_048), (16_000, 512)):
    random = np.random.default_rng(0)
    wav = (0.1 * random.standard_normal(2 * rate)).astype(np.float32)
    found, first = through_wma(wav, rate)
    size = 1 << 19
    spectrum = np.fft.rfft(found, size) * np.conj(np.fft.rfft(wav, size))
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    lag = lag if lag < size // 2 else lag - size
    print(f"{rate} Hz: begins with sample {-lag}, which is stamped {first:.3f} s")
    assert lag == -lost, lag

    click = np.zeros(rate, np.float32)
    click[lost // 4] = 0.9
    found, _ = through_wma(click, rate)
    print(f"  a click of 0.9 at sample {lost // 4} is {np.abs(found).max():.3f} high now")
    assert np.abs(found).max() < 0.1
PYTHON
