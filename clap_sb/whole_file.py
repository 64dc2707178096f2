"""Files and folders that are there whole, or not at all."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

# What a disk answers, whoever writes: full, over a quota, broken, read-only.
_OF_THE_DISK = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EFBIG")
    if hasattr(errno, name)
}
# Of Linux: paths are as they are; each gets the other's name.
_HERE, _EXCHANGE = -100, 2
# How libraries that write by themselves put it: torch, safetensors.
_SIGNS = ("unexpected pos", "PytorchStreamWriter", "while serializing: I/O error")


class WriteError(OSError):
    """A file or folder that cannot be written; what was there before still is.

    Example
    -------
    >>> raise WriteError("out.npz cannot be written")
    Traceback (most recent call last):
    ...
    clap_sb.whole_file.WriteError: out.npz cannot be written
    """


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a place to write a file to, which takes its name once it is complete.

    Whatever happens before, also if the process is killed or the machine loses its
    power, there is the file that was there, or none. Missing folders are created.

    Arguments
    ---------
    path : str or path-like
        The file's name in the end.

    Yields
    ------
    Path
        Beside it, and hidden; with the same suffix.

    Raises
    ------
    WriteError
        If the disk is full, or may not be written to.

    Example
    -------
    >>> path = getfixture("tmp_path") / "new" / "a.txt"
    >>> with whole_file(path) as unfinished:
    ...     size = unfinished.write_text("whole")
    ...     print(path.exists())
    False
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('whole', 1)
    """
    path = Path(path)
    mark = f".{path.stem}.{platform.node()}."
    unfinished = path.with_name(f"{mark}{os.getpid()}.partial{path.suffix}")
    with _explained(path, unfinished):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path.parent, mark, f".partial{path.suffix}")
        try:
            yield unfinished
            to_disk(unfinished)
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    to_disk(path.parent)


def _remove_left(folder: Path, mark: str, end: str) -> None:
    """What processes of this machine have left of the same file, and are no more."""
    if os.name == "nt":  # where a process cannot be asked for
        return
    for left in folder.iterdir():
        number = left.name.removeprefix(mark).removesuffix(end)
        if left.name == f"{mark}{number}{end}" and number.isdigit():
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                left.unlink(missing_ok=True)
            except (PermissionError, OverflowError):
                continue  # another user's, or no process's number


def write_whole(path: str | os.PathLike, content: str | bytes) -> None:
    """Writes a file as :func:`whole_file` does.

    Arguments
    ---------
    path : str or path-like
        The file.
    content : str or bytes
        What it is to hold; text as UTF-8, its line ends as they are.

    Raises
    ------
    WriteError
        If the disk is full, or may not be written to.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.json"
    >>> write_whole(path, "{}")
    >>> path.read_bytes()
    b'{}'
    """
    if isinstance(content, str):
        content = content.encode()
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Gives an empty folder, which takes its name once it is complete.

    What has the name by then is replaced. One process writes a folder at a time; what
    one that was killed has left is removed by the next.

    Arguments
    ---------
    path : str or path-like
        The folder's name in the end.

    Yields
    ------
    Path
        Beside it.

    Raises
    ------
    WriteError
        If the disk is full, or may not be written to.

    Example
    -------
    >>> path = getfixture("tmp_path") / "export"
    >>> for number in (1, 2):
    ...     with whole_folder(path) as unfinished:
    ...         size = (unfinished / f"{number}.txt").write_text("whole")
    >>> [file.name for file in path.iterdir()], len(list(path.parent.iterdir()))
    (['2.txt'], 1)
    """
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.partial")
    replaced = path.with_name(f"{path.name}.replaced")
    with _explained(path, unfinished):
        path.parent.mkdir(parents=True, exist_ok=True)
        if replaced.exists() and not path.exists():  # killed between the two steps
            replaced.rename(path)
        for left in (unfinished, replaced):
            shutil.rmtree(left, ignore_errors=True)
        unfinished.mkdir()
        try:
            yield unfinished
            for file in unfinished.rglob("*"):
                to_disk(file)
            if not (path.exists() and _exchanged(unfinished, path)):
                _put_in_place(unfinished, path, replaced)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
    to_disk(path.parent)


def _exchanged(first: Path, second: Path) -> bool:
    """Gives each the other's name in one step, where the system and the disk can."""
    function = (
        None if os.name == "nt" else getattr(ctypes.CDLL(None), "renameat2", None)
    )
    if function is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    return function(_HERE, names[0], _HERE, names[1], _EXCHANGE) == 0


def _put_in_place(unfinished: Path, path: Path, replaced: Path) -> None:
    """Does it in two steps; what is killed between them is mended by the next one."""
    if path.exists():
        path.rename(replaced)
    try:
        unfinished.rename(path)
    except OSError:
        if replaced.exists():
            replaced.rename(path)
        raise


@contextlib.contextmanager
def _explained(path: Path, unfinished: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = disk_fault(error, path, unfinished)
        if reason is None:
            raise
        raise WriteError(
            f"{path} cannot be written ({reason}): mend that, as by making room on the "
            "disk, and run this again; what was there before is as it was"
        ) from error


def disk_fault(error: BaseException, *places: Path) -> str | None:
    """What a disk has refused, if it is that which an error tells of.

    Arguments
    ---------
    error : BaseException
        From whatever has written, libraries too.
    *places : Path
        Where was written to: other files' errors are others.

    Returns
    -------
    str or None
        The reason, in words.

    Example
    -------
    >>> disk_fault(OSError(errno.ENOSPC, "No space left on device"))
    'No space left on device'
    >>> disk_fault(ValueError("no such checkpoint"))
    """
    if isinstance(error, OSError) and error.errno is not None:
        names = [str(name) for name in (error.filename, error.filename2) if name]
        ours = any(name.startswith(str(place)) for name in names for place in places)
        return error.strerror if ours or not names else None
    if any(sign in str(error) for sign in _SIGNS):
        context = error.__cause__ or error.__context__
        is_told = isinstance(context, OSError) and context.errno in _OF_THE_DISK
        return context.strerror if is_told else "the disk may be full"
    return None


def to_disk(path: Path) -> None:
    """Waits until a file, or what a folder lists, would outlast a loss of power.

    Arguments
    ---------
    path : Path
        The file or folder.

    Raises
    ------
    OSError
        If the disk is full, or broken.

    Example
    -------
    >>> to_disk(getfixture("tmp_path"))
    """
    if path.is_dir() and os.name == "nt":  # where folders cannot be opened
        return
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    except OSError as error:
        if path.is_dir() or error.errno not in _OF_THE_DISK:
            return  # some network disks cannot, and it is written all the same
        raise
    finally:
        os.close(number)
