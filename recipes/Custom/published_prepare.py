"""Makes the labels.csv of a published data set from its own table.

    python recipes/Custom/published_prepare.py UrbanSound8K FOLDER urbansound8k.csv
    python recipes/Custom/published_prepare.py FSD50K FOLDER fsd50k.csv
    python recipes/Custom/published_prepare.py FSD50K-dev FOLDER fsd50k_dev.csv
    python recipes/Custom/published_prepare.py VGGSound FOLDER vggsound.csv

FOLDER is the data set's, as published: UrbanSound8K with ``metadata/`` and ``audio/``;
FSD50K with ``FSD50K.ground_truth/`` and ``FSD50K.eval_audio/`` (the evaluation set), or
``FSD50K.dev_audio/`` for FSD50K-dev (the development set); VGGSound with
``vggsound.csv`` and the audio of its test clips, named
``<youtube id>_<start, six digits>``, in ``audio/`` or in the folder itself. The columns
``freesound_id`` and ``youtube_id`` tell which recordings another set holds too.

Authors
 * The clap_sb developers 2026
"""

from __future__ import annotations

import argparse
import csv
import functools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from clap_sb.data.csv_rows import read_rows
from clap_sb.data.labels_csv import SEPARATOR, read_label_set
from clap_sb.data.prepare import index_audio
from clap_sb.whole_file import whole_file

COLUMNS = ("path", "label", "fold", "freesound_id", "youtube_id")
LABEL_SETS = Path(__file__).resolve().parent / "label_sets"

Row = dict[str, str]  # some of the columns


def urbansound8k(folder: Path) -> Iterable[Row]:
    """Clips of the ten folds."""
    table = folder / "metadata" / "UrbanSound8K.csv"
    for row in read_rows(table, ("slice_file_name", "fsID", "fold", "class")):
        path = folder / "audio" / f"fold{row['fold']}" / row["slice_file_name"]
        yield {
            "path": str(path),
            "label": row["class"],
            "fold": row["fold"],
            "freesound_id": row["fsID"],
        }


def fsd50k(folder: Path, part: str = "eval") -> Iterable[Row]:
    """Clips of the evaluation or the development set, with several labels each."""
    table = folder / "FSD50K.ground_truth" / f"{part}.csv"
    for row in read_rows(table, ("fname", "labels")):
        path = folder / f"FSD50K.{part}_audio" / f"{row['fname']}.wav"
        yield {
            "path": str(path),
            "label": row["labels"].replace(",", SEPARATOR),
            "freesound_id": row["fname"],
        }


def vggsound(folder: Path) -> Iterable[Row]:
    """Test clips; a clip without audio keeps its name, and is reported as missing."""
    files = index_audio([folder / "audio", folder])
    names = ("youtube_id", "start", "label", "split")  # the table has no header
    for row in read_rows(folder / "vggsound.csv", (), names=names):
        if row["split"].strip() == "test":
            name = f"{row['youtube_id']}_{int(row.seconds('start')):06d}"
            path = files.get(name, folder / "audio" / name)
            yield {
                "path": str(path),
                "label": row["label"],
                "youtube_id": row["youtube_id"],
            }


SETS: dict[str, Callable[[Path], Iterable[Row]]] = {
    "UrbanSound8K": urbansound8k,
    "FSD50K": fsd50k,
    "FSD50K-dev": functools.partial(fsd50k, part="dev"),
    "VGGSound": vggsound,
}


def prepare_published(name: str, folder: str | Path, out: str | Path) -> Path:
    """Writes the columns path, label, fold, freesound_id and youtube_id.

    Arguments
    ---------
    name : str
        One of `SETS`.
    folder : str or Path
        Where the data set lies.
    out : str or Path
        The CSV file to write.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If the table holds a label that is none of the data set's.
    WriteError
        If the file cannot be written; what was there is as it was.
    """
    rows = list(SETS[name](Path(folder).expanduser().resolve()))
    known = set(read_label_set(LABEL_SETS / f"{name.removesuffix('-dev')}.txt"))
    found = {label for row in rows for label in row["label"].split(SEPARATOR)}
    if not found <= known:
        raise ValueError(
            f"{sorted(found - known)[0]!r} is none of the {len(known)} classes of "
            f"{name}: is {folder} really that data set?"
        )
    out = Path(out)
    with (
        whole_file(out) as unfinished,
        open(unfinished, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return out


def main() -> None:
    """Reads the command line, writes the file and says how many clips it has."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=SETS, help="the data set")
    parser.add_argument("folder", help="where it lies")
    parser.add_argument("out", help="the CSV file to write")
    arguments = parser.parse_args()
    try:
        path = prepare_published(arguments.name, arguments.folder, arguments.out)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    count = len(read_rows(path, ("path", "label")))
    print(f"{path}: {count} clips of {arguments.name}")


if __name__ == "__main__":
    main()
