"""A graph in one file, that is seen to be whole when it is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from clap_sb.whole_file import write_whole

_MAGIC = b"clap_sb graph 1\n"


class DamagedGraphError(ValueError):
    """A file that is not what was written."""


def write_graph(path: str | Path, parts: Mapping[str, bytes]) -> None:
    """Writes the parts of a graph.

    Arguments
    ---------
    path : str or Path
        The file.
    parts : mapping of str to bytes
        By name.

    Raises
    ------
    WriteError
        If the disk is full, or may not be written to.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.graph"
    >>> write_graph(path, {"xml": b"<net/>", "bin": b"123"})
    >>> {name: bytes(part) for name, part in read_graph(path).items()}
    {'xml': b'<net/>', 'bin': b'123'}
    """
    digest = hashlib.sha256()
    for part in parts.values():
        digest.update(part)
    sizes = {name: len(part) for name, part in parts.items()}
    head = json.dumps({"sha256": digest.hexdigest(), "sizes": sizes}).encode()
    write_whole(path, b"".join([_MAGIC, head, b"\n", *parts.values()]))


def read_graph(path: str | Path) -> dict[str, memoryview]:
    """Reads what :func:`write_graph` wrote.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    dict of str to memoryview
        The parts.

    Raises
    ------
    DamagedGraphError
        If it is another file, or a byte of it is another.
    OSError
        If it cannot be read.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.graph"
    >>> _ = path.write_bytes(b"clap_sb graph 1\\n{}\\n")
    >>> read_graph(path)
    Traceback (most recent call last):
    ...
    clap_sb.runtimes.graph_file.DamagedGraphError: ...a.graph is damaged
    """
    content = Path(path).read_bytes()
    head_end = content.find(b"\n", len(_MAGIC))
    try:
        if not content.startswith(_MAGIC):
            raise ValueError
        head = json.loads(content[len(_MAGIC) : head_end])
        body = memoryview(content)[head_end + 1 :]
        whole = sum(head["sizes"].values()) == len(body)
        if not whole or hashlib.sha256(body).hexdigest() != head["sha256"]:
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedGraphError(f"{path} is damaged") from error
    parts, begin = {}, 0
    for name, size in head["sizes"].items():
        parts[name] = body[begin : begin + size]
        begin += size
    return parts
