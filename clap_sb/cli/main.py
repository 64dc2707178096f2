"""Finds the command, runs it, and tells what went wrong in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from clap_sb.cli import (
    calibrate,
    caption,
    convert,
    embed,
    export,
    index,
    info,
    search,
    serve,
    tag,
)

# Each has `add(commands)`, which adds its parser and sets `run`.
COMMANDS = (
    embed,
    tag,
    calibrate,
    caption,
    index,
    search,
    serve,
    info,
    convert,
    export,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Arguments
    ---------
    argv : sequence of str, optional
        Arguments; those of the process unless given.

    Returns
    -------
    int
        Exit status: 0, 1 after one line on what went wrong, 2 for a wrong command line,
        130 if it was interrupted.
    """
    parser = argparse.ArgumentParser(
        prog="clap-sb", description="Checkpoints and sounds from the command line."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    arguments = parser.parse_args(argv)
    try:
        arguments.run(arguments)
    except (ValueError, OSError) as error:
        print(f"clap-sb: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clap-sb: interrupted", file=sys.stderr)
        return 130
    return 0
