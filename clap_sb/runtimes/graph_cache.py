"""Where converted towers are kept, and by what name."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import clap_sb
from clap_sb.encoders.fingerprint import tower_fingerprint
from clap_sb.user_folder import user_folder

if TYPE_CHECKING:
    from torch import nn

VARIABLE = "CLAP_SB_CACHE"


def cache_folder() -> Path:
    """The folder: the environment's ``CLAP_SB_CACHE``, or else where a system has such.

    It may be removed at any time.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError
        If this user has none.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]) / "graphs"
    if sys.platform == "win32":
        place = user_folder("LOCALAPPDATA", "AppData/Local")
    elif sys.platform == "darwin":
        place = Path.home() / "Library" / "Caches"
    else:
        place = user_folder("XDG_CACHE_HOME", ".cache")
    return place / "clap_sb" / "graphs"


def graph_path(tower: nn.Module, kind: str, packages: Iterable[str]) -> Path:
    """The file of a tower's graph.

    Its name follows from the tower's weights and settings, from the code of its
    classes, and from the versions of what converts it. A graph is the same for every
    processor and precision: those are seen to when it is loaded, which is quick.

    Arguments
    ---------
    tower : nn.Module
        The tower.
    kind : str
        What the graph is of.
    packages : iterable of str
        What converts it.

    Returns
    -------
    Path

    Raises
    ------
    FileNotFoundError
        If this user has no place for such files.
    """
    versions = [f"{name} {version(name)}" for name in ("torch", *packages)]
    told = [
        clap_sb.__version__,
        platform.machine(),
        kind,
        *versions,
        code_fingerprint(tower),
    ]
    digest = hashlib.blake2b("\n".join(told).encode(), digest_size=8).hexdigest()
    return cache_folder() / f"{tower_fingerprint(tower)}-{digest}.graph"


def code_fingerprint(tower: nn.Module) -> str:
    """Hashes the files that the classes of a tower are written in, but for torch's.

    Arguments
    ---------
    tower : nn.Module
        A tower.

    Returns
    -------
    str
        32 hexadecimal digits.

    Example
    -------
    >>> from torch import nn
    >>> code_fingerprint(nn.Linear(1, 1)) == code_fingerprint(nn.ReLU())
    True
    """
    names = {type(module).__module__ for module in tower.modules()}
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(names):
        file = getattr(sys.modules[name], "__file__", None)  # a notebook's has none
        if file is not None and not name.startswith("torch."):
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()
