"""``clap-sb convert``: a checkpoint in another format."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from clap_sb.cli.checkpoint import add_checkpoint_in_place, checkpoint_of
from clap_sb.cli.messages import print_json


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "convert",
        help="write a checkpoint in another format",
        epilog="example:\n  clap-sb convert 630k-audioset-best.pt laion/",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_checkpoint_in_place(parser)
    parser.add_argument("out", help="folder to write; it must not exist, or be empty")
    parser.add_argument(
        "--to",
        choices=["speechbrain", "transformers"],
        default="speechbrain",
        help="whose format (default: %(default)s)",
    )
    parser.add_argument(
        "--dimensions",
        type=int,
        help="numbers to keep of each embedding of a student that was taught with "
        "--prefixes; all unless given",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    checkpoint = checkpoint_of(arguments)
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference.conversion import convert

    done = convert(
        checkpoint,
        arguments.out,
        arguments.to,
        arguments.tokenizer,
        arguments.trust,
        arguments.dimensions,
    )
    if arguments.json:
        print_json(**asdict(done))
    else:
        print(done.report())
