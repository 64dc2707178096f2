"""``clap-sb``: what a checkpoint is, and how to turn it into another format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Arguments
    ---------
    argv : sequence of str, optional
        Arguments; those of the process unless given.

    Returns
    -------
    int
        Exit status: 0, or 1 after one line on what went wrong.
    """
    arguments = _parser().parse_args(argv)
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.checkpoints.errors import CheckpointError

    try:
        arguments.run(arguments)
    except CheckpointError as error:
        print(f"clap-sb: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clap-sb", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    info = commands.add_parser("info", help="print what a checkpoint is")
    info.set_defaults(run=_info)
    convert = commands.add_parser(
        "convert", help="write a checkpoint in another format"
    )
    convert.set_defaults(run=_convert)
    for command in (info, convert):
        command.add_argument("file", help="a file, a folder, or a name on the hub")
    convert.add_argument("out", help="folder to write; it must not exist, or be empty")
    convert.add_argument(
        "--to", choices=["speechbrain", "transformers"], default="speechbrain"
    )
    convert.add_argument(
        "--tokenizer", help="folder or hub name of the text tower's tokenizer"
    )
    return parser


def _info(arguments: argparse.Namespace) -> None:
    from clap_sb.inference.conversion import inform

    print(inform(arguments.file))


def _convert(arguments: argparse.Namespace) -> None:
    from clap_sb.inference.conversion import convert

    print(convert(arguments.file, arguments.out, arguments.to, arguments.tokenizer))


if __name__ == "__main__":
    sys.exit(main())
