"""``clap-sb info``: what a checkpoint is."""

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
        "info",
        help="print what a checkpoint is",
        epilog="example:\n  clap-sb info 630k-audioset-best.pt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_checkpoint_in_place(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    checkpoint = checkpoint_of(arguments)
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference.conversion import inform

    facts = inform(checkpoint, arguments.tokenizer, arguments.trust)
    if arguments.json:
        print_json(**asdict(facts))
    else:
        print(facts.table())
