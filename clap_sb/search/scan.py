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
        If one is missing, or is no folder: a disk that is not there is no folder whose
        sounds were deleted.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "a").mkdir()
    >>> full_names([folder / "a", folder]) == [str(folder.resolve())]
    True
    """
    for folder in folders:
        if not os.path.isdir(folder):
            if os.path.exists(folder):
                raise SearchError(f"{folder} is a file: give a folder with sounds")
            raise SearchError(
                f"{folder} does not exist: give a folder with sounds, or mount its "
                "disk; one that was moved or deleted leaves an index by --forget"
            )
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


@dataclass(frozen=True)
class Scan:
    """What was found in folders, and what could not be looked at.

    Arguments
    ---------
    folders : tuple of str
        Where was looked: full names.
    files : dict
        Full name to stamp, sorted by name.
    unseen : dict
        Folders, and single files, that could not be looked at: full name to reason.

    Example
    -------
    >>> from os.path import join
    >>> seen = Scan(("a",), {join("a", "1.wav"): Stamp(3, 1)}, {join("a", "b"): "why"})
    >>> paths = join("a", "1.wav"), join("a", "2.wav"), join("a", "b", "3.wav")
    >>> [seen.misses(path) for path in paths]
    [False, True, False]
    """

    folders: tuple[str, ...]
    files: dict[str, Stamp]
    unseen: dict[str, str]

    def misses(self, path: str) -> bool:
        """Whether a file is gone: it was looked for, and is not there.

        Arguments
        ---------
        path : str
            Full name.

        Returns
        -------
        bool
            False for what lies elsewhere, or where one cannot look.
        """
        return (
            path not in self.files
            and any(lies_in(path, folder) for folder in self.folders)
            and path not in self.unseen
            and not any(lies_in(path, folder) for folder in self.unseen)
        )


def scan(folders: Sequence[str]) -> Scan:
    """Finds the sounds in folders and all folders below.

    Links to folders are not followed; names that begin with a dot are left out. A
    folder that cannot be listed, or is taken away meanwhile, is noted and passed by.

    Arguments
    ---------
    folders : sequence of str
        Full names.

    Returns
    -------
    Scan

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("b.WAV", "a.flac", "notes.txt", ".c.wav"):
    ...     _ = (folder / name).write_bytes(b"")
    >>> [os.path.basename(path) for path in scan([str(folder)]).files]
    ['a.flac', 'b.WAV']
    """
    found: dict[str, Stamp] = {}
    unseen: dict[str, str] = {}
    waiting = list(folders)
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        _look(entry, waiting, found, unseen)
        except OSError as error:
            unseen[folder] = _reason(error)
    return Scan(tuple(folders), dict(sorted(found.items())), unseen)


def _look(
    entry: os.DirEntry,
    waiting: list[str],
    found: dict[str, Stamp],
    unseen: dict[str, str],
) -> None:
    """Sorts an entry of a folder into one of these, or none if it is no sound."""
    try:
        if entry.is_dir(follow_symlinks=False):
            waiting.append(entry.path)
        elif os.path.splitext(entry.name)[1].lower() in SUFFIXES and entry.is_file():
            status = entry.stat()
            found[entry.path] = Stamp(status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        pass  # gone in the meantime
    except OSError as error:
        unseen[entry.path] = _reason(error)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
