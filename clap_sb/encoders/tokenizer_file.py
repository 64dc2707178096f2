"""A tokenizer as one file, which SpeechBrain's ``Pretrainer`` can fetch and load."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

from clap_sb.encoders.text_tower import TextTower

SUFFIXES = (".json", ".txt", ".model")
_LARGEST = 2**28  # bytes: a file that unpacks to more is no tokenizer


def write_tokenizer(folder: str | Path, path: str | Path) -> None:
    """Packs a tokenizer's files.

    Arguments
    ---------
    folder : str or Path
        With the tokenizer.
    path : str or Path
        File to write.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "vocab.txt").write_text("a dog")
    >>> write_tokenizer(folder, folder / "tokenizer.ckpt")
    >>> zipfile.ZipFile(folder / "tokenizer.ckpt").namelist()
    ['vocab.txt']
    """
    files = [p for p in sorted(Path(folder).iterdir()) if p.suffix in SUFFIXES]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            # a fixed date: the same tokenizer gives the same file
            archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes())


def load_tokenizer(tower: TextTower, path: str | Path) -> None:
    """Gives a text tower the tokenizer that :func:`write_tokenizer` packed.

    Arguments
    ---------
    tower : TextTower
        Keeps its rules on length and padding.
    path : str or Path
        The file.

    Raises
    ------
    ValueError
        If the file is no packed tokenizer.
    """
    with tempfile.TemporaryDirectory() as folder:
        _unpack(Path(path), Path(folder))
        tower.load_tokenizer(Path(folder))


def _unpack(path: Path, folder: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no packed tokenizer: export the model again")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        plain = all(n == Path(n).name and n.endswith(SUFFIXES) for n in names)
        if not plain or sum(entry.file_size for entry in entries) > _LARGEST:
            raise ValueError(f"{path} holds more than a tokenizer's files: {names}")
        for name in names:
            (folder / name).write_bytes(archive.read(name))
