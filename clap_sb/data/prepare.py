"""What data preparation has in common: from a data set's list to a manifest.

A recipe's ``<dataset>_prepare.py`` knows its data set: how the list is written, where
audio may lie and how files may be named. Finding, probing and reporting is done here.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from clap_sb.data.builtin.stamp import STAMP
from clap_sb.data.entries import Entry, examine
from clap_sb.data.listing import Listing
from clap_sb.data.manifest import in_place, read_note, write_manifest
from clap_sb.data.missing import NOT_FOUND, MissingClip
from clap_sb.data.remarks import tell_remarks
from clap_sb.data.suffixes import SOUND_SUFFIXES, counted, kind_of, sound_order
from clap_sb.data.write_rows import write_rows

logger = logging.getLogger(__name__)

# To be raised when equal entries and files would give another manifest than before.
_VERSION = 5


def index_audio(folders: Iterable[Path]) -> dict[str, Path]:
    """Lists the audio files of some folders, each folder once.

    Arguments
    ---------
    folders : iterable of Path
        Folders to look in, the best first; those that do not exist are skipped.

    Returns
    -------
    dict
        From a file's name without extension to its path: that in the earliest folder,
        and there the one earliest in
        :data:`~clap_sb.data.suffixes.SOUND_SUFFIXES`.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a.mp3", "a.wav", "b.FLAC", "notes.txt"):
    ...     (folder / name).touch()
    >>> [path.name for path in index_audio([folder]).values()]
    ['a.wav', 'b.FLAC']
    """
    index: dict[str, Path] = {}
    for folder in folders:
        found = [
            (order, folder / name)
            for name in _names_in(folder)
            if (order := sound_order(name)) is not None
        ]
        for _, path in sorted(found):
            index.setdefault(path.stem, path)
    return index


def passed_by(folders: Iterable[Path]) -> Counter[str]:
    """Counts the files of some folders that `index_audio` leaves out.

    Arguments
    ---------
    folders : iterable of Path
        Folders.

    Returns
    -------
    Counter
        From kind, which is the suffix, to number; names that begin with a dot aside,
        and what marks a built-in set.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a.mp3", "b.raw", "notes.txt", "more.txt", ".hidden"):
    ...     (folder / name).touch()
    >>> sorted(passed_by([folder]).items())
    [('.raw', 1), ('.txt', 2)]
    """
    return Counter(
        kind_of(name)
        for folder in folders
        for name in _names_in(folder)
        if sound_order(name) is None and not name.startswith((".", STAMP))
    )


def _names_in(folder: Path) -> list[str]:
    """The names of a folder's files, if it exists; folders in it are none."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not _is_folder(entry)]


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself: to open it will tell
        return False


def prepare_manifest(
    manifest: str | os.PathLike, entries: Sequence[Entry], folders: Sequence[Path]
) -> Path:
    """Finds and probes the audio of a list of clips, and writes the manifest.

    Clips whose file is missing or unreadable are left out with a warning, and listed
    beside the manifest in ``<name>_missing.csv``; what is worth telling about the
    others is listed in ``<name>_remarks.csv``. A manifest made before from the same
    entries and the same files (by name) is kept as it is.

    Arguments
    ---------
    manifest : str or path-like
        Where to write, as ``<save_folder>/<name>.json``.
    entries : sequence of Entry
        The clips of the list; their order is that of the manifest.
    folders : sequence of Path
        Absolute folders in which the audio may lie, the best first.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    FileNotFoundError
        If not one clip can be used; the message shows what was looked for.

    Example
    -------
    >>> import numpy, soundfile
    >>> folder = getfixture("tmp_path")
    >>> soundfile.write(folder / "Yabc.wav", numpy.zeros(800), 8000)
    >>> entry = Entry("abc_30", names=("abc", "Yabc"), captions=("A dog barks",))
    >>> prepare_manifest(folder / "save" / "test.json", [entry], [folder]).name
    'test.json'
    """
    files, others = index_audio(folders), counted(passed_by(folders))
    if others:
        logger.info("%s: passed by in its folders: %s", Path(manifest).stem, others)

    def explain(missing: Sequence[MissingClip]) -> str:
        return _nothing_found(entries, folders, files, others, missing)

    return prepare_found(manifest, entries, files, explain)


