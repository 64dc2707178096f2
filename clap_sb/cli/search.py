"""``clap-sb search``: finds sounds by words, by sounds and by pictures."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from clap_sb.cli.checkpoint import (
    add_checkpoint,
    add_device,
    add_runtime,
    runtime_of,
)
from clap_sb.cli.messages import UsageError, print_json
from clap_sb.cli.numbers import cosine, count

if TYPE_CHECKING:
    from clap_sb.search.hits import Hit
    from clap_sb.search.index import Rescore
    from clap_sb.search.searcher import Searcher

    Found = tuple[str, list[Hit]]

_EXAMPLE = """\
example:
  clap-sb search sounds.index "a dog barking"
  clap-sb search sounds.index --audio this.wav "in the rain" --weights 0.5 1
  clap-sb search sounds.index "a siren" --fold --m3u > sirens.m3u
  cat queries.txt | clap-sb search sounds.index - --json
"""
_NEAR_DUPLICATE = 0.98
# What `clap-sb serve` is not asked with: files of whoever asks, and other models.
_NOT_OF_A_SERVER = (
    "no_server",
    "audio",
    "image",
    "bank",
    "checkpoint",
    "tokenizer",
    "trust",
)


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "search",
        help="find sounds by words, by sounds and by pictures",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("index", help="an index made by `clap-sb index`")
    parser.add_argument(
        "query",
        nargs="*",
        help="what to listen for; several are added up; - reads one query a line",
    )
    parser.add_argument(
        "--audio", action="append", default=[], metavar="FILE", help="a sound like it"
    )
    parser.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="FILE",
        help="a picture that fits it, for models whose space is a CLIP's",
    )
    parser.add_argument("--clip", help="where that CLIP is now, if it was moved")
    parser.add_argument(
        "--weights",
        nargs="+",
        type=_weight,
        metavar="W",
        help="weights of texts, then sounds, then pictures; a negative one leads away; "
        "after the texts",
    )
    parser.add_argument("-k", type=count, default=10, help="hits (default: 10)")
    parser.add_argument(
        "--every-window",
        action="store_true",
        help="list all windows of a file that are among the best",
    )
    parser.add_argument(
        "--fold",
        action="store_const",
        const=_NEAR_DUPLICATE,
        help="list near-duplicates, of a cosine above %(const)s, with the best of them",
    )
    parser.add_argument(
        "--fold-above",
        dest="fold",
        type=cosine,
        metavar="COSINE",
        help="the same for another cosine",
    )
    parser.add_argument(
        "--bank",
        metavar="FILE",
        help="typical queries, one a line: corrects for sounds that are near to all",
    )
    parser.add_argument(
        "--rescore",
        choices=["nnn", "qb_norm", "inverted_softmax"],
        default="nnn",
        help="how the bank corrects (default: %(default)s)",
    )
    add_checkpoint(parser, "where the index notes it")
    add_device(parser)
    add_runtime(parser)
    parser.add_argument(
        "--no-server",
        action="store_true",
        help="load the model, even if a `clap-sb serve` of the index has it loaded",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print JSON")
    output.add_argument("--m3u", action="store_true", help="print a playlist")
    parser.set_defaults(run=_run)


def _weight(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{word!r} is no number: texts go before --weights"
        ) from None


def _run(arguments: argparse.Namespace) -> None:
    if not (arguments.query or arguments.audio or arguments.image):
        raise UsageError(
            "there is no query: give a text, a sound by --audio, a picture by --image"
        )
    find = _finder(arguments)
    for texts in _queries(arguments.query):
        model, hits = find(texts)
        _show(hits, texts, model, arguments)


def _finder(arguments: argparse.Namespace) -> Callable[[list[str]], Found]:
    """By the server of the index that runs, or else by a model that is loaded once."""
    how = {
        "weights": arguments.weights,
        "k": arguments.k,
        "every_window": arguments.every_window,
        "fold": arguments.fold,
    }
    asked = None
    if not any(getattr(arguments, name) for name in _NOT_OF_A_SERVER):
        # heavy: `clap-sb --help` should not wait for it
        from clap_sb.serve.found_by_words import Asked

        asked = Asked(arguments.index, arguments.device)
    own = functools.cache(lambda: _own_finder(arguments, how))

    def find(texts: list[str]) -> Found:
        found = asked and asked.find(texts, **how)
        return own()(texts) if found is None else found

    return find


def _own_finder(
    arguments: argparse.Namespace, how: Mapping[str, Any]
) -> Callable[[list[str]], Found]:
    from clap_sb.search.searcher import Searcher

    searcher = Searcher.open(
        arguments.index,
        arguments.checkpoint,
        arguments.tokenizer,
        arguments.device,
        arguments.trust,
        **runtime_of(arguments),
    )
    rescore = _rescore(searcher, arguments) if arguments.bank else None
    sounds, pictures, clip = arguments.audio, arguments.image, arguments.clip

    def find(texts: list[str]) -> Found:
        hits = searcher.find(
            texts,
            sounds,
            pictures=pictures,
            clip=clip,
            rescore=rescore,
            **how,
        )
        return searcher.index.model.description, hits

    return find


def _print(answer: str) -> None:
    """As bytes: names of files in a playlist need not be valid Unicode."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(f"{answer}\n"))
    sys.stdout.buffer.flush()


def _rescore(searcher: Searcher, arguments: argparse.Namespace) -> Rescore:
    from clap_sb.data.text_file import read_lines
    from clap_sb.search.against_bank import against_bank

    bank = read_lines(arguments.bank)
    if not bank:
        raise ValueError(f"{arguments.bank} holds no query")
    return against_bank(searcher.clap.encode_text(bank).numpy(), arguments.rescore)


def _queries(words: list[str]) -> Iterator[list[str]]:
    """The texts of each query: one query, or one for each line that is not empty."""
    if words != ["-"]:
        if not all(word.strip() for word in words):
            raise UsageError("a query is empty: say what to listen for")
        yield words
        return
    from clap_sb.data.text_file import lines_of

    for line in lines_of(sys.stdin.buffer, "the standard input"):
        yield [line]


def _show(
    hits: list[Hit], texts: list[str], model: str, arguments: argparse.Namespace
) -> None:
    from clap_sb.search.formats import as_data, as_m3u, as_table

    if arguments.json:
        # a bank's corrections are no cosines
        score = "score" if arguments.bank else "cosine"
        print_json(
            model=model,
            texts=texts,
            sounds=arguments.audio,
            pictures=arguments.image,
            hits=[as_data(hit, score) for hit in hits],
        )
        sys.stdout.flush()  # whoever asks line by line waits for the answer
    elif arguments.m3u:
        _print(as_m3u(hits))
    elif arguments.query == ["-"]:
        _print(f"{texts[0]}\n{as_table(hits)}\n")
    else:
        _print(as_table(hits))
