"""Downloading an archive whose checksum is known, and unpacking it."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

_BLOCK = 1 << 20
# What archives of sounds come to: few kinds of them can be packed to a tenth.
_MOST_TIMES = 50
_ALWAYS_ALLOWED = 1 << 30  # bytes
_MOST_ENTRIES = 5_000_000


def fetch_zip(url: str, folder: Path, md5: str) -> Path:
    """Downloads a ZIP archive, checks it, and unpacks what is in its one folder.

    A progress bar tells how far it is. An archive that lies beside the folder already,
    with the right checksum, is not downloaded again.

    Arguments
    ---------
    url : str
        Where the archive is; ``file:`` will do.
    folder : Path
        Receives what the archive has in its top folder; must not exist, or be empty.
    md5 : str
        The archive's checksum, in hexadecimal.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If the folder holds anything.
    OSError
        If the archive cannot be downloaded.
    ValueError
        If its checksum is another, it is no archive of one folder, or it would write
        outside of the folder, or unpack to far more than archives of sounds do. What
        was unpacked of it by then is removed.

    Example
    -------
    >>> place = getfixture("tmp_path")
    >>> with zipfile.ZipFile(place / "set.zip", "w") as archive:
    ...     archive.writestr("set-master/meta/list.csv", "a,b")
    >>> md5 = hashlib.md5((place / "set.zip").read_bytes()).hexdigest()
    >>> folder = fetch_zip((place / "set.zip").as_uri(), place / "set", md5)
    >>> (folder / "meta" / "list.csv").read_text()
    'a,b'
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; nothing was downloaded")
    archive = folder.with_name(f"{folder.name}.zip")
    archive.parent.mkdir(parents=True, exist_ok=True)
    if not archive.is_file() or _md5(archive) != md5:
        _download(url, archive)
    found = _md5(archive)
    if found != md5:
        raise ValueError(
            f"{archive} from {url} has the MD5 checksum {found}, not {md5}: the "
            "download is damaged, or its source has changed. Delete it and try again; "
            f"if you trust it, give --md5 {found}"
        )
    unfinished = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        top = _unpack(archive, unfinished)
        if folder.exists():
            folder.rmdir()
        top.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    archive.unlink()
    return folder


def _download(url: str, path: Path) -> None:
    from torch.hub import download_url_to_file

    try:
        download_url_to_file(url, str(path))  # whole or not at all, with a bar
    except OSError as error:
        raise OSError(
            f"{url} cannot be downloaded ({error}); see the recipe's README for the "
            "layout of data that was got in another way"
        ) from error


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path) -> Path:
    """The one folder of an archive, unpacked."""
    try:
        with zipfile.ZipFile(archive) as file:
            _check_entries(archive, file.infolist(), folder)
            file.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{archive} is no ZIP archive, or damaged: {error}") from None
    except (NotImplementedError, RuntimeError) as error:  # packed or locked otherwise
        raise ValueError(f"{archive} cannot be unpacked: {error}") from None
    content = list(folder.iterdir())
    if len(content) != 1 or not content[0].is_dir():
        raise ValueError(
            f"{archive} does not hold one folder, but {len(content)} things"
        )
    return content[0]


def _check_entries(archive: Path, entries: list[zipfile.ZipInfo], folder: Path) -> None:
    """Looks at all that an archive would write, before any of it is written."""
    for entry in entries:
        name = entry.orig_filename
        paths = PurePosixPath(name), PureWindowsPath(name)
        if any(path.is_absolute() or ".." in path.parts for path in paths):
            raise ValueError(
                f"{archive} would write outside of its folder ({name!r}), which no "
                "archive of sounds does: nothing was unpacked"
            )
    size, packed = sum(entry.file_size for entry in entries), archive.stat().st_size
    if (
        size > max(_ALWAYS_ALLOWED, _MOST_TIMES * packed)
        or len(entries) > _MOST_ENTRIES
    ):
        raise ValueError(
            f"{archive} would unpack to {len(entries)} files of {size} bytes, "
            f"{size // max(packed, 1)} times its own: nothing was unpacked"
        )
    free = shutil.disk_usage(folder.parent).free
    if size > free:
        raise OSError(
            f"{archive} takes {size} bytes unpacked, and {folder.parent} has {free}: "
            "make room, and run this again; the archive is kept"
        )
