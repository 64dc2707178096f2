"""``clap-sb info``: what a checkpoint is."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser("info", help="print what a checkpoint is")
    parser.add_argument("file", help="a file, a folder, or a name on the hub")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference.conversion import inform

    print(inform(arguments.file))
