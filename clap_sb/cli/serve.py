"""``clap-sb serve``: an index as a page in the browser."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from clap_sb.cli.checkpoint import (
    add_checkpoint,
    add_device,
    add_runtime,
    runtime_of,
)
from clap_sb.cli.messages import print_json

if TYPE_CHECKING:
    from clap_sb.search.searcher import Searcher

_EXAMPLE = """\
example:
  clap-sb serve sounds.index

The page is for this machine alone, unless --host says otherwise.
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "serve",
        help="search an index, and listen, in the browser",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("index", help="an index made by `clap-sb index`")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s, this machine alone)",
    )
    parser.add_argument(
        "--port", type=int, default=8642, help="0 for any (default: %(default)s)"
    )
    parser.add_argument(
        "--trust-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name that this machine is reached by, beside localhost",
    )
    parser.add_argument(
        "--play-from",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder of an index that somebody else has made, to play sounds of",
    )
    parser.add_argument(
        "--no-open", action="store_true", help="do not open the page in the browser"
    )
    add_checkpoint(parser, "where the index notes it")
    add_device(parser)
    add_runtime(parser)
    parser.add_argument("--json", action="store_true", help="print the address as JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    # heavy: `clap-sb --help` should not wait for it
    import webbrowser

    from clap_sb.data.printable import printable
    from clap_sb.search.errors import SearchError
    from clap_sb.search.scan import full_names
    from clap_sb.search.searcher import Searcher
    from clap_sb.serve.server import bind, serve, url_of

    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise SearchError(
            f"the page takes {error.name}: install it, as with "
            "`pip install 'clap_sb[serve]'`"
        ) from None
    play_from = full_names(arguments.play_from)
    with bind(arguments.host, arguments.port) as taken:
        searcher = Searcher.open(
            arguments.index,
            arguments.checkpoint,
            arguments.tokenizer,
            arguments.device,
            arguments.trust,
            **runtime_of(arguments),
        )
        url, heard = url_of(taken), _heard(searcher, play_from)

        def ready() -> None:
            if arguments.json:
                print_json(url=url)
            else:
                print(f"{url}  (Ctrl-C ends it)")
                for folder in heard:
                    print(f"  plays sounds of {printable(folder)}")
            sys.stdout.flush()
            if not arguments.no_open:
                webbrowser.open(url)

        serve(searcher, taken, arguments.trust_host, ready, play_from)


def _heard(searcher: Searcher, play_from: list[str]) -> list[str]:
    """The folders of the index that are played; of the others it is told how to."""
    from clap_sb.data.printable import printable
    from clap_sb.search.own_folders import Heard, own_folders

    folders = searcher.index.store.fact("folders")
    unknown = Heard(folders, [*own_folders(), *play_from]).unknown
    for folder in unknown:
        print(
            f"clap-sb: sounds of {printable(folder)} are found and not played: you "
            "have not had it indexed on this machine; --play-from and its name play "
            "them",
            file=sys.stderr,
        )
    return [folder for folder in folders if folder not in unknown]
