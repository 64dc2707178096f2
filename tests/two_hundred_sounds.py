"""Two hundred sounds of every kind that people have, and what lies beside them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from sound_files import NAMES, add_video, make, recording

COUNT = 200
# What lies in such folders too, and is no sound by its name.
OTHERS = {
    "notes.txt": b"read me\n",
    "cover.jpg": b"\xff\xd8\xff\xe0",
    "x.raw": bytes(99),
}


@dataclass
class Folder:
    """What was written: names that can be used, and what is told of all others."""

    path: Path
    good: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)  # name to what is said of it
    remarks: dict[str, str] = field(default_factory=dict)

    def place(self, name: str) -> Path:
        """Where a file that can be used is to be."""
        self.good.append(name)
        return self.path / name


def write_folder(path: Path) -> Folder:
    """Writes `COUNT` sounds, the awkward ones among them, bad ones, and others."""
    path.mkdir()
    folder = Folder(path)
    parts = path.parent / "parts"
    parts.mkdir()
    _awkward(folder, parts)
    _bad(folder, parts)
    for name, content in OTHERS.items():
        (path / name).write_bytes(content)
    (path / "gone.wav").symlink_to(path / "nowhere.wav")
    seed = 0
    while len(folder.good) < COUNT:
        kind = NAMES[seed % len(NAMES)]
        made, *_ = make(parts, kind, 1 + 2 * (seed % 7) / 7, 1 + seed % 2, 100 + seed)
        made.rename(folder.place(f"{seed:03}_{kind}"))
        seed += 1
    assert seed > 4 * len(NAMES)  # every format, four times and more
    return folder


def _made(parts: Path, kind: str, seed: int, seconds: float = 1.5) -> bytes:
    return make(parts, kind, seconds, seed=seed)[0].read_bytes()


def _awkward(folder: Folder, parts: Path) -> None:
    for kind in ("vorbis.ogg", "opus.opus", "vbr.mp3", "cbr.mp3"):
        joined = b"".join(_made(parts, kind, seed) for seed in (1, 2))
        folder.place(f"joined_{kind}").write_bytes(joined)
    wav = recording(2, 44100, 1, 3)
    out_of_phase = np.concatenate([wav, -wav], axis=1)
    soundfile.write(folder.place("out_of_phase.wav"), out_of_phase, 44100)
    folder.remarks["out_of_phase.wav"] = "channels cancel"
    loud = np.round(32767 * recording(1, 44100, 1, 4))
    soundfile.write(folder.place("whole_numbers.wav"), loud, 44100, subtype="FLOAT")
    folder.remarks["whole_numbers.wav"] = "far outside [-1, 1]"
    for channels in (1, 6):
        wav = recording(1.2, 48000, channels, 5 + channels)
        soundfile.write(folder.place(f"{channels}_channels.flac"), wav, 48000)
    names = ("-o.wav", "two\nlines.flac", 'it\'s "so", they say.mp3', "% {x} $1 #.m4a")
    if os.name == "posix":
        names += (os.fsdecode(b"Pi\xe8ce.wav"), os.fsdecode(b"Pi\xe8ce.m4a"))
    kinds = {".wav": "pcm16.wav", ".flac": "flac.flac", ".mp3": "vbr.mp3"}
    for seed, name in enumerate(names, 10):
        content = _made(parts, kinds.get(Path(name).suffix, "aac.m4a"), seed)
        folder.place(name).write_bytes(content)
    sound, *_ = make(parts, "aac.m4a", 2.0, seed=20)
    add_video(sound, folder.place("video.mp4"))
    folder.place("CAPITALS.WAV").write_bytes(_made(parts, "pcm24.wave", 21))
    again = folder.path / "joined_opus.opus"
    folder.place("the_same.opus").write_bytes(again.read_bytes())
    folder.place("no_wav.wav").write_bytes(_made(parts, "aac.m4a", 22))


def _bad(folder: Folder, parts: Path) -> None:
    folder.bad |= {f"cut_{kind}": "cut short" for kind in _CUT}
    for seed, kind in enumerate(_CUT, 30):
        content = _made(parts, kind, seed, 3.0)
        (folder.path / f"cut_{kind}").write_bytes(content[: 2 * len(content) // 3])
    nan = recording(1, 8000, 1)
    nan[4000] = np.nan
    empty = recording(0, 8000, 1)
    soundfile.write(folder.path / "nan.wav", nan, 8000, subtype="FLOAT")
    soundfile.write(folder.path / "no_samples.wav", empty, 8000)
    add_video(None, folder.path / "silent.mp4")
    (folder.path / "empty.wav").touch()
    (folder.path / "text.wav").write_bytes(b"<html>404: there is no such file</html>\n")
    (folder.path / "two\nlines.wav").write_bytes(b"no sound either\n")
    folder.bad |= {
        "nan.wav": "not finite",
        "no_samples.wav": "no samples",
        "silent.mp4": "no sound in the file",
        "empty.wav": "is empty",
        "text.wav": "cannot be decoded",
        "two\nlines.wav": "cannot be decoded",
    }


_CUT = ("pcm16.wav", "vorbis.ogg", "vbr.mp3", "flac.flac")
