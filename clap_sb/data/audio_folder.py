"""A folder of sounds, without a word about any of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from clap_sb.data.entries import Entry
from clap_sb.data.prepare import prepare_found
from clap_sb.data.suffixes import SOUND_SUFFIXES, sound_order


def prepare_audio_folder(
    folder: str | os.PathLike, manifest: str | os.PathLike
) -> Path:
    """Writes the manifest of the sounds in a folder and in the folders in it.

    A sound's id is its path from the folder. What cannot be read is left out, counted,
    and listed in ``<name>_missing.csv``; names that begin with a dot are passed by.
    Sounds that were probed once are not probed again until a file comes or goes.

    Arguments
    ---------
    folder : str or path-like
        The folder.
    manifest : str or path-like
        Where to write, as ``<save_folder>/<name>.json``.

    Returns
    -------
    Path
        The manifest, of clips without captions.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, or not one sound in it that can be used.

    Example
    -------
    >>> import numpy, soundfile
    >>> from clap_sb.data.manifest import read_manifest
    >>> folder = getfixture("tmp_path") / "sounds"
    >>> (folder / "dogs").mkdir(parents=True)
    >>> soundfile.write(folder / "dogs" / "a.wav", numpy.zeros(800), 8000)
    >>> manifest = prepare_audio_folder(folder, folder.parent / "save" / "all.json")
    >>> [clip.id for clip in read_manifest(manifest)]
    ['dogs/a.wav']
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder of sounds {folder}.")
    files = dict(sorted(_sounds_in(folder)))
    entries = [Entry(id=name, names=(name,)) for name in files]
    return prepare_found(
        manifest,
        entries,
        files,
        lambda missing: (
            f"Not one of {len(entries)} sounds in {folder} can be used (looked for "
            f"were names that end with {' '.join(SOUND_SUFFIXES)})"
            + (f", such as {missing[0].reason}" if missing else ".")
        ),
    )


def _sounds_in(folder: Path) -> Iterator[tuple[str, Path]]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if sound_order(name) is not None and not name.startswith("."):
                path = Path(place, name)
                yield path.relative_to(folder).as_posix(), path
