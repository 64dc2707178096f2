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
    arguments = parse(sys.argv[1:] if argv is None else argv)
    try:
        arguments.run(arguments)
    except (ValueError, OSError) as error:
        print(f"clap-sb: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clap-sb: interrupted", file=sys.stderr)
        return 130
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Reads a command line.

    Arguments
    ---------
    argv : sequence of str
        The command, then its arguments; options may stand before them, between them
        and after them.

    Returns
    -------
    argparse.Namespace
        With the command's ``run``.

    Example
    -------
    >>> parse(["search", "sounds.index", "--json", "a dog"]).query
    ['a dog']
    """
    parser = argparse.ArgumentParser(
        prog="clap-sb", description="Checkpoints and sounds from the command line."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    name, *words = argv or [""]
    if name not in commands.choices:
        return parser.parse_args(argv)  # --help, or a mistake
    command = commands.choices[name]
    if "--" in words:  # parse_intermixed_args loses it before the first argument
        arguments, rest = command.parse_known_args(words)
        if not rest:
            return arguments
    # argparse has no options between positional arguments for commands of a parser
    return command.parse_intermixed_args(words)
