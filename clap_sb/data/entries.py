"""Entries of a data set's list, and which of them have audio that can be read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from clap_sb.data.audio import AudioError, probe_to_end
from clap_sb.data.listed_file import composed
from clap_sb.data.manifest import Clip
from clap_sb.data.missing import NOT_FOUND, MissingClip
from clap_sb.data.remarks import Remark
from clap_sb.data.suffixes import sound_order
from clap_sb.progress import progress


@dataclass(frozen=True)
class Entry:
    """A clip as the list of a data set has it, before its audio file is known.

    Arguments
    ---------
    id : str
        Name of the clip, unique in its list.
    names : tuple of str
        Names that its audio file may have, the best first; with an extension or
        without, since the file may have been saved with another one.
    captions : tuple of str
        Its captions; empty ones are dropped.
    label : str or None
        Its class.
    fold : int or None
        Its fold.
    source : str or None
        The recording it was cut from, see :class:`~clap_sb.data.manifest.Clip`.
    keywords : tuple of str
        Words that say what is heard.

    Example
    -------
    >>> Entry("abc_30", names=("abc_30", "abc", "Yabc")).names[0]
    'abc_30'
    """

    id: str
    names: tuple[str, ...]
    captions: tuple[str, ...] = ()
    label: str | None = None
    fold: int | None = None
    source: str | None = None
    keywords: tuple[str, ...] = ()


class Examined(NamedTuple):
    """What has become of the entries of a list, each in the order of the entries.

    Arguments
    ---------
    clips : list of Clip
        Those that can be used.
    missing : list of MissingClip
        Those that cannot.
    remarks : list of Remark
        What is worth telling about the clips.
    """

    clips: list[Clip]
    missing: list[MissingClip]
    remarks: list[Remark]


def is_there(path: Path) -> bool:
    """Whether a file has a name, or whether that cannot be looked at.

    Then to open it tells why: one name that the system refuses, or one folder that may
    not be entered, is no reason to leave a list.

    Arguments
    ---------
    path : Path
        The name.

    Returns
    -------
    bool

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> is_there(folder), is_there(folder / "a.wav"), is_there(folder / ("a" * 999))
    (True, False, True)
    """
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True
    return True


def examine(
    entries: Sequence[Entry], files: Mapping[str, Path], description: str
) -> Examined:
    """Splits the entries into clips that can be used and those that cannot.

    Arguments
    ---------
    entries : sequence of Entry
        The clips of a list.
    files : mapping of str to Path
        The audio file of each name that has one.
    description : str
        What the progress bar says.

    Returns
    -------
    Examined

    Example
    -------
    >>> examine([Entry("a", names=("a.wav",))], {}, "test").missing[0].id
    'a'
    """
    with ThreadPoolExecutor() as pool:
        # a list and a disk may write the same letters in two ways
        composed_files = {composed(name): path for name, path in files.items()}
        found = pool.map(
            lambda entry: _examine_one(entry, files, composed_files), entries
        )
        about = f"Probing audio ({description})"
        results = list(progress(found, about=about, unit="clip", total=len(entries)))
    clips = [found for found, _ in results if isinstance(found, Clip)]
    missing = [found for found, _ in results if isinstance(found, MissingClip)]
    return Examined(clips, missing, [remark for _, said in results for remark in said])


def _examine_one(
    entry: Entry, files: Mapping[str, Path], composed_files: Mapping[str, Path]
) -> tuple[Clip | MissingClip, list[Remark]]:
    stems = (Path(name).stem for name in entry.names if sound_order(name) is not None)
    names = [*entry.names, *stems]
    found = (files.get(name) for name in names)
    found_composed = (composed_files.get(composed(name)) for name in names)
    path = next(filter(None, (*found, *found_composed)), None)
    if path is None:
        return MissingClip(entry.id, entry.names[0], NOT_FOUND), []
    try:
        info = probe_to_end(path)
    except AudioError as error:
        return MissingClip(entry.id, path.as_posix(), str(error)), []
    clip = Clip(
        id=entry.id,
        path=path.as_posix(),
        duration=info.duration,
        captions=entry.captions,
        label=entry.label,
        fold=entry.fold,
        source=entry.source,
        keywords=entry.keywords,
    )
    return clip, [Remark(clip.id, clip.path, said) for said in info.remarks]
