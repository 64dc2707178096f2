"""Manifests: the lists of clips that data preparation writes and recipes read.

A manifest is a JSON file with one entry a clip. Captions may hold any character: the
file never passes through SpeechBrain's own JSON loader, which would take a brace or a
dollar sign in a caption for a variable.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from clap_sb.whole_file import write_whole

FOLDER = "manifests"
"""Where a run's manifests are, in its folder."""

SCRATCH = "manifests.new"
"""Where they are prepared, before they take the place of others."""


def in_place(path: Path) -> Path:
    """Where a file of the scratch folder comes to lie, to be told of it.

    Arguments
    ---------
    path : Path
        Any file.

    Returns
    -------
    Path
        The same where it is in no scratch folder.

    Example
    -------
    >>> in_place(Path("run/manifests.new/test.json")).as_posix()
    'run/manifests/test.json'
    """
    return Path(*(FOLDER if part == SCRATCH else part for part in path.parts))


@dataclass(frozen=True)
class Clip:
    """One clip of a data set: its audio file and what is said about it.

    Arguments
    ---------
    id : str
        Name of the clip, unique in its manifest.
    path : str
        Absolute path of the audio file, with forward slashes.
    duration : float
        Length of the audio in seconds.
    captions : tuple of str
        The captions of the clip, in the order of the data set; may be empty.
    label : str or None
        Class of the clip, where the data set has classes.
    fold : int or None
        Fold of the clip, where the data set is divided for cross-validation.
    source : str or None
        The recording that the clip was cut from, as ``youtube:<id>`` or
        ``freesound:<id>``, where it is known: two sets may hold the same one.
    keywords : tuple of str
        Words that say what is heard, where the data set has such.

    Example
    -------
    >>> Clip("a", "/audio/a.wav", 10.0, captions=("A dog barks",)).captions
    ('A dog barks',)
    """

    id: str
    path: str
    duration: float
    captions: tuple[str, ...] = ()
    label: str | None = None
    fold: int | None = None
    source: str | None = None
    keywords: tuple[str, ...] = ()


def write_manifest(
    path: str | os.PathLike, clips: Sequence[Clip], note: dict | None = None
) -> None:
    """Writes clips as a manifest, whole or not at all.

    The file appears under its name only once it is complete, so that a run that is
    killed here leaves no half manifest behind.

    Arguments
    ---------
    path : str or path-like
        Where to write; missing folders are created.
    clips : sequence of Clip
        At least one clip, no id twice.
    note : dict or None
        Anything JSON can hold, to be read back by `read_note`; for instance what the
        manifest was made from.

    Raises
    ------
    ValueError
        If there is no clip, or an id occurs twice.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train.json"
    >>> write_manifest(path, [Clip("a", "/audio/a.wav", 10.0)], note={"seed": 1})
    >>> read_manifest(path)[0].duration, read_note(path)
    (10.0, {'seed': 1})
    """
    path = Path(path)
    _check_ids([clip.id for clip in clips], path)
    content = {"note": note or {}, "clips": [asdict(clip) for clip in clips]}
    # ASCII with JSON's escapes is UTF-8 too, and holds even a file name that is not
    # valid Unicode.
    write_whole(path, json.dumps(content, indent=1, allow_nan=False))


def read_manifest(path: str | os.PathLike) -> list[Clip]:
    """Reads the clips of a manifest.

    Arguments
    ---------
    path : str or path-like
        A file from `write_manifest`.

    Returns
    -------
    list of Clip
        The clips, in the order in which they were written.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is no manifest, holds no clip, or an id twice.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train.json"
    >>> write_manifest(path, [Clip("a", "/audio/a.wav", 10.0, ("Rain {falls}",))])
    >>> read_manifest(path)[0].captions
    ('Rain {falls}',)
    """
    path = Path(path)
    try:
        clips = [_clip(**entry) for entry in _read_json(path)["clips"]]
    except (KeyError, TypeError) as error:
        raise ValueError(
            _no_manifest(path, f"an entry is malformed: {error}")
        ) from None
    _check_ids([clip.id for clip in clips], path)
    return clips


def _clip(captions: list[str], keywords: Sequence[str] = (), **values: object) -> Clip:
    return Clip(captions=tuple(captions), keywords=tuple(keywords), **values)


def read_note(path: str | os.PathLike) -> dict:
    """Reads the note that was stored with a manifest.

    Arguments
    ---------
    path : str or path-like
        A file from `write_manifest`.

    Returns
    -------
    dict
        The note, empty if none was given.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is no manifest.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train.json"
    >>> write_manifest(path, [Clip("a", "/audio/a.wav", 10.0)], note={"seed": 1})
    >>> read_note(path)
    {'seed': 1}
    """
    return _read_json(Path(path))["note"]


def _read_json(path: Path) -> dict:
    """The content of a manifest, with its two keys for sure."""
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no manifest {in_place(path)}. Prepare the data first: a recipe "
            "does so at its start, unless skip_prep is set."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(_no_manifest(path, f"it is not JSON: {error}")) from None
    if not isinstance(content, dict) or not {"note", "clips"} <= content.keys():
        raise ValueError(_no_manifest(path, "it lacks the keys 'note' and 'clips'"))
    return content


def _no_manifest(path: Path, reason: str) -> str:
    return (
        f"{in_place(path)} is no manifest ({reason}). Delete it, and prepare the data "
        "again."
    )


def _check_ids(ids: list[str], path: Path) -> None:
    """Holds for what is written and for what is read: some clips, each one once."""
    if not ids:
        raise ValueError(f"The manifest {in_place(path)} holds no clip.")
    repeated = [clip_id for clip_id, count in Counter(ids).items() if count > 1]
    if repeated:
        raise ValueError(
            f"The manifest {in_place(path)} holds {len(repeated)} ids more than once, "
            f"such as {repeated[0]!r}; each clip needs an id of its own."
        )
