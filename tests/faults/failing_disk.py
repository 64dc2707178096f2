"""A disk of which one operation fails, or at one of which the process dies."""

from __future__ import annotations

import builtins
import errno
import io
import os
import signal
import sqlite3
import sys
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events of Python that change a folder, and where their paths are.
_EVENTS = {
    "os.rename": 2,
    "os.remove": 1,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.truncate": 1,
}
_active: list[FailingDisk] = []


class FailingDisk:
    """Counts what is done to a folder, and lets the n-th of it fail.

    What is opened to be written, written, renamed, removed, made, waited for (fsync),
    committed by SQLite, and saved by torch or faiss.

    Arguments
    ---------
    folder : Path
        The folder; all else is left alone.
    nth : int
        What fails; 0 for nothing.
    error : int
        The error's number, of `errno`.
    from_then_on : bool
        Whether whatever would take room fails from then on, as on a disk that is full.
    kills : bool
        Whether the process dies instead.
    """

    def __init__(
        self,
        folder: Path,
        nth: int = 0,
        error: int = errno.ENOSPC,
        from_then_on: bool = False,
        kills: bool = False,
    ):
        self.folder = os.path.realpath(folder)
        self.nth, self.error = nth, error
        self.from_then_on, self.kills = from_then_on, kills
        self.done: list[str] = []

    def __enter__(self) -> FailingDisk:
        """Begins to count."""
        _watch()
        self._stack = ExitStack()
        for target, name, replacement in (
            (builtins, "open", self._open),
            (io, "open", self._open),
            (os, "fsync", self._fsync),
            (sqlite3, "connect", self._connect),
        ):
            self._stack.enter_context(mock.patch.object(target, name, replacement))
        self._patch_library("torch", "save", "unexpected pos 64 vs 0")
        if "faiss" in sys.modules:
            self._patch_library("faiss", "write_index", "write error in x: 0 != 64")
        _active.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves the disk alone."""
        _active.remove(self)
        self._stack.close()

    def operation(self, kind: str, path: object, takes_room: bool = True) -> None:
        """Counts one, or fails.

        Arguments
        ---------
        kind : str
            What it is.
        path : object
            What it is done to.
        takes_room : bool
            Whether a full disk refuses it.
        """
        try:
            name = os.path.realpath(os.fsdecode(path))
        except TypeError:
            return  # a number of a file that is open
        if not name.startswith(self.folder):
            return
        self.done.append(f"{kind} {os.path.relpath(name, self.folder)}")
        at = len(self.done)
        later = self.from_then_on and takes_room and at > self.nth > 0
        if at != self.nth and not later:
            return
        if self.kills:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.error, os.strerror(self.error))

    def _open(self, file, mode="r", *arguments, **options):
        given = _OPEN(file, mode, *arguments, **options)
        if isinstance(file, int) or not set(mode) & set("wax+"):
            return given
        path = os.fsdecode(file)
        if not os.path.realpath(path).startswith(self.folder):
            return given
        text = None if "b" in mode else (given.encoding, given.errors)
        raw = _Raw(self, path, given)
        kind = io.BufferedRandom if "+" in mode else io.BufferedWriter
        buffered = kind(raw)
        if text is None:
            return buffered
        newline = options.get("newline")
        return io.TextIOWrapper(buffered, *text, newline=newline)

    def _fsync(self, number: int) -> None:
        self.operation("fsync", os.readlink(f"/proc/self/fd/{number}"))
        _FSYNC(number)

    def _connect(self, path, *arguments, **options):
        disk = self

        class Connection(sqlite3.Connection):
            """Its commits can fail."""

            def __exit__(self, kind, value, trace):
                if kind is None:
                    try:
                        disk.operation("commit", path)
                    except OSError as error:
                        self.rollback()
                        told = "database or disk is full"
                        raise sqlite3.OperationalError(told) from error
                return super().__exit__(kind, value, trace)

        return _CONNECT(path, *arguments, factory=Connection, **options)

    def _patch_library(self, library: str, name: str, message: str) -> None:
        """Libraries that write by themselves, and have errors of their own."""
        module = __import__(library)
        original = getattr(module, name)

        def save(content, path, *arguments, **options):
            if isinstance(path, (str, os.PathLike)):
                try:
                    self.operation(f"{library}.{name}", path)
                except OSError as error:
                    Path(path).write_bytes(b"half")
                    raise RuntimeError(message) from error
            return original(content, path, *arguments, **options)

        self._stack.enter_context(mock.patch.object(module, name, save))


_OPEN, _FSYNC, _CONNECT = builtins.open, os.fsync, sqlite3.connect


class _Raw(io.RawIOBase):
    """A file whose writes are counted; opened by Python, which has counted that."""

    def __init__(self, disk: FailingDisk, path: str, given):
        self._disk, self.name, self._given = disk, path, given
        self._number = given.fileno()

    def write(self, content) -> int:
        self._disk.operation("write", self.name)
        return os.write(self._number, content)

    def readinto(self, buffer) -> int:
        content = os.read(self._number, len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        return os.lseek(self._number, offset, whence)

    def truncate(self, size: int | None = None) -> int:
        size = self.tell() if size is None else size
        os.truncate(self._number, size)
        return size

    def fileno(self) -> int:
        return self._number

    def readable(self) -> bool:
        return "+" in self._given.mode

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._given.close()


def _watch() -> None:
    """Audit hooks stay for ever: there is one, which asks the disk that is active."""
    if not _watch.__dict__.get("is_set"):
        _watch.is_set = True
        sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple) -> None:
    if not _active:
        return
    disk = _active[-1]
    if event == "open":
        path, mode, flags = arguments
        writes = set(mode) & set("wax+") if mode else (flags or 0) & _WRITING
        if writes and path is not None:
            disk.operation("open", path)
    elif event in _EVENTS:
        takes_room = event not in ("os.remove", "os.rmdir")
        disk.operation(event, arguments[_EVENTS[event] - 1], takes_room)