def prepare_found(
    manifest: str | os.PathLike,
    entries: Sequence[Entry],
    files: Mapping[str, Path],
    explain: Callable[[Sequence[MissingClip]], str],
) -> Path:
    """Does what `prepare_manifest` does where the audio files are known by name.

    Arguments
    ---------
    manifest : str or path-like
        Where to write, as ``<save_folder>/<name>.json``.
    entries : sequence of Entry
        The clips of the list; their order is that of the manifest.
    files : mapping of str to Path
        The audio file of each name that has one.
    explain : callable
        Gives the message of the error if no clip can be used.

    Returns
    -------
    Path
        The manifest.

    Raises
    ------
    FileNotFoundError
        If not one clip can be used.
    """
    manifest = Path(manifest)
    entries = _with_words(entries, manifest.stem)
    missing_list = manifest.with_name(f"{manifest.stem}_missing.csv")
    remarks_list = manifest.with_name(f"{manifest.stem}_remarks.csv")
    stamp = _stamp(entries, files)
    note = read_note(manifest) if manifest.is_file() else {}
    if note.get("stamp") == stamp:
        logger.info("%s is up to date", in_place(manifest))
    else:
        clips, missing, remarks = examine(entries, files, description=manifest.stem)
        if not clips:
            raise FileNotFoundError(explain(missing))
        write_rows(missing_list, missing)
        tell_remarks(manifest.stem, remarks, remarks_list)
        note = {"stamp": stamp, **Listing.count(entries, missing).note}
        write_manifest(manifest, clips, note)
    if note["missing"]:
        logger.warning(
            "%s: %d of %d clips are left out, their audio is missing or unreadable; "
            "they are listed in %s. The folders are looked through again whenever a "
            "file comes or goes; after a repair under the same name, delete %s.",
            *(manifest.stem, note["missing"], note["listed"]),
            *(in_place(missing_list), in_place(manifest)),
        )
    return manifest


def _with_words(entries: Sequence[Entry], name: str) -> list[Entry]:
    """The entries without captions that say nothing, which no tower takes."""
    kept = [
        replace(entry, captions=tuple(text for text in entry.captions if text.strip()))
        for entry in entries
    ]
    dropped = sum(len(entry.captions) for entry in entries)
    dropped -= sum(len(entry.captions) for entry in kept)
    if dropped:
        logger.warning("%s: %d empty captions are dropped", name, dropped)
    return kept


def _stamp(entries: Sequence[Entry], files: Mapping[str, Path]) -> str:
    """Says whether anything has changed that the manifest is made from."""
    content = repr([_VERSION, list(entries), list(map(str, files.values()))])
    return hashlib.sha256(content.encode()).hexdigest()


def _nothing_found(
    entries: Sequence[Entry],
    folders: Sequence[Path],
    files: dict[str, Path],
    others: str,
    missing: Sequence[MissingClip],
) -> str:
    """Tells where was looked for what, and what was there instead."""
    looked_in = [
        f"  {folder.as_posix()}{'' if folder.is_dir() else ' (no such folder)'}"
        for folder in folders
    ]
    unreadable = [row for row in missing if row.reason != NOT_FOUND]
    if unreadable:
        found = f"{len(unreadable)} files were found but unreadable, such as "
        found += unreadable[0].reason
    elif files:
        found = f"Found there were {len(files)} audio files, such as "
        found += next(iter(files.values())).name
    else:
        found = "No audio files were found there at all"
    if others:
        found += f"; passed by: {others}"
    return "\n".join(
        [
            f"Not one of {len(entries)} clips has usable audio. Looked in",
            *looked_in,
            f"for the extensions {' '.join(SOUND_SUFFIXES)} and names such as",
            *(f"  {name}" for entry in entries[:1] for name in entry.names),
            f"{found}.",
            "Check data_folder, or move or rename the audio files.",
        ]
    )
