"""Sounds as nobody should have them: most are no use, some are strange and sound."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import numpy as np
import soundfile
from sound_files import make, recording

RATE = 8000
# What an index passes by, for it looks for files.
NO_FILES = ("a_folder.wav", "gone.wav")


def write_bad_sounds(folder: Path) -> dict[str, str | None]:
    """Writes them; gives what is said of each by its name, None of what can be used."""
    folder.mkdir()
    told: dict[str, str | None] = {}
    for write in (_strange, _damaged, _lying, _no_files):
        told |= write(folder)
    return told


def _write(path: Path, wav: np.ndarray, rate: int = RATE, **how: str) -> None:
    soundfile.write(path, wav, rate, **how)


def _strange(folder: Path) -> dict[str, str | None]:
    """What can be used all the same."""
    wav = recording(1, RATE, 1)
    _write(folder / "dc.wav", np.full(RATE, 0.5))
    _write(folder / "clipped.wav", np.sign(wav))
    _write(folder / "silence.wav", np.zeros(RATE))
    _write(folder / "one_sample.wav", np.array([0.5]))
    _write(folder / "192_khz.wav", recording(0.5, 192_000, 2), 192_000)
    _write(folder / "7_channels.wav", recording(1, RATE, 7))
    _write(folder / "8_bit.wav", wav, subtype="PCM_U8")
    _write(folder / "loudest.wav", np.full(RATE, 2.0**31), subtype="FLOAT")
    _write(folder / "tiniest.wav", np.full(RATE, 1e-42), subtype="DOUBLE")
    names = ["a\nb.wav", "🐕‍🦺.wav", "$HOME `ls`.wav", "{0} {label} %s.wav", "-rf.wav"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff\xfe.wav"))
    for seed, name in enumerate(names):
        _write(folder / "plain.wav", recording(1, RATE, 1, seed))
        (folder / "plain.wav").rename(folder / name)
    content = make(folder, "aac.m4a", 1.0)[0].read_bytes()
    (folder / "an_m4a.flac").write_bytes(content)
    return dict.fromkeys((path.name for path in folder.iterdir()), None)


def _damaged(folder: Path) -> dict[str, str | None]:
    told: dict[str, str | None] = {}
    for kind in ("pcm16.wav", "flac.flac", "vorbis.ogg", "opus.opus", "header.mp3"):
        path, *_ = make(folder, kind, 2.0)
        content = path.read_bytes()
        path.unlink()
        for tenth in range(1, 10):
            name = f"{tenth}_tenths_of_{kind}"
            (folder / name).write_bytes(content[: len(content) * tenth // 10])
            told[name] = "cut short|corrupt|cannot be decoded"
    for value, name in ((np.nan, "nan"), (-np.inf, "infinity"), (1e30, "absurd")):
        wav = recording(1, RATE, 1)
        wav[-10] = value
        _write(folder / f"{name}.wav", wav, subtype="FLOAT")
        told[f"{name}.wav"] = "not finite" if name != "absurd" else "reach 1e\\+30"
    return told


def _lying(folder: Path) -> dict[str, str | None]:
    """Headers that promise something else."""
    _write(folder / "header_only.wav", np.zeros(RATE))
    content = (folder / "header_only.wav").read_bytes()
    (folder / "header_only.wav").write_bytes(content[:44])
    ten_hours = 10 * 3600 * RATE * 2
    lying = bytearray(content)
    lying[4:8] = struct.pack("<I", ten_hours + 36)
    lying[40:44] = struct.pack("<I", ten_hours)
    (folder / "ten_hours.wav").write_bytes(lying)
    _write(folder / "no_samples.wav", np.zeros(0))
    fast = bytearray(content)
    fast[24:28] = struct.pack("<I", 2_000_000_000)
    (folder / "gigahertz.wav").write_bytes(fast)
    slow = bytearray(content)
    slow[24:28] = struct.pack("<I", 1)
    (folder / "one_hertz.wav").write_bytes(slow)
    return {
        "header_only.wav": "cut short|no samples",
        "ten_hours.wav": "cut short",
        "no_samples.wav": "no samples",
        "gigahertz.wav": "sounds have from 100 to 4000000 Hz",
        "one_hertz.wav": "sounds have from 100 to 4000000 Hz",
    }


def _no_files(folder: Path) -> dict[str, str | None]:
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("a dog barks\n", encoding="utf-8")
    (folder / "zeros.mp3").write_bytes(bytes(10_000))
    (folder / "noise.ogg").write_bytes(np.random.default_rng(0).bytes(10_000))
    told: dict[str, str | None] = {
        "empty.wav": "is empty",
        "text.wav": "cannot be decoded",
        "zeros.mp3": "cannot be decoded",
        "noise.ogg": "cannot be decoded",
        **dict.fromkeys(NO_FILES, "is a folder|no such file"),
    }
    (folder / "a_folder.wav").mkdir()
    (folder / "gone.wav").symlink_to(folder / "nowhere.wav")
    if os.name == "posix" and os.geteuid():  # a superuser may read all
        _write(folder / "secret.wav", np.zeros(RATE))
        (folder / "secret.wav").chmod(0)
        told["secret.wav"] = "cannot be opened"
    return told
