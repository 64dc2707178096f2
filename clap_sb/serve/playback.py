"""Sounds of an index in a form that browsers play."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from clap_sb.data.audio import AudioError
from clap_sb.search.scan import Stamp

# By libsndfile's names; of WAV, what all browsers play.
_MEDIA_TYPES = {
    "WAV": "audio/wav",
    "WAVEX": "audio/wav",
    "FLAC": "audio/flac",
    "OGG": "audio/ogg",
    "MP3": "audio/mpeg",
    "MPEG": "audio/mpeg",
}
_PLAIN_SAMPLES = {"PCM_U8", "PCM_16", "PCM_24", "FLOAT"}
_COMPRESSED = {"FLAC", "OGG", "MP3", "MPEG"}
_BLOCK = 2**18
_KEPT = 16


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
        """
        path = first_unchanged(files)
        media_type = _media_type(path)
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
    import soundfile

    try:
        info = soundfile.info(path)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: {error.error_string}") from None
    if info.format in _COMPRESSED or info.subtype in _PLAIN_SAMPLES:
        return _MEDIA_TYPES.get(info.format)
    return None


def _write_wav(path: Path, copy: Path) -> None:
    """Block by block, as 16-bit PCM; it appears under its name once it is whole."""
    import soundfile

    unfinished = copy.with_suffix(".tmp")
    try:
        with soundfile.SoundFile(path) as source:
            options = {"samplerate": source.samplerate, "channels": source.channels}
            with soundfile.SoundFile(
                unfinished, "w", format="WAV", subtype="PCM_16", **options
            ) as target:
                for block in source.blocks(_BLOCK, dtype="float32"):
                    target.write(block)
        unfinished.replace(copy)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{path}: {error.error_string}") from None
    finally:
        unfinished.unlink(missing_ok=True)
