"""The file that a path in a list means, and whether two paths mean the same one."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def find_listed(folder: Path, name: str) -> Path:
    """Finds the file that a list names.

    A name may begin or end with a space, as three of Clotho's do: it is taken as it
    is, if there is such a file, and else without. Letters with accents are the same
    letters whether they are written as one character (NFC) or two (NFD, as some disks
    and archives have them); a file of the very spelling is taken before another.

    Arguments
    ---------
    folder : Path
        What a relative path is relative to.
    name : str
        The path, as the list has it.

    Returns
    -------
    Path
        The file, or the plain path if there is none.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "cafe\\u0301.wav").touch()
    >>> find_listed(folder, "caf\\u00e9.wav").exists()
    True
    """
    # os.path: a name may begin with a tilde and be nobody's home
    as_it_is, plain = (folder / os.path.expanduser(n) for n in (name, name.strip()))
    # x/../a.wav is a.wav, even without a folder x
    exact = (as_it_is, plain, Path(os.path.normpath(plain)))
    spelt = (_respelt(path) for path in (as_it_is, plain))
    for path in (*exact, *filter(None, spelt)):
        if os.path.lexists(path):
            return path
    return exact[-1]


def _respelt(path: Path) -> Path | None:
    """A path that is there and differs in how its letters are composed."""
    found = Path(path.anchor)
    for part in path.parts[len(found.parts) :]:
        forms = (part, *(unicodedata.normalize(form, part) for form in ("NFC", "NFD")))
        there = (found / form for form in forms if os.path.lexists(found / form))
        found = next(there, None)
        if found is None:
            return None
    return found


def composed(name: str) -> str:
    """A name with its letters composed, to compare names by.

    Arguments
    ---------
    name : str
        A name.

    Returns
    -------
    str

    Example
    -------
    >>> composed("cafe\\u0301") == "caf\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def identity_of(path: str | os.PathLike) -> tuple[int, int] | str:
    """What two paths of one file have in common: links and other spellings are it.

    Arguments
    ---------
    path : str or path-like
        A path.

    Returns
    -------
    pair of int, or str
        Device and number of the file; of one that is not there, its path.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "a.wav").touch()
    >>> (folder / "b.wav").symlink_to(folder / "a.wav")
    >>> identity_of(folder / "a.wav") == identity_of(folder / "b.wav")
    True
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return os.path.abspath(path)
    # a few file systems number no files
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(path)
