"""Sounds of an index in a form that browsers play."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clap_sb.data.audio_source import AudioError
from clap_sb.search.scan import Stamp
from clap_sb.whole_file import whole_file

if TYPE_CHECKING:
    from clap_sb.data.decoders import Decoder
    from clap_sb.data.sound import Survey

# Container and codecs by libsndfile's names, and by FFmpeg's: what all browsers play,
# with the times that the index has. Of what FFmpeg has to read, MP3, bare AAC, and
# FLAC of unknown length are not among it: nothing in them tells a browser how long they
# are, or where in them a time is, so that it guesses by the bit rate, or stops early.
_MP4, _WEBM = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
_PLAYED = {
    "WAV": ("audio/wav", {"PCM_U8", "PCM_16", "PCM_24", "FLOAT"}),
    "WAVEX": ("audio/wav", {"PCM_U8", "PCM_16", "PCM_24", "FLOAT"}),
    "FLAC": ("audio/flac", {"PCM_S8", "PCM_16", "PCM_24"}),
    "OGG": ("audio/ogg", {"VORBIS", "OPUS"}),
    "MP3": ("audio/mpeg", {"MPEG_LAYER_III"}),
    "ogg": ("audio/ogg", {"flac"}),
    _MP4: ("audio/mp4", {"aac", "mp3", "mp3float"}),
    _WEBM: ("audio/webm", {"opus", "libopus", "vorbis", "libvorbis"}),
}
_WEBM_TYPE = b"\x42\x82\x84webm"
_BLOCK = 2**18
_KEPT = 16
# More is more than the header of a WAV file can count.
_MOST_BYTES = 2**32 - 2**12


@dataclass(frozen=True)
class Playable:
    """A file that a browser plays.

    Arguments
    ---------
    path : Path
        Where it is.
    media_type : str
        What it is.
    """

    path: Path
    media_type: str


class Playback:
    """Finds or makes playable files.

    Arguments
    ---------
    folder : Path
        For files that are made: WAV copies of what browsers do not know.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        # by digest: a player asks for a sound in many parts
        self._media_types: dict[str, str | None] = {}
        self._lock = threading.Lock()

    def of(self, digest: str, files: dict[str, Stamp]) -> Playable:
        """Gives a sound.

        Arguments
        ---------
        digest : str
            Hash of its bytes, which a copy goes by.
        files : dict
            Files that hold it, from `Store.files_of`.

        Returns
        -------
        Playable

        Raises
        ------
        FileNotFoundError
            If none of its files is what it was when it was indexed: what may have
            taken its place is not the index's to show.
        AudioError
            If it cannot be decoded.
        WriteError
            If there is no room for a copy.
        """
        path = first_unchanged(files)
        if digest not in self._media_types:
            self._media_types[digest] = _media_type(path)
        media_type = self._media_types[digest]
        if media_type is not None:
            return Playable(path, media_type)
        with self._lock:
            copy = self._folder / f"{digest}.wav"
            if not copy.exists():
                self._make_room()
                _write_wav(path, copy)
        return Playable(copy, "audio/wav")

    def _make_room(self) -> None:
        copies = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in copies[: -_KEPT + 1]:
            path.unlink()


def first_unchanged(files: dict[str, Stamp]) -> Path:
    """Finds a file that is what it was when it was indexed.

    Arguments
    ---------
    files : dict
        Full name to stamp.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError
        If there is none.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"abc")
    >>> first_unchanged({"gone.wav": Stamp(1, 1), str(path): Stamp.of(path)}).name
    'a.wav'
    """
    for name, stamp in files.items():
        try:
            if Stamp.of(name) == stamp:
                return Path(name)
        except OSError:
            continue
    raise FileNotFoundError(
        "the file is gone or has changed since it was indexed: run `clap-sb index`"
    )


def _media_type(path: Path) -> str | None:
    """None if a copy has to be made."""
    from clap_sb.data.decoders import choose_decoder
    from clap_sb.data.ffmpeg_container import stands_alone
    from clap_sb.data.ffmpeg_decoder import FFmpegDecoder

    opener = choose_decoder(path)
    decoder = opener(path)
    decoder.close()
    media_type, codecs = _PLAYED.get(decoder.container, (None, ()))
    if decoder.codec not in codecs:
        return None
    # a video's pictures may be of a kind that stops a browser, and are much to send
    if opener is FFmpegDecoder and not stands_alone(path):
        return None
    return None if decoder.container == _WEBM and not _is_webm(path) else media_type


def _is_webm(path: Path) -> bool:
    """Matroska with another name for its type is not for every browser."""
    with open(path, "rb") as file:
        return _WEBM_TYPE in file.read(64)


def _write_wav(path: Path, copy: Path) -> None:
    """Block by block, as 16-bit PCM."""
    from clap_sb.data.sound import open_sound

    decoder, survey = open_sound(path)
    try:
        with whole_file(copy) as unfinished:
            _write_blocks(decoder, survey, unfinished)
    finally:
        decoder.close()


def _write_blocks(decoder: Decoder, survey: Survey, target: Path) -> None:
    import wave

    from clap_sb.data.sound import read_frames

    size = 2 * decoder.num_channels * survey.num_frames
    if size > _MOST_BYTES:
        raise AudioError(
            f"{decoder.source}: is too long to be played in the browser "
            f"({size / 2**30:.1f} GB as WAV): convert it to FLAC"
        )
    # by Python, and not libsndfile, which does not say why a disk takes nothing
    with wave.open(str(target), "wb") as file:
        file.setnchannels(decoder.num_channels)
        file.setsampwidth(2)
        file.setframerate(decoder.sample_rate)
        for begin in range(0, survey.num_frames, _BLOCK):
            end = min(begin + _BLOCK, survey.num_frames)
            file.writeframesraw(_as_pcm(read_frames(decoder, survey, begin, end)))


def _as_pcm(frames: np.ndarray) -> bytes:
    """What exceeds [-1, 1] is clipped."""
    steps = np.rint(frames * 2.0**15)
    return np.clip(steps, -(2**15), 2**15 - 1).astype("<i2").tobytes()
