"""Which sounds lie in folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clap_sb.search.errors import SearchError

# What libsndfile reads, by the end of the name.
SUFFIXES = frozenset(
    ".aif .aifc .aiff .au .caf .flac .mp3 .oga .ogg .opus .rf64 .snd .w64 .wav".split()
)


@dataclass(frozen=True)
class Stamp:
    """What tells that a file has not changed, without reading it.

    Arguments
    ---------
    size : int
        In bytes.
    mtime_ns : int
        When it was last written, in nanoseconds.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> _ = path.write_bytes(b"abc")
    >>> Stamp.of(path).size
    3
    """

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str | os.PathLike) -> Stamp:
        """Reads it from the file system.

        Arguments
        ---------
        path : str or path-like
            The file.

        Returns
        -------
        Stamp

        Raises
        ------
        OSError
            If there is no such file.
        """
        status = os.stat(path)
        return cls(status.st_size, status.st_mtime_ns)


def full_names(folders: Sequence[str | os.PathLike]) -> list[str]:
    """Folders by their full names.

    Arguments
    ---------
    folders : sequence of str or path-like
        Folders.

    Returns
    -------
    list of str
        Without those that lie in another one.

    Raises
    ------
    SearchError
        If one is missing, or is no folder: nothing is taken for deleted because a
        disk is not mounted.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "a").mkdir()
    >>> full_names([folder / "a", folder]) == [str(folder.resolve())]
    True
    """
    for folder in folders:
        if not os.path.isdir(folder):
            what = "is a file" if os.path.exists(folder) else "does not exist"
            raise SearchError(f"{folder} {what}: give a folder with sounds")
    return outermost([str(Path(folder).resolve()) for folder in folders])


def outermost(folders: Sequence[str]) -> list[str]:
    """Leaves out folders that lie in another one.

    Arguments
    ---------
    folders : sequence of str
        Full names.

    Returns
    -------
    list of str
        Sorted, no one twice.

    Example
    -------
    >>> from os.path import join
    >>> outermost(["b", join("a", "c"), "a", "b"])
    ['a', 'b']
    """
    names = sorted(set(folders))
    return [name for name in names if not any(lies_in(name, other) for other in names)]


def lies_in(path: str, folder: str) -> bool:
    """Whether a path is below a folder, by their names.

    Arguments
    ---------
    path : str
        Full name.
    folder : str
        Full name.

    Returns
    -------
    bool

    Example
    -------
    >>> from os.path import join
    >>> lies_in(join("a", "b"), "a"), lies_in("ab", "a"), lies_in("a", "a")
    (True, False, False)
    """
    return path.startswith(os.path.join(folder, ""))


def scan(folders: Sequence[str]) -> dict[str, Stamp]:
    """Finds the sounds in folders and all folders below.

    Links to folders are not followed; names that begin with a dot are left out.

    Arguments
    ---------
    folders : sequence of str
        Full names.

    Returns
    -------
    dict
        Full name to stamp, sorted by name.

    Raises
    ------
    OSError
        If a folder cannot be listed.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("b.WAV", "a.flac", "notes.txt", ".c.wav"):
    ...     _ = (folder / name).write_bytes(b"")
    >>> [os.path.basename(path) for path in scan([str(folder)])]
    ['a.flac', 'b.WAV']
    """
    found = {}
    waiting = list(folders)
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                    stamp = _stamp(entry)
                    if stamp is not None:
                        found[entry.path] = stamp
    return dict(sorted(found.items()))


def _stamp(entry: os.DirEntry) -> Stamp | None:
    """None for what is no file: a broken link, a pipe, or gone in the meantime."""
    try:
        if not entry.is_file():
            return None
        status = entry.stat()
    except FileNotFoundError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)
