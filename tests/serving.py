"""``clap-sb serve`` in a process of its own, over sounds of several formats."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import soundfile
from indexes import WINDOW, write_sound
from processes import start_process
from small_run import write_run
from sound_files import encode

from clap_sb.cli import main

# As they are made by libsndfile, and by FFmpeg.
_ENCODED = {
    "phone.m4a": ("aac", "ipod", {"bit_rate": 48_000}),
    "stream.mp3": ("libmp3lame", "mp3", {"bit_rate": 32_000, "piped": True}),
}
_PLAIN = ("wave.wav", "deep/long.flac", "old.aiff", "small.ogg", "layer.mp3")
NAMES = (*_PLAIN, *_ENCODED)


def write_index(
    folder: Path, others: Mapping[str, tuple[int, float]] | None = None
) -> Path:
    """Sounds that browsers play, and two that they do not: AIFF, headerless MP3.

    Others are WAV files, by their names: which noise it is, and seconds.
    """
    run = folder / "run"
    run.mkdir()
    (folder / "source").mkdir()
    write_run(run, folder / "source", {1: 20.0})
    for seed, name in enumerate(NAMES):
        seconds = 3 * WINDOW if "long" in name else 1.5
        plain = write_sound(folder / "plain.wav", seed, seconds)
        (folder / "sounds" / name).parent.mkdir(parents=True, exist_ok=True)
        wav, rate = soundfile.read(plain, dtype="float32", always_2d=True)
        if name in _ENCODED:
            codec, container, how = _ENCODED[name]
            encode(folder / "sounds" / name, wav, rate, codec, container, **how)
        else:
            soundfile.write(folder / "sounds" / name, wav, rate)
    for name, (seed, seconds) in (others or {}).items():
        write_sound(folder / "sounds" / name, seed, seconds)
    out = folder / "sounds.index"
    words = ["index", folder / "sounds", "--checkpoint", run, "--out", out]
    assert main([str(word) for word in words]) == 0
    return out


@contextlib.contextmanager
def serving(index: Path, log: Path, *words: str) -> Iterator[str]:
    """Runs the command until the block is left; gives the page's address."""
    with served(index, log, *words) as (url, _):
        yield url


@contextlib.contextmanager
def served(index: Path, log: Path, *words: str) -> Iterator[tuple[str, BaseProcess]]:
    """The same, with the process."""
    words = ("serve", str(index), "--port", "0", "--no-open", "--json", *words)
    process = start_process(_serve, words, log)
    try:
        yield _url(process, log), process
    finally:
        process.kill()
        process.join()


def _url(process: BaseProcess, log: Path) -> str:
    while True:
        said = log.read_text() if log.exists() else ""
        if said.endswith("}\n"):
            return json.loads(said.splitlines()[-1])["url"]
        assert process.is_alive(), said
        time.sleep(0.05)


def _serve(words: tuple[str, ...], log: Path) -> None:
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    main(words)
