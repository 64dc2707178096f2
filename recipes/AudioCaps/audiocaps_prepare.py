"""Prepares AudioCaps: from its caption lists and a folder of audio to manifests.

The caption lists `train.csv`, `val.csv` and `test.csv` are those of the AudioCaps
repository (Kim et al., NAACL 2019; columns audiocap_id, youtube_id, start_time,
caption): version 1.0 in its folder `dataset/`, 2.0 in `dataset2.0/`. The audio comes
from elsewhere, so its folders and file names vary; those seen most are all understood,
see `prepare_audiocaps`.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clap_sb.data.builtin import write_audiocaps
from clap_sb.data.csv_records import Record
from clap_sb.data.csv_rows import read_rows
from clap_sb.data.prepare import Entry, prepare_manifest

logger = logging.getLogger(__name__)

COLUMNS = ("audiocap_id", "youtube_id", "start_time", "caption")

# Version: the folders that its caption lists may lie in, in the repository's layout and
# in that of aac-datasets. Lists without a folder are taken for those of 1.0.
LISTS = {"1.0": ("dataset", "csv_files_v1", ""), "2.0": ("dataset2.0", "csv_files_v2")}

# What the setting `dataset` may say: the version.
NAMES = {"AudioCaps": "1.0", "AudioCaps-2.0": "2.0"}

# Split: the names its folder may have. The first is that of its caption list, too.
SPLITS = {
    "train": ("train",),
    "valid": ("val", "valid", "validation"),
    "test": ("test",),
}


def prepare_audiocaps(
    data_folder: str | os.PathLike,
    save_folder: str | os.PathLike,
    splits: Sequence[str] = ("train", "valid", "test"),
    skip_prep: bool = False,
    version: str = "1.0",
) -> dict[str, Path]:
    """Writes one manifest a split, and says which clips have no usable audio.

    Caption lists are read from ``<data_folder>/dataset/``, ``csv_files_v1/`` or
    ``<data_folder>/`` itself; those of version 2.0 from ``dataset2.0/`` or
    ``csv_files_v2/``. Audio may lie in ``audio/<split>/``, ``<split>/``,
    ``waveforms/<split>/`` or ``audio_32000Hz/<split>/`` (the split being train, val,
    valid, validation or test), or without a folder for the split in
    ``audio/``, ``waveforms/`` or ``<data_folder>/`` itself; named
    ``<youtube_id>_<start>``, ``<youtube_id>``, ``Y<youtube_id>`` or ``<audiocap_id>``;
    in any format of :mod:`clap_sb.data.suffixes`, videos among them.

    Arguments
    ---------
    data_folder : str or path-like
        Where the data set lies.
    save_folder : str or path-like
        Where the manifests go, as ``<split>.json``, and the lists of clips that are
        left out, as ``<split>_missing.csv``.
    splits : sequence of str
        Which of train, valid and test to prepare.
    skip_prep : bool
        Whether to trust manifests from an earlier run, unseen.
    version : str
        Of the caption lists, "1.0" or "2.0".

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
    >>> prepare_audiocaps("AudioCaps", "save", skip_prep=True)["valid"].name
    'valid.json'
    """
    unknown = set(splits) - SPLITS.keys()
    if unknown:
        raise ValueError(
            f"AudioCaps has no split {', '.join(sorted(unknown))}; "
            f"it has {', '.join(SPLITS)}."
        )
    if version not in LISTS:
        raise ValueError(
            f"AudioCaps has no version {version}; it has {', '.join(LISTS)}."
        )
    manifests = {split: Path(save_folder) / f"{split}.json" for split in splits}
    if not skip_prep:
        data_folder = Path(data_folder).expanduser().resolve()
        for split, manifest in manifests.items():
            entries = _read_entries(_caption_list(data_folder, split, version))
            prepare_manifest(manifest, entries, _audio_folders(data_folder, split))
    return manifests


def version_of(dataset: str) -> str:
    """The version of the caption lists by a data set's name.

    Arguments
    ---------
    dataset : str
        Name.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such data set.

    Example
    -------
    >>> version_of("AudioCaps-2.0")
    '2.0'
    """
    if dataset not in NAMES:
        raise ValueError(
            f"there is no data set {dataset!r} here: dataset is one of "
            f"{', '.join(NAMES)}"
        )
    return NAMES[dataset]


def _caption_list(data_folder: Path, split: str, version: str) -> Path:
    name = f"{SPLITS[split][0]}.csv"
    candidates = [data_folder / folder / name for folder in LISTS[version]]
    for path in candidates:
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"The caption list of AudioCaps' {split} split is not there: looked for "
        f"{' and '.join(path.as_posix() for path in candidates)}. Get it from the "
        f"AudioCaps repository (folder {LISTS[version][0]}), or set data_folder to the "
        "folder that holds it."
    )


def _audio_folders(data_folder: Path, split: str) -> list[Path]:
    """A folder of the split is looked in before one that all splits share."""
    return [
        *(data_folder / "audio" / name for name in SPLITS[split]),
        *(data_folder / name for name in SPLITS[split]),
        *(data_folder / "waveforms" / name for name in SPLITS[split]),
        *(data_folder / "audio_32000Hz" / name for name in SPLITS[split]),
        data_folder / "audio",
        data_folder / "waveforms",
        data_folder,
    ]


@dataclass
class _Captioned:
    """The rows of one clip: five in the lists for validation and test."""

    audiocap_ids: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)


def _read_entries(caption_list: Path) -> list[Entry]:
    """Groups the rows of a caption list by clip, in the order of first appearance."""
    clips: dict[tuple[str, int], _Captioned] = {}
    num_empty = 0
    for row in read_rows(caption_list, COLUMNS, mend=_joined):
        caption = row.said("caption")
        if not caption:
            num_empty += 1
            continue
        key = row["youtube_id"].strip(), int(row.seconds("start_time"))
        clip = clips.setdefault(key, _Captioned())
        clip.audiocap_ids.append(row["audiocap_id"].strip())
        clip.captions.append(caption)
    if num_empty:
        logger.warning("%s: %d empty captions are dropped", caption_list, num_empty)
    spans = Counter(youtube_id for youtube_id, _ in clips)
    return [
        _entry(youtube_id, start, clip, is_only_span=spans[youtube_id] == 1)
        for (youtube_id, start), clip in clips.items()
    ]


def _entry(youtube_id: str, start: int, clip: _Captioned, is_only_span: bool) -> Entry:
    name = f"{youtube_id}_{start}"
    # With several clips from one video, its bare name would not tell which is meant.
    bare_names = (youtube_id, f"Y{youtube_id}") if is_only_span else ()
    return Entry(
        id=name,
        names=(name, *bare_names, *clip.audiocap_ids),
        captions=tuple(clip.captions),
        source=f"youtube:{youtube_id}",
    )


def _joined(records: list[Record]) -> list[Record]:
    """Puts captions together whose end stands alone in the next line, without quotes.

    Three captions of version 2.0's training list do, as it was first published.
    """
    joined: list[Record] = []
    for record in records:
        first, *others = (value.strip() for value in record.values)
        if joined and not first.isdigit() and not any(others):
            before = joined.pop()
            caption = f"{before.values[-1].strip()} {first}"
            record = Record(before.line, (*before.values[:-1], caption))
        joined.append(record)
    if len(joined) < len(records):
        logger.warning(
            "%d captions that were broken over two lines are put together",
            len(records) - len(joined),
        )
    return joined


def write_builtin(folder: Path, values: Mapping[str, Any]) -> Path:
    """Writes a small synthesised set in AudioCaps' layout.

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
    return write_audiocaps(folder, *sizes, seed=values["seed"])
