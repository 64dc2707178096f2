"""The option that says that a checkpoint's own classes may be imported."""

from __future__ import annotations

import argparse


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Adds the option.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's, which loads a model.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_trust(parser)
    >>> parser.parse_args(["--trust"]).trust
    True
    """
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the classes that a model is built of where clap_sb has them not; "
        "they are found in the current folder and in PYTHONPATH",
    )
