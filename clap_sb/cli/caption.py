"""``clap-sb caption``: the sentences that describe a sound best."""

from __future__ import annotations

import argparse
from pathlib import Path

from clap_sb.cli.audio_files import (
    add_files,
    embed_all,
    load,
    named_sources,
    tell_unreadable,
)
from clap_sb.cli.checkpoint import add_checkpoint, add_device, add_runtime
from clap_sb.cli.messages import print_json
from clap_sb.cli.numbers import count

_EXAMPLE = """example:
  clap-sb caption --checkpoint results/run/export dog.wav --top 3
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "caption",
        help="describe sounds with the nearest sentences of a bank",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_files(parser)
    add_checkpoint(parser)
    add_device(parser)
    add_runtime(parser)
    parser.add_argument(
        "--captions",
        type=Path,
        help="sentences to choose from, one a line (default: some hundreds about "
        "everyday sounds)",
    )
    parser.add_argument(
        "--top", type=count, default=3, help="sentences a file (default: 3)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.data.printable import printable
    from clap_sb.data.text_file import read_lines
    from clap_sb.inference.captions import Captioner

    bank = None
    if arguments.captions is not None:
        bank = read_lines(arguments.captions)
        if not bank:
            raise ValueError(f"{arguments.captions} holds no sentence")
    clap = load(arguments)
    captioner = Captioner(clap, bank)
    sources = named_sources(arguments.files)
    done, unreadable = embed_all(clap, sources)
    for name, embedding in done:
        (rows,) = captioner.describe(embedding[None], arguments.top)
        if arguments.json:
            captions = [{"text": row.caption, "cosine": row.similarity} for row in rows]
            print_json(model=clap.description, path=name, captions=captions)
            continue
        print(printable(name))
        for row in rows:
            print(f"  {row.similarity:6.3f}  {row.caption}")
    tell_unreadable(unreadable, len(sources))
