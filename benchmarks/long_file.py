"""Measures time and peak memory of embedding one long file.

    python benchmarks/long_file.py --checkpoint RUN --hours 1

The file is stereo noise at 44.1 kHz, as FLAC. Peak memory is the process' own since it
started (``VmHWM``, so Linux only), the model included; it is printed after a short file
of as many windows as go through the tower at once, and after the long one.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from clap_sb.inference import CLAP

RATE = 44100


def write_noise(path: Path, seconds: float) -> Path:
    """Writes faint stereo noise, a second at a time."""
    draw = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", RATE, 2) as file:
        for _ in range(round(seconds)):
            file.write(0.003 * draw.standard_normal((RATE, 2)))
    return path


def peak_rss() -> float:
    """Peak resident memory of this process so far, in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status; run this on Linux")


def main() -> None:
    """Embeds a short and a long file, and prints what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--batch_size", type=int, default=16, help="windows at once")
    options = parser.parse_args()
    clap = CLAP.from_checkpoint(options.checkpoint)
    window = clap.model.clip_samples / clap.sample_rate
    print(f"{clap.description}; {options.batch_size} windows of {window:g} s at once")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "noise.flac")
        for seconds in (options.batch_size * window, 3600 * options.hours):
            write_noise(path, seconds)
            start = time.perf_counter()
            clap.embed_files(path, options.batch_size)
            took = time.perf_counter() - start
            print(
                f"{seconds:8.0f} s of sound: {took:6.1f} s, peak {peak_rss():.0f} MiB"
            )


if __name__ == "__main__":
    main()
