"""Which server of this user answers for an index: a note that it keeps while it runs.

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
    """Writes the note; one of an earlier server is replaced.

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
    note = _note(index)
    for other in note.parent.glob("*.json"):
        left = _read(other)
        if left is not None and not _is_alive(left.pid):
            other.unlink(missing_ok=True)
    write_whole(note, json.dumps(asdict(running)))


def withdraw(index: str | os.PathLike, running: Running) -> None:
    """Takes the note away, unless it is another server's by now.

    Arguments
    ---------
    index : str or path-like
        The index.
    running : Running
        What was announced.
    """
    with contextlib.suppress(OSError):  # where there is no place, there is none
        note = _note(index)
        if _read(note) == running:
            note.unlink(missing_ok=True)


def find_running(index: str | os.PathLike) -> Running | None:
    """Finds the server of an index; the note of one that is no more is taken away.

    Arguments
    ---------
    index : str or path-like
        The index.

    Returns
    -------
    Running or None
        None if none of this clap_sb's version runs, as far as its note tells.
    """
    try:
        running = _read(_note(index))
    except OSError:
        return None  # no server had a place for one
    if running is None or running.version != clap_sb.__version__:
        return None
    if not _is_alive(running.pid):
        withdraw(index, running)
        return None
    return running


def _read(note: Path) -> Running | None:
    try:
        running = Running(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None  # there is none, or nothing that could be asked
    kinds = {name: type(value) for name, value in asdict(running).items()}
    whole = {"port": int, "pid": int}
    right = all(kinds[name] is whole.get(name, str) for name in kinds)
    return running if right else None


def _note(index: str | os.PathLike) -> Path:
    """Where the note of an index is: by the index's place, links resolved."""
    place = hashlib.sha256(os.fsencode(os.path.realpath(index))).hexdigest()
    return _own_folder() / f"{place[:32]}.json"


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
