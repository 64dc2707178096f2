"""Compares one recording in every format: length, offset, spans and embeddings.

    python benchmarks/formats.py --checkpoint CHECKPOINT [--sound FILE]

The sound (unless given: 25 s of tones, bursts and silence) is written in every format
that the tests make, and heard again. A line a format tells

* by how many samples it came out longer than it went in, and comes later;
* how much louder than the sound the difference to it is, once the offset is undone;
* the largest difference between 40 random spans, read from files opened anew and from
  one that stays open, and the same places of the whole;
* the cosine of its embedding to that of the lossless file, and how far embeddings
  with batch_size 1 and 16, of the file alone and among all others, are apart.

Before it stand, for a minute of tones, bursts and silence, how many of 300 spans (30 of
them in the last tenth of a second) are wrong by more than 1e-6 that libsndfile gives
after a seek to so many frames before them; and the time that decoding takes.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from clap_sb.data.audio import AudioFile, read_wav
from clap_sb.data.decoders import choose_decoder
from clap_sb.inference import CLAP

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import sound_files  # noqa: E402

SPANS = 40
SOUGHT = ("vbr.mp3", "cbr.mp3", "low.mp3", "vorbis.ogg", "opus.opus", "flac.flac")
TIMED = ("vbr.mp3", "bare_vbr.mp3", "vorbis.ogg", "opus.opus", "aac.m4a", "flac.flac")


def offset(wav: np.ndarray, reference: np.ndarray, most: int = 5000) -> int:
    """By how many samples one comes later than the other."""
    size = 1 << (2 * max(len(wav), len(reference)) - 1).bit_length()
    spectrum = np.fft.rfft(wav, size) * np.conj(np.fft.rfft(reference, size))
    correlation = np.fft.irfft(spectrum)
    lags = np.r_[0 : most + 1, size - most : size]
    lag = int(lags[np.argmax(correlation[lags])])
    return lag if lag <= most else lag - size


def difference_in_db(wav: np.ndarray, reference: np.ndarray, later: int) -> float:
    """Energy of the difference in that of the reference, where both are."""
    wav, reference = wav[max(0, later) :], reference[max(0, -later) :]
    both = min(len(wav), len(reference))
    wav, reference = wav[:both].astype(float), reference[:both].astype(float)
    energy = np.square(wav - reference).mean() / np.square(reference).mean()
    return 10 * np.log10(energy + 1e-20)


def span_difference(path: Path, rate: int, whole: torch.Tensor) -> float:
    """The largest difference between spans and the whole."""
    random = np.random.default_rng(0)
    largest = 0.0
    with AudioFile(path, rate) as kept_open:
        for _ in range(SPANS):
            begin = int(random.integers(0, len(whole) - 1))
            end = min(len(whole), begin + int(random.integers(1, 2 * rate)))
            with AudioFile(path, rate) as anew:
                for file in (anew, kept_open):
                    off = file.read(begin, end) - whole[begin:end]
                    largest = max(largest, float(off.abs().max()))
    return largest


def embeddings(clap: CLAP, paths: list[Path]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of all files at once, and the most that an element of each is off otherwise."""
    rows = clap.embed_files(paths, batch_size=16)
    off = (clap.embed_files(paths, batch_size=1) - rows).abs().amax(1)
    for place, path in enumerate(paths):
        for batch_size in (1, 16):
            alone = clap.embed_files([path], batch_size=batch_size)[0]
            off[place] = max(off[place], (alone - rows[place]).abs().max())
    return rows, off


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--sound", help="a recording; its first 25 seconds are taken")
    options = parser.parse_args()
    clap = CLAP.from_checkpoint(options.checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        print_seeks(folder)
        print_times(folder)
        if options.sound:
            sound_files.recording = recording_of(options.sound)
        made = {
            name: sound_files.make(folder, name, 25.0) for name in sound_files.NAMES
        }
        rows, off = embeddings(clap, [path for path, *_ in made.values()])
        lossless = rows[list(made).index("pcm16.wav")]
        columns = "file | decoder | longer, samples | later, samples | difference"
        print(f"| {columns} | spans | cosine to WAV | batches |")
        print("|---" * 8 + "|")
        for (name, (path, wav, rate)), row, apart in zip(
            made.items(), rows, off, strict=True
        ):
            whole, written = read_wav(path, rate), wav.mean(1)
            decoder = choose_decoder(path)(path)
            decoder.close()
            later = offset(whole.numpy(), written)
            print(
                f"| {name} | {type(decoder).__name__.removesuffix('Decoder')}",
                f"{len(whole) - len(wav):+d}",
                later,
                f"{difference_in_db(whole.numpy(), written, later):.0f} dB",
                f"{span_difference(path, rate, whole):.0e}",
                f"{float(row @ lossless):.6f}",
                f"{float(apart):.0e} |",
                sep=" | ",
            )


def print_seeks(folder: str) -> None:
    """Prints how many spans are wrong after libsndfile's own seeks."""
    runs_up = (0, 10 * 1152, 40 * 1152)
    print("| file |", " | ".join(f"{frames} before" for frames in runs_up), "|")
    print("|---" * (1 + len(runs_up)) + "|")
    for name in SOUGHT:
        path, *_ = sound_files.make(folder, name, 60.0, channels=1)
        # at once: soundfile seeks behind every block that it reads
        whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
        random = np.random.default_rng(0)
        wrong = dict.fromkeys(runs_up, 0)
        begins = random.integers(0, len(whole) - 3000, 270)
        near_the_end = random.integers(len(whole) - 5000, len(whole) - 3000, 30)
        for begin in (*begins, *near_the_end):
            for frames in runs_up:
                with soundfile.SoundFile(path) as file:
                    first = max(0, begin - frames)
                    file.seek(first)
                    span = file.read(
                        begin + 3000 - first, dtype="float32", always_2d=True
                    )[begin - first :]
                right = whole[begin : begin + 3000]
                same = len(span) == 3000 and np.abs(span - right).max() <= 1e-6
                wrong[frames] += not same
        print(f"| {name} |", " | ".join(f"{n / 3:.1f} %" for n in wrong.values()), "|")


def print_times(folder: str) -> None:
    """Prints how long decoding takes, the best of five."""
    for name in TIMED:
        path, _, rate = sound_files.make(folder, name, 60.0)
        best = float("inf")
        for _ in range(5):
            decoder = choose_decoder(path)(path)
            start = time.perf_counter()
            decoder.read(0, 60 * rate)
            best = min(best, time.perf_counter() - start)
            decoder.close()
        print(f"A minute of {name}: {1000 * best:.0f} ms")


def recording_of(sound: str):
    """Gives what `sound_files.recording` gives, of a file."""

    def recording(seconds: float, rate: int, channels: int = 2, seed: int = 0):
        wav = read_wav(sound, rate, duration=seconds).numpy()
        return np.stack([wav] * channels, 1)

    return recording


if __name__ == "__main__":
    main()
