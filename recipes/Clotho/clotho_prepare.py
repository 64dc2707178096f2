"""Prepares Clotho v2.1: from its caption lists and folders of audio to manifests.

The lists `clotho_captions_<split>.csv` (columns file_name, caption_1 to caption_5) are
those of the data set's record (Drossos et al., ICASSP 2020); the splits have their
official names: development, validation and evaluation. The lists
`clotho_metadata_<split>.csv` beside them, where they are there, give the Freesound id
and the keywords of each clip.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clap_sb.data.builtin.clotho import write_clotho
from clap_sb.data.csv_rows import read_rows
from clap_sb.data.prepare import Entry, prepare_manifest
from clap_sb.data.recordings import source_of

logger = logging.getLogger(__name__)

CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))

# What the split is for, and its official name.
SPLITS = {"train": "development", "valid": "validation", "test": "evaluation"}


def prepare_clotho(
    data_folder: str | os.PathLike,
    save_folder: str | os.PathLike,
    splits: Sequence[str] = ("train", "valid", "test"),
    skip_prep: bool = False,
) -> dict[str, Path]:
    """Writes one manifest a split, and says which clips have no usable audio.

    The lists are read from ``<data_folder>/``, ``<data_folder>/clotho_csv_files/`` or
    ``<data_folder>/meta/``. Audio may lie in ``<split>/``,
    ``clotho_audio_files/<split>/``, ``clotho_audio_<split>/`` or ``audio/<split>/``,
    named as the lists say; in any format of :mod:`clap_sb.data.suffixes`.

    Arguments
    ---------
    data_folder : str or path-like
        Where the data set lies.
    save_folder : str or path-like
        Where the manifests go, as ``<split>.json``, and the lists of clips that are
        left out, as ``<split>_missing.csv``.
    splits : sequence of str
        Which to prepare: train (development), valid (validation), test (evaluation).
    skip_prep : bool
        Whether to trust manifests from an earlier run, unseen.

    Returns
    -------
    dict
        From each split to the path of its manifest.

    Raises
    ------
    FileNotFoundError
        If a caption list is not there, or a split has no usable audio at all.

    Example
    -------
    >>> prepare_clotho("Clotho", "save", skip_prep=True)["test"].name
    'test.json'
    """
    unknown = set(splits) - SPLITS.keys()
    if unknown:
        raise ValueError(
            f"Clotho has no split {', '.join(sorted(unknown))}; "
            f"it has {', '.join(SPLITS)}."
        )
    manifests = {split: Path(save_folder) / f"{split}.json" for split in splits}
    if not skip_prep:
        data_folder = Path(data_folder).expanduser().resolve()
        for split, manifest in manifests.items():
            name = SPLITS[split]
            entries = _read_entries(_caption_list(data_folder, name))
            prepare_manifest(manifest, entries, _audio_folders(data_folder, name))
    return manifests


def _caption_list(data_folder: Path, name: str) -> Path:
    folders = [data_folder / place for place in ("", "clotho_csv_files", "meta")]
    candidates = [folder / f"clotho_captions_{name}.csv" for folder in folders]
    for path in candidates:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"The caption list of Clotho's {name} split is not there: looked for "
        f"{', '.join(path.as_posix() for path in candidates)}. Get it with "
        "recipes/Clotho/download.py or from the data set's record, or set data_folder "
        "to the folder that holds it."
    )


def _audio_folders(data_folder: Path, name: str) -> list[Path]:
    """Folders of the split only: a few clips of different splits have one name."""
    return [
        data_folder / name,
        data_folder / "clotho_audio_files" / name,
        data_folder / f"clotho_audio_{name}",
        data_folder / "audio" / name,
    ]


def _read_entries(caption_list: Path) -> list[Entry]:
    metadata = _read_metadata(caption_list)
    entries = []
    for row in read_rows(caption_list, ("file_name", *CAPTIONS)):
        name = Path(row["file_name"]).stem
        known = metadata.get(row["file_name"].strip(), {})
        entries.append(
            Entry(
                id=name.strip(),
                # some names begin with a space, which not every tool keeps
                names=tuple(dict.fromkeys([name, name.strip()])),
                captions=tuple(row.said(column) for column in CAPTIONS),
                **known,
            )
        )
    return entries


def _read_metadata(caption_list: Path) -> dict[str, dict[str, object]]:
    """Recording and keywords by file name; nothing without the list of them."""
    path = caption_list.with_name(caption_list.name.replace("captions", "metadata"))
    if not path.is_file():
        logger.warning(
            "there is no %s: Clotho's recordings cannot be told from those of other "
            "sets, and its keywords are not known",
            path,
        )
        return {}
    columns = ("file_name", "keywords", "sound_id")
    rows = read_rows(path, columns, fallback="latin-1")
    return {
        row["file_name"].strip(): {
            "source": _source(row["sound_id"].strip()),
            "keywords": tuple(
                word.strip() for word in row.said("keywords").split(";") if word.strip()
            ),
        }
        for row in rows
    }


def _source(sound_id: str) -> str | None:
    """A Freesound id; of some sounds the list says that it was not found."""
    return source_of("freesound", sound_id) if sound_id[:1].isdigit() else None


def write_builtin(folder: Path, values: Mapping[str, Any]) -> Path:
    """Writes a small synthesised set in Clotho's layout.

    Arguments
    ---------
    folder : Path
        Where it goes.
    values : mapping
        The run's settings.

    Returns
    -------
    Path
        The folder.
    """
    sizes = values["builtin_train_clips"], values["builtin_valid_clips"], 100
    return write_clotho(folder, *sizes, seed=values["seed"])
