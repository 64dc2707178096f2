"""Downloads Clotho v2.1 from its record, with the aac-datasets library.

Run from the root of the repository, after
``pip install -r recipes/Clotho/extra_requirements.txt``:

    python recipes/Clotho/download.py FOLDER

The library shows progress bars and checks the files' checksums. Optional: the recipe
takes a folder that is already there, too. Clotho is for academic use; the licence of
each clip is in its metadata.

Authors
 * The clap_sb developers 2026
"""

import argparse
from pathlib import Path

from clap_sb.data.audio_info import lend_audio_info
from clap_sb.experiment.run import run_recipe

VERSION = "v2.1"
SPLITS = ("dev", "val", "eval")


def main(argv: list[str]) -> None:
    """Downloads, checks and unpacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the data set goes")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS)
    arguments = parser.parse_args(argv)
    lend_audio_info()
    try:
        from aac_datasets.datasets.functional.clotho import download_clotho_datasets
    except ImportError as error:
        raise OSError(
            f"downloading needs the aac-datasets library ({error}): "
            "pip install -r recipes/Clotho/extra_requirements.txt"
        ) from None
    arguments.folder.mkdir(parents=True, exist_ok=True)
    download_clotho_datasets(
        root=str(arguments.folder),
        subsets=list(arguments.splits),
        version=VERSION,
        verify_files=True,
        verbose=1,
    )
    print(f"use it with --data_folder {arguments.folder / f'CLOTHO_{VERSION}'}")


if __name__ == "__main__":
    run_recipe(main)
