"""Which servers of this user answer for an index: a note of each while it runs.

The note is in a folder for temporary files that is this user's alone, and in no index:
an index from someone else names no server.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import clap_sb
from clap_sb.whole_file import write_whole

_WHERE_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Running:
    """A server of this machine that runs.

    Arguments
    ---------
    host : str
        Address, in numbers.
    port : int
        Its port.
    pid : int
        Its process.
    device : str
        Where its model is.
    version : str
        Of its clap_sb.
    key : str
        What it and whoever asks it know, and nobody else.
    """

    host: str
    port: int
    pid: int
    device: str
    version: str
    key: str

    @classmethod
    def of(cls, address: tuple[str, int], device: str) -> Running:
        """This process, with a new key.

        Arguments
        ---------
        address : (str, int)
            What it listens on.
        device : str
            Where its model is.

        Returns
        -------
        Running

        Example
        -------
        >>> Running.of(("0.0.0.0", 8642), "cpu").host
        '127.0.0.1'
        """
        host, port = address
        key, version = secrets.token_hex(32), clap_sb.__version__
        return cls(_WHERE_ANY.get(host, host), port, os.getpid(), device, version, key)

    def is_on(self, device: str) -> bool:
        """Whether its model is on a device.

        Arguments
        ---------
        device : str
            By any name: ``cuda`` is ``cuda:0``.

        Returns
        -------
        bool

        Example
        -------
        >>> here = Running.of(("127.0.0.1", 8642), "cuda:0")
        >>> here.is_on("cuda"), here.is_on("cuda:1"), here.is_on("cpu")
        (True, False, False)
        """
        return _numbered(self.device) == _numbered(device)

    def proof(self, what: str, nonce: str, body: bytes) -> str:
        """What shows that a message is of one who has the key.

        Arguments
        ---------
        what : str
            ``question`` or ``answer``.
        nonce : str
            Drawn anew for each question.
        body : bytes
            The message.

        Returns
        -------
        str
        """
        message = f"{what}\n{nonce}\n".encode() + body
        return hmac.new(self.key.encode(), message, hashlib.sha256).hexdigest()


def announce(index: str | os.PathLike, running: Running) -> None:
    """Writes the note, beside those of other servers of the index.

    Those of servers that were killed, of whatever index, are taken away.

    Arguments
    ---------
    index : str or path-like
        The index.
    running : Running
        Its server.

    Raises
    ------
    OSError
        If there is no place for it.
    """
    note = _note(index, running)
    for other in note.parent.glob("*.json"):
        left = _read(other)
        if left is not None and not _is_alive(left.pid):
            other.unlink(missing_ok=True)
    write_whole(note, json.dumps(asdict(running)))


def withdraw(index: str | os.PathLike, running: Running) -> None:
    """Takes the note away; those of other servers of the index stay.

    Arguments
    ---------
    index : str or path-like
        The index.
    running : Running
        What was announced.
    """
    with contextlib.suppress(OSError):  # where there is no place, there is none
        note = _note(index, running)
        if _read(note) == running:
            note.unlink(missing_ok=True)


def find_running(index: str | os.PathLike, device: str | None = None) -> Running | None:
    """Finds a server of an index; notes of those that are no more are taken away.

    Arguments
    ---------
    index : str or path-like
        The index.
    device : str, optional
        Where its model is to be.

    Returns
    -------
    Running or None
        Of several the one that was started last; None if none of this clap_sb's version
        runs, as far as the notes tell.
    """
    found = None
    for running in _announced(index):
        if not _is_alive(running.pid):
            withdraw(index, running)
        elif running.version == clap_sb.__version__ and (
            device is None or running.is_on(device)
        ):
            found = running
    return found


def _announced(index: str | os.PathLike) -> list[Running]:
    """What the notes of an index say, the last one last."""
    dated = []
    try:
        for note in _own_folder().glob(f"{_place(index)}-*.json"):
            with contextlib.suppress(FileNotFoundError):  # taken away meanwhile
                dated.append((note.stat().st_mtime_ns, str(note), note))
    except OSError:
        return []  # no server had a place for one
    read = [_read(note) for *_, note in sorted(dated)]
    return [running for running in read if running is not None]


def _read(note: Path) -> Running | None:
    try:
        running = Running(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None  # there is none, or nothing that could be asked
    kinds = {name: type(value) for name, value in asdict(running).items()}
    whole = {"port": int, "pid": int}
    right = all(kinds[name] is whole.get(name, str) for name in kinds)
    return running if right else None


def _note(index: str | os.PathLike, running: Running) -> Path:
    """Where the note of a server is; no two have one process and one port."""
    return _own_folder() / f"{_place(index)}-{running.pid}-{running.port}.json"


def _place(index: str | os.PathLike) -> str:
    """An index by where it is, links resolved."""
    return hashlib.sha256(os.fsencode(os.path.realpath(index))).hexdigest()[:32]


def _numbered(device: str) -> str:
    """A device by its full name, without a word of torch's."""
    return device if ":" in device or device == "cpu" else f"{device}:0"


def _own_folder() -> Path:
    """A folder that nobody else can write to, or look into."""
    if os.name != "posix":  # the folder for temporary files is a user's own there
        folder = Path(tempfile.gettempdir()) / "clap-sb-servers"
        folder.mkdir(exist_ok=True)
        return folder
    folder = Path(tempfile.gettempdir()) / f"clap-sb-servers-{os.getuid()}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not own or stat.S_IMODE(found.st_mode) & 0o077:
        raise OSError(
            f"{folder} is not this user's alone: remove it, or set TMPDIR to another "
            "folder"
        )
    return folder


def _is_alive(pid: int) -> bool:
    if os.name != "posix":  # to ask there would end it; the port tells as well
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's, by now
        return False
    return True
