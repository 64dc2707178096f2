"""Sounds from disk: which bytes they are, and their windows as waveforms."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

    from clap_sb.data.audio_file import AudioFile

_BLOCK = 2**20
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


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
    error : str or None
        Why it cannot be read, or not on from here.
    """

    hash: str
    samples: int = 0
    wavs: tuple[torch.Tensor, ...] = ()
    remarks: tuple[str, ...] = ()
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
            remarks = file.remarks
        yield Decoded(digest, samples, wavs, remarks)
    except AudioError as error:
        yield Decoded(digest, error=str(error))


def _windows(file: AudioFile, starts: list[int], size: int) -> tuple[torch.Tensor, ...]:
    """The windows that begin at some samples."""
    first, last = starts[0], starts[-1] + size
    wav = file.read(first, min(last, file.num_samples))
    # a copy, for a window must not keep the whole span in memory
    return tuple(wav[at - first : at - first + size].clone() for at in starts)


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


def side_by_side(
    pool: ThreadPoolExecutor, many: Iterable[Iterator[_Item]], most: int
) -> Iterator[_Item]:
    """Takes steps of several iterators in threads, and gives their items in order.

    All items of the first come first. Each iterator is a step ahead of who takes the
    results, and never in two threads at once: a few are waiting with their first item
    while one is used up.

    Arguments
    ---------
    pool : ThreadPoolExecutor
        The threads.
    many : iterable of iterators
        Taken one by one, by the thread that takes the results; they are generators, and
        closed if this one is.
    most : int
        Iterators under way at once.

    Yields
    ------
    the items

    Example
    -------
    >>> letters = ((letter for letter in word) for word in ("ab", "", "c"))
    >>> with ThreadPoolExecutor(2) as pool:
    ...     list(side_by_side(pool, letters, 2))
    ['a', 'b', 'c']
    """
    under_way: deque[tuple[Iterator[_Item], Future]] = deque()
    try:
        for one in many:
            under_way.append((one, pool.submit(_step, one)))
            if len(under_way) >= most:
                yield from _used_up(pool, under_way)
        while under_way:
            yield from _used_up(pool, under_way)
    finally:
        wait([step for _, step in under_way if not step.cancel()])
        for one, _ in under_way:
            one.close()


def _step(one: Iterator[_Item]) -> tuple[_Item, ...]:
    """The next item, if there is one."""
    for item in one:
        return (item,)
    return ()


def _used_up(
    pool: ThreadPoolExecutor, under_way: deque[tuple[Iterator[_Item], Future]]
) -> Iterator[_Item]:
    """All items of the first one."""
    one, step = under_way[0]
    while items := step.result():
        step = pool.submit(_step, one)
        under_way[0] = one, step
        yield from items
    under_way.popleft()
