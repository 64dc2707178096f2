"""Which sounds lie in folders."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clap_sb.data.suffixes import kind_of, sound_order
from clap_sb.search.errors import SearchError

_LINK_TO_FOLDER = "links to folders"
_BROKEN_LINK = "links to nothing"
_NO_FILE = "neither files nor folders"


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
    passed_by : dict
        How many files of each kind are no sounds, for each of the folders that has
        any: full name to suffix to number.

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
    passed_by: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def without_sounds(self) -> list[str]:
        """The folders that could be looked at and have no sound in them."""
        return [
            folder
            for folder in self.folders
            if folder not in self.unseen
            and not any(lies_in(path, folder) for path in self.files)
        ]

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
    """Finds the sounds in folders and all folders below, and counts what else is there.

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
    >>> found = scan([str(folder)])
    >>> [os.path.basename(path) for path in found.files]
    ['a.flac', 'b.WAV']
    >>> found.passed_by == {str(folder): {".txt": 1}}
    True
    """
    found = Scan(tuple(folders), {}, {})
    for folder in folders:
        if others := _walk(folder, found):
            found.passed_by[folder] = dict(others.most_common())
    return Scan(
        found.folders, dict(sorted(found.files.items())), found.unseen, found.passed_by
    )


def _walk(root: str, found: Scan) -> Counter[str]:
    """Adds what lies in a folder and below it; gives the kinds of what is no sound."""
    others: Counter[str] = Counter()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        _look(entry, waiting, found, others)
        except OSError as error:
            found.unseen[folder] = _reason(error)
    return others


def _look(
    entry: os.DirEntry, waiting: list[str], found: Scan, others: Counter[str]
) -> None:
    """Sorts an entry of a folder into one of these."""
    try:
        if entry.is_dir(follow_symlinks=False):
            waiting.append(entry.path)
        elif not entry.is_file():
            others[_kind_of_no_file(entry)] += 1
        elif sound_order(entry.name) is None:
            others[kind_of(entry.name)] += 1
        else:
            status = entry.stat()
            found.files[entry.path] = Stamp(status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        pass  # gone in the meantime
    except OSError as error:
        found.unseen[entry.path] = _reason(error)


def _kind_of_no_file(entry: os.DirEntry) -> str:
    if entry.is_dir():
        return _LINK_TO_FOLDER
    return _BROKEN_LINK if entry.is_symlink() else _NO_FILE


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
