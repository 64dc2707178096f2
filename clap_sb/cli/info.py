"""``clap-sb info``: what a checkpoint is."""

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
        "info",
        help="print what a checkpoint is",
        epilog="example:\n  clap-sb info 630k-audioset-best.pt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", help="a file, a folder, or a name on the hub")
    parser.add_argument(
        "--tokenizer", help="folder or name on the hub of the text tower's tokenizer"
    )
    add_trust(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference.conversion import inform

    facts = inform(arguments.file, arguments.tokenizer, arguments.trust)
    print(json.dumps(asdict(facts)) if arguments.json else facts.table())
