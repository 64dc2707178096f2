"""Sounds from disk: which bytes they are, and their windows as waveforms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clap_sb.search.records import Header

if TYPE_CHECKING:
    import torch

    from clap_sb.data.audio_file import AudioFile

_BLOCK = 2**20


@dataclass(frozen=True)
class Hashed:
    """A file of which the bytes are known.

    Arguments
    ---------
    path : str
        Its name.
    hash : str
        Of its bytes; empty if they cannot be read.
    error : str or None
        Why they cannot be read.
    """

    path: str
    hash: str
    error: str | None = None


@dataclass(frozen=True)
class Decoded:
    """Some windows of a sound, one after the other, or why there are none.

    Arguments
    ---------
    hash : str
        Of the file's bytes.
    samples : int
        Length of the sound at the model's sample rate.
    wavs : tuple of torch.Tensor
        One for each window, ``[time]``.
    remarks : tuple of str
        What is worth telling about the file; known with its last windows.
    header : Header or None
        What that of the file tells; known with its last windows.
    error : str or None
        Why it cannot be read, or not on from here.
    """

    hash: str
    samples: int = 0
    wavs: tuple[torch.Tensor, ...] = ()
    remarks: tuple[str, ...] = ()
    header: Header | None = None
    error: str | None = None


def file_hash(path: str) -> str:
    """Hashes a file's bytes.

    Arguments
    ---------
    path : str
        The file.

    Returns
    -------
    str
        40 hexadecimal digits.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"")
    >>> file_hash(path)
    '3345524abf6bbe1809449224b5972c41790b6cf2'
    """
    digest = hashlib.blake2b(digest_size=20)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def hashed(path: str) -> Hashed:
    """Hashes a file's bytes, or notes why that cannot be done.

    Arguments
    ---------
    path : str
        The file.

    Returns
    -------
    Hashed

    Example
    -------
    >>> hashed(str(getfixture("tmp_path") / "nowhere.wav")).hash
    ''
    """
    try:
        return Hashed(path, file_hash(path))
    except OSError as error:
        # the name as it is, where the error would show it in quotes
        return Hashed(path, "", f"{path}: {error.strerror or error}")


def read_sound(
    path: str, digest: str, sample_rate: int, size: int, most: int
) -> Iterator[Decoded]:
    """Reads the windows of a sound in order, from a file that stays open meanwhile.

    A part at a time, so that an hour needs no more memory than a minute. The file is
    closed before the last part is given, and when the iterator is closed.

    Arguments
    ---------
    path : str
        The file.
    digest : str
        Hash of its bytes.
    sample_rate : int
        The model's, in Hz.
    size : int
        Samples in a window; a sound that is shorter gives what it has.
    most : int
        Windows in a part.

    Yields
    ------
    Decoded
        One at least; what could be read comes before an error.

    Example
    -------
    >>> import soundfile, torch
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(25).numpy(), 100)
    >>> parts = read_sound(str(path), "ab12", 100, size=10, most=2)
    >>> [[len(wav) for wav in part.wavs] for part in parts]
    [[10, 10], [10]]
    """
    from clap_sb.clips import window_starts
    from clap_sb.data.audio_file import AudioError, AudioFile

    try:
        with AudioFile(path, sample_rate) as file:
            samples = file.num_samples
            starts = window_starts(samples, size)
            *parts, last = (
                starts[begin : begin + most] for begin in range(0, len(starts), most)
            )
            for part in parts:
                yield Decoded(digest, samples, _windows(file, part, size))
            wavs = _windows(file, last, size)
            remarks, header = file.remarks, Header(file.file_rate, file.num_channels)
        yield Decoded(digest, samples, wavs, remarks, header)
    except AudioError as error:
        yield Decoded(digest, error=str(error))


def _windows(file: AudioFile, starts: list[int], size: int) -> tuple[torch.Tensor, ...]:
    """The windows that begin at some samples."""
    first, last = starts[0], starts[-1] + size
    wav = file.read(first, min(last, file.num_samples))
    # a copy, for a window must not keep the whole span in memory
    return tuple(wav[at - first : at - first + size].clone() for at in starts)
