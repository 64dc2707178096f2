"""``clap-sb convert``: a checkpoint in another format."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from clap_sb.cli.trust import add_trust


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
    parser.add_argument("file", help="a file, a folder, or a name on the hub")
    parser.add_argument("out", help="folder to write; it must not exist, or be empty")
    parser.add_argument(
        "--to", choices=["speechbrain", "transformers"], default="speechbrain"
    )
    parser.add_argument(
        "--tokenizer", help="folder or hub name of the text tower's tokenizer"
    )
    add_trust(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference.conversion import convert

    done = convert(
        arguments.file,
        arguments.out,
        arguments.to,
        arguments.tokenizer,
        arguments.trust,
    )
    print(json.dumps(asdict(done)) if arguments.json else done.report())
