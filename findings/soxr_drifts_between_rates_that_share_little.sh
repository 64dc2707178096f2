#!/usr/bin/env bash
# soxr 1.1.0 (libsoxr's Python wheel), whole waveforms resampled in one call, HQ.
#
# Expected: that resampling is a fixed filter, so that a steady tone comes out as the same
# tone, as exact after ten minutes as after one second, whatever the two rates are.
# Seen: between 44,100 and 48,000 Hz it does. From 44,100 Hz to the 22,254 Hz of old
# Macintosh sounds, or from those to 48,000 Hz, the output slides away from the tone,
# steadily: a sine of 3 kHz and amplitude 1 is off by about 4e-6 in the third second, 1e-4
# after a minute and 1e-3 after ten, where the rounding of float32 is 5e-7. The step
# from one output sample to the next has a limited precision, and between rates that
# share no large divisor its rounding adds up. Nothing is raised. Who cuts a long sound
# into pieces, each with what the filter reaches on either side, gets other samples than
# from one call, and the more so the later the piece.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.2.6 soxr==1.1.0
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import soxr

TONE = 3_000.0
SECONDS = (3, 60, 600)


def tone(rate, seconds):
    phase = TONE * (np.arange(int(seconds * rate)) / rate)
    return np.sin(2 * np.pi * (phase % 1.0)).astype(np.float32)


def error_at(old, new, seconds):
    """The largest difference to the tone itself, in the second before the last."""
    found = soxr.resample(tone(old, seconds), old, new, quality="HQ")
    begin, end = (seconds - 2) * new, (seconds - 1) * new
    return float(np.abs(found[begin:end] - tone(new, seconds)[begin:end]).max())


print("soxr", soxr.__version__)
errors = {}
for old, new in ((44_100, 48_000), (44_100, 22_254), (22_254, 48_000)):
    errors[old, new] = [error_at(old, new, seconds) for seconds in SECONDS]
    told = ", ".join(f"{e:.1e} at {s} s" for e, s in zip(errors[old, new], SECONDS))
    print(f"{old} -> {new} Hz: {told}")
assert max(errors[44_100, 48_000]) < 2e-6, "rates that share a divisor drift too"
for pair in ((44_100, 22_254), (22_254, 48_000)):
    first, minute, last = errors[pair]
    assert first < 1e-5 and minute > 4e-5 and last > 4e-4, f"{pair} does not drift now"
PYTHON
