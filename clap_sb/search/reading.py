"""Sounds from disk: which bytes they are, and their windows as waveforms."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

_BLOCK = 2**20
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Opened:
    """A file of which the bytes are known.

    Arguments
    ---------
    path : str
        Its name.
    hash : str
        Of its bytes; empty if they cannot be read.
    samples : int
        Length at the model's sample rate; 0 if it was not looked at.
    error : str or None
        Why it holds no sound.
    """

    path: str
    hash: str
    samples: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Piece:
    """Some windows of a file, one after the other.

    Arguments
    ---------
    hash : str
        Of the file's bytes.
    path : str
        The file.
    starts : tuple of int
        Where the windows begin, in samples at the model's rate.
    """

    hash: str
    path: str
    starts: tuple[int, ...]


@dataclass(frozen=True)
class Decoded:
    """The waveforms of a piece, or why there are none.

    Arguments
    ---------
    piece : Piece
        Which ones.
    wavs : tuple of torch.Tensor
        One for each window, ``[time]``.
    error : str or None
        Why they cannot be read.
    """

    piece: Piece
    wavs: tuple[torch.Tensor, ...] = ()
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


def open_sound(path: str, sample_rate: int, known: Collection[str]) -> Opened:
    """Hashes a file, and reads its header if the sound is a new one.

    Arguments
    ---------
    path : str
        The file.
    sample_rate : int
        The model's, in Hz.
    known : collection of str
        Hashes of the sounds that are not new.

    Returns
    -------
    Opened
    """
    from clap_sb.data.audio_file import AudioError, AudioFile

    try:
        digest = file_hash(path)
    except OSError as error:
        return Opened(path, "", error=str(error))
    if digest in known:
        return Opened(path, digest)
    try:
        with AudioFile(path, sample_rate) as file:
            return Opened(path, digest, file.num_samples)
    except (AudioError, OSError) as error:
        return Opened(path, digest, error=str(error))


def pieces(opened: Opened, size: int, most: int) -> Iterator[Piece]:
    """Divides a file into pieces, so that an hour needs no more memory than a minute.

    Arguments
    ---------
    opened : Opened
        A sound.
    size : int
        Samples in a window.
    most : int
        Windows in a piece.

    Yields
    ------
    Piece

    Example
    -------
    >>> [piece.starts for piece in pieces(Opened("a.wav", "ab12", 25), 10, 2)]
    [(0, 10), (15,)]
    """
    from clap_sb.clips import window_starts

    starts = window_starts(opened.samples, size)
    for begin in range(0, len(starts), most):
        chosen = tuple(starts[begin : begin + most])
        yield Piece(opened.hash, opened.path, chosen)


def decode(piece: Piece, sample_rate: int, size: int) -> Decoded:
    """Reads the windows of a piece.

    Arguments
    ---------
    piece : Piece
        Which ones.
    sample_rate : int
        The model's, in Hz.
    size : int
        Samples in a window; a file that is shorter gives what it has.

    Returns
    -------
    Decoded
    """
    from clap_sb.data.audio_file import AudioError, AudioFile

    first, last = piece.starts[0], piece.starts[-1] + size
    try:
        with AudioFile(piece.path, sample_rate) as file:
            wav = file.read(first, min(last, file.num_samples))
    except (AudioError, OSError) as error:
        return Decoded(piece, error=str(error))
    # a copy, for a window must not keep the whole span in memory
    wavs = [wav[start - first : start - first + size].clone() for start in piece.starts]
    if not all(len(wav) for wav in wavs):
        return Decoded(piece, error=f"{piece.path}: changed while it was read")
    return Decoded(piece, tuple(wavs))


def ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    most: int,
) -> Iterator[_Result]:
    """Maps in threads, in order, and only so far ahead of who takes the results.

    Arguments
    ---------
    pool : ThreadPoolExecutor
        The threads.
    function : callable
        What to do with an item.
    items : iterable
        Taken one by one, by the thread that takes the results.
    most : int
        Items under way at once.

    Yields
    ------
    the results, in the order of the items

    Example
    -------
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(ahead(pool, abs, [-1, -2, -3], 2))
    [1, 2, 3]
    """
    under_way: deque = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) >= most:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
