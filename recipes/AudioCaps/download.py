"""Downloads AudioCaps: its lists, and the clips that are still on YouTube.

Run from the root of the repository, after
``pip install -r recipes/AudioCaps/extra_requirements.txt`` and with ffmpeg installed:

    python recipes/AudioCaps/download.py FOLDER

The aac-datasets library does it, with a progress bar; what was downloaded before is not
downloaded again. Many videos are gone: the preparation tells how many, and lists them.
Optional: the recipe takes a folder that is already there, too. The captions are for
academic use; what may be done with a video is for its owner and YouTube to say.

Authors
 * The clap_sb developers 2026
"""

import argparse
from pathlib import Path

from clap_sb.experiment.run import run_recipe

SPLITS = ("train", "val", "test")
VERSIONS = {"1.0": "v1", "2.0": "v2"}


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
    download_audiocaps_datasets(
        root=str(arguments.folder),
        subsets=list(arguments.splits),
        version=VERSIONS[arguments.version],
        download_audio=not arguments.lists_only,
        max_workers=arguments.workers,
        verbose=1,
    )
    print(f"use it with --data_folder {arguments.folder / 'AUDIOCAPS'}")


if __name__ == "__main__":
    run_recipe(main)
