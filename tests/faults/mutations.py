"""Damaged sound files, made from whole ones by a seed, and what becomes of them.

python tests/faults/mutations.py --number 1000
"""

from __future__ import annotations

import argparse
import contextlib
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sound_files import make

# How each kind is made, and the seconds that a file may take, on a busy machine too.
KINDS = {
    "wav": "pcm16.wav",
    "flac": "flac.flac",
    "ogg": "vorbis.ogg",
    "opus": "opus.opus",
    "mp3": "header.mp3",
    "m4a": "aac.m4a",
}
LIMIT_SECONDS = 60
_START_SECONDS = 60
_SELF = [__file__]  # what reads, in a process of its own
_LONGEST = 2**27  # samples; what is longer is a header's lie, or no damaged file


def mutated(content: bytes, seed: int) -> bytes:
    """A damaged copy: bytes are changed, anywhere or in the header, lost or doubled.

    Arguments
    ---------
    content : bytes
        A whole file.
    seed : int
        Which of the copies.

    Returns
    -------
    bytes
    """
    draw = np.random.default_rng(seed)
    changed = bytearray(content)
    kind = seed % 5
    if kind < 2:
        end = len(changed) if kind else min(200, len(changed))
        for _ in range(int(draw.integers(1, 20))):
            changed[int(draw.integers(end))] = int(draw.integers(256))
        return bytes(changed)
    begin = int(draw.integers(len(changed)))
    end = min(len(changed), begin + int(draw.integers(1, 4000)))
    if kind == 2:
        del changed[begin:end]
    elif kind == 3:
        changed[begin:begin] = changed[begin:end]
    else:
        del changed[begin:]
    return bytes(changed)


def outcome(path: Path) -> str:
    """Reads a file as training and preparation do.

    Arguments
    ---------
    path : Path
        The file.

    Returns
    -------
    str
        ``read``, ``refused``, or what is no right answer.
    """
    from clap_sb.data.audio import AudioError, AudioFile, probe, probe_to_end, read_wav

    answers = set()
    for use in (probe, probe_to_end, lambda source: read_wav(source, 16000, 0.2, 0.5)):
        try:
            use(path)
            answers.add("read")
        except AudioError as error:
            if str(path) not in str(error):
                return f"unnamed: {error}"
            answers.add("refused")
    try:
        with AudioFile(path, 48000) as file:
            if file.num_samples < _LONGEST:
                wav = file.read(0, file.num_samples)
                if not wav.isfinite().all():
                    return "not finite"
    except AudioError:
        answers.add("refused")
    return "refused" if "refused" in answers else "read"


def _work(kind: str, seeds: range, folder: Path) -> None:
    """The process that reads: a line for each file."""
    source, *_ = make(folder, KINDS[kind], 2.0)
    content = source.read_bytes()
    path = folder / f"mutated.{kind}"
    for seed in seeds:
        path.write_bytes(mutated(content, seed))
        try:
            answer = outcome(path)
        except Exception as error:
            answer = f"traceback: {type(error).__name__}: {error}"
        print(seed, answer.splitlines()[0], flush=True)


def answers(kind: str, seeds: range, limit: float) -> Iterator[tuple[int, str]]:
    """Reads damaged files in a process of their own, and goes on past its end.

    Arguments
    ---------
    kind : str
        One of `KINDS`.
    seeds : range
        Which of the copies.
    limit : float
        Seconds that one may take, after which the process is ended.

    Yields
    ------
    seed : int
    outcome : str
        As of `outcome`, or ``hung`` or ``ended the process``.
    """
    at = seeds.start
    while at < seeds.stop:
        with tempfile.TemporaryDirectory() as folder:
            words = [kind, str(at), str(seeds.stop), folder]
            process = subprocess.Popen(
                [sys.executable, *_SELF, "--work", *words],
                stdout=subprocess.PIPE,
                text=True,
            )
            for seed, answer in _lines(process, limit):
                yield seed, answer
                at = seed + 1
            if at < seeds.stop:
                yield at, "hung" if process.poll() is None else "ended the process"
                at += 1
            process.kill()
            process.wait()
            process.stdout.close()


def _lines(process: subprocess.Popen, limit: float) -> Iterator[tuple[int, str]]:
    patience = limit + _START_SECONDS  # for what is imported
    while select.select([process.stdout], [], [], patience)[0]:
        line = process.stdout.readline()
        if not line:
            process.wait()
            return
        seed, answer = line.rstrip("\n").split(" ", 1)
        yield int(seed), answer
        patience = limit


def survey(number: int, kinds: Iterable[str] = KINDS) -> dict[str, Counter]:
    """Counts what becomes of damaged files of each kind.

    Arguments
    ---------
    number : int
        Files of a kind.
    kinds : iterable of str
        The kinds.

    Returns
    -------
    dict
        Kind to outcome to number.
    """
    return {
        kind: Counter(
            answer for _, answer in answers(kind, range(number), LIMIT_SECONDS)
        )
        for kind in kinds
    }


def main() -> None:
    """Prints a line a kind; ends with status 1 if anything went otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=1000, help="files of a kind")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        kind, begin, end, folder = arguments.work
        with contextlib.suppress(BrokenPipeError):
            _work(kind, range(int(begin), int(end)), Path(folder))
        return
    begin, others = time.monotonic(), 0
    for kind, found in survey(arguments.number, arguments.kinds).items():
        wrong = {k: n for k, n in found.items() if k not in ("read", "refused")}
        others += sum(wrong.values())
        print(
            f"{kind}: {found.total()} damaged files: {found['read']} read, "
            f"{found['refused']} refused by name, {wrong or 'nothing else'}",
            flush=True,
        )
    print(f"damaged files: {time.monotonic() - begin:.0f} s")
    sys.exit(others > 0)


if __name__ == "__main__":
    main()
