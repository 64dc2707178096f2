"""Downloads ESC-50 (600 MB, CC BY-NC) from its repository.

Run from the root of the repository:

    python recipes/ESC-50/download.py FOLDER

Optional: the recipe takes a folder that is already there, too.

Authors
 * The clap_sb developers 2026
"""

import argparse
from pathlib import Path

from clap_sb.data.archive import fetch_zip
from clap_sb.experiment.run import run_recipe

URL = "https://github.com/karolpiczak/ESC-50/archive/master.zip"
MD5 = "7771e4b9d86d0945acce719c7a59305a"  # as soundata and other libraries give it


def main(argv: list[str]) -> None:
    """Downloads, checks and unpacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the data set goes")
    parser.add_argument("--url", default=URL, help="a mirror of the archive")
    parser.add_argument("--md5", default=MD5, help="the archive's checksum")
    arguments = parser.parse_args(argv)
    folder = fetch_zip(arguments.url, arguments.folder, arguments.md5)
    print(f"use it with --data_folder {folder}")


if __name__ == "__main__":
    run_recipe(main)
