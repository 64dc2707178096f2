"""Entries of a data set's list, and which of them have audio that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from clap_sb.data.audio import AudioError, probe_to_end
from clap_sb.data.listed_file import composed
from clap_sb.data.manifest import Clip
from clap_sb.data.missing import NOT_FOUND, MissingClip


@dataclass(frozen=True)
class Entry:
    """A clip as the list of a data set has it, before its audio file is known.

    Arguments
    ---------
    id : str
        Name of the clip, unique in its list.
    names : tuple of str
        Names that its audio file may have, without extension, the best first.
    captions : tuple of str
        Its captions.
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


def examine(
    entries: Sequence[Entry], files: Mapping[str, Path], description: str
) -> tuple[list[Clip], list[MissingClip]]:
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
    clips : list of Clip
        In the order of the entries.
    missing : list of MissingClip
        Likewise.

    Example
    -------
    >>> examine([Entry("a", names=("a",))], {}, "test")[1][0].id
    'a'
    """
    with ThreadPoolExecutor() as pool:
        # a list and a disk may write the same letters in two ways
        composed_files = {composed(name): path for name, path in files.items()}
        progress = tqdm(
            pool.map(lambda entry: _examine_one(entry, files, composed_files), entries),
            desc=f"Probing audio ({description})",
            total=len(entries),
            unit="clip",
            disable=None,  # without a terminal
        )
        results = list(progress)
    clips = [result for result in results if isinstance(result, Clip)]
    missing = [result for result in results if isinstance(result, MissingClip)]
    return clips, missing


def _examine_one(
    entry: Entry, files: Mapping[str, Path], composed_files: Mapping[str, Path]
) -> Clip | MissingClip:
    found = (files.get(name) for name in entry.names)
    found_composed = (composed_files.get(composed(name)) for name in entry.names)
    path = next(filter(None, (*found, *found_composed)), None)
    if path is None:
        return MissingClip(entry.id, entry.names[0], NOT_FOUND)
    try:
        info = probe_to_end(path)
    except AudioError as error:
        return MissingClip(entry.id, path.as_posix(), str(error))
    return Clip(
        id=entry.id,
        path=path.as_posix(),
        duration=info.duration,
        captions=entry.captions,
        label=entry.label,
        fold=entry.fold,
        source=entry.source,
        keywords=entry.keywords,
    )
