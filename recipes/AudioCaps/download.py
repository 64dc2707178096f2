"""Downloads AudioCaps: its lists, and the clips that are still on YouTube.

Run from the root of the repository, after
``pip install -r recipes/AudioCaps/extra_requirements.txt`` and with ffmpeg installed:

    python recipes/AudioCaps/download.py FOLDER

The aac-datasets library does it, with a progress bar. The same command goes on where an
interrupted one stopped: clips that are there are not downloaded again, but for those
that cannot be read, as an interruption leaves them. There are no checksums of clips cut
from videos: each is decoded instead, and removed if it is broken. Many videos are gone:
the preparation tells how many, and lists them.
Optional: the recipe takes a folder that is already there, too. The captions are for
academic use; what may be done with a video is for its owner and YouTube to say.

Authors
 * The clap_sb developers 2026
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from clap_sb.data.audio import AudioError, probe_to_end
from clap_sb.data.audio_info import lend_audio_info
from clap_sb.experiment.run import run_recipe

SPLITS = ("train", "val", "test")
VERSIONS = {"1.0": "v1", "2.0": "v2"}
NAMES = {"1.0": "AudioCaps", "2.0": "AudioCaps-2.0"}


def main(argv: list[str]) -> None:
    """Downloads the lists and the clips."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the data set goes")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS)
    parser.add_argument("--version", choices=VERSIONS, default="1.0")
    parser.add_argument("--workers", type=int, default=1, help="downloads at a time")
    parser.add_argument("--lists_only", action="store_true", help="no audio")
    arguments = parser.parse_args(argv)
    lend_audio_info()
    try:
        from aac_datasets.datasets.functional.audiocaps import (
            download_audiocaps_datasets,
        )
    except ImportError as error:
        raise OSError(
            f"downloading needs the aac-datasets library ({error}): "
            "pip install -r recipes/AudioCaps/extra_requirements.txt"
        ) from None
    arguments.folder.mkdir(parents=True, exist_ok=True)
    place = arguments.folder / "AUDIOCAPS"
    splits = [] if arguments.lists_only else arguments.splits
    remove_broken(place, splits)
    download_audiocaps_datasets(
        root=str(arguments.folder),
        subsets=list(arguments.splits),
        version=VERSIONS[arguments.version],
        download_audio=not arguments.lists_only,
        max_workers=arguments.workers,
        # else a split with one clip in it passes for whole; nothing is overwritten
        force=True,
        verify_files=True,
        verbose=1,
    )
    name = NAMES[arguments.version]
    print(f"use it with --data_folder {place} --dataset {name}")


def remove_broken(place: Path, splits: Sequence[str]) -> None:
    """Removes the clips that cannot be read to their end, and tells how many.

    The library does so too, but does not download them again then.
    """
    removed = 0
    for split in splits:
        files = sorted((place / "audio_32000Hz" / split).glob("*.flac"))
        for path in tqdm(files, desc=f"Checking {split}", unit="clip", disable=None):
            try:
                probe_to_end(path)
            except AudioError:
                path.unlink()
                removed += 1
    if removed:
        print(f"{removed} clips that cannot be read are downloaded again")


if __name__ == "__main__":
    run_recipe(main)
