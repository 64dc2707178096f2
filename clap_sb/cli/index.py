"""``clap-sb index``: makes folders of sounds searchable."""

from __future__ import annotations

import argparse
import functools
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from clap_sb.cli.checkpoint import (
    add_checkpoint,
    add_device,
    add_runtime,
    runtime_of,
)
from clap_sb.cli.messages import UsageError, print_json
from clap_sb.cli.numbers import count

if TYPE_CHECKING:
    from clap_sb.search.updating import Update

_EXAMPLE = """\
example:
  clap-sb index ~/sounds --checkpoint laion/clap-htsat-unfused --out sounds.index
  clap-sb search sounds.index "a dog barking"
  clap-sb index --out sounds.index          # later: only what has changed
  clap-sb index ~/archive --forget ~/sounds --out sounds.index    # it was moved

It can be interrupted at any time; the same command goes on where it was.
"""
_REASONS_SHOWN = 5
_EXPORTS = (".parquet", ".npz")


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "index",
        help="make folders of sounds searchable, or bring that up to date",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", nargs="*", help="folders with sounds (default: those it has already)"
    )
    parser.add_argument("--out", required=True, help="folder of the index")
    add_checkpoint(parser, "where the index notes it")
    add_device(parser)
    add_runtime(parser)
    parser.add_argument(
        "--batch-size",
        type=count,
        default=16,
        help="windows embedded at once (default: 16)",
    )
    parser.add_argument(
        "--workers",
        type=count,
        default=min(8, os.cpu_count() or 1),
        help="threads that read and decode (default: %(default)s)",
    )
    parser.add_argument(
        "--exact-up-to",
        type=int,
        metavar="N",
        help="keep an approximate index too above N windows (default: 300000)",
    )
    parser.add_argument(
        "--retry", action="store_true", help="read files again that had an error"
    )
    parser.add_argument(
        "--forget",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder that the index is to follow no longer; it may be missing",
    )
    parser.add_argument(
        "--allow-empty",
        action="store_true",
        help="take the sounds of a folder that is empty now for deleted",
    )
    parser.add_argument(
        "--export", metavar="FILE", help="write the embeddings, as .parquet or .npz"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    if arguments.export and not arguments.export.endswith(_EXPORTS):
        raise UsageError(
            f"--export {arguments.export}: embeddings are exported as .parquet or .npz"
        )
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.search.updating import EXACT_UP_TO, Updater

    updater = Updater(
        arguments.out,
        functools.partial(_load, arguments),
        batch_size=arguments.batch_size,
        workers=arguments.workers,
        exact_up_to=(
            EXACT_UP_TO if arguments.exact_up_to is None else arguments.exact_up_to
        ),
    )
    _note_own(arguments.folder)
    update = updater.run(
        arguments.folder,
        arguments.checkpoint,
        arguments.tokenizer,
        arguments.retry,
        _progress,
        arguments.forget,
        arguments.allow_empty,
    )
    if arguments.json:
        print_json(path=arguments.out, **asdict(update))
    else:
        print(_told(arguments.out, update))
    if arguments.export:
        from clap_sb.search import SearchIndex
        from clap_sb.search.export import export

        rows = export(SearchIndex(arguments.out), arguments.export)
        print(f"{arguments.export}: {rows} windows", file=sys.stderr)
    if update.errors:
        tried = update.files + len(update.errors)
        raise ValueError(f"{len(update.errors)} of {tried} files cannot be used")


def _note_own(folders: list[str]) -> None:
    """What the user names is the user's own, and so may be heard by `clap-sb serve`."""
    from clap_sb.search.errors import SearchError
    from clap_sb.search.own_folders import note_own
    from clap_sb.search.scan import full_names

    names = full_names(folders)
    try:
        note_own(names)
    except (OSError, SearchError) as error:
        print(
            f"clap-sb: it cannot be noted that these folders are yours ({error}): "
            "`clap-sb serve` will play their sounds with --play-from",
            file=sys.stderr,
        )


def _load(arguments: argparse.Namespace, checkpoint: str, tokenizer: str | None):
    from clap_sb.inference import CLAP

    return CLAP.from_checkpoint(
        checkpoint,
        tokenizer,
        arguments.device,
        trust=arguments.trust,
        **runtime_of(arguments),
    )


def _progress(total: int, about: str):
    from clap_sb.progress import progress

    return progress(about=about, unit="file", total=total).update


def _told(out: str, update: Update) -> str:
    lines = [
        f"{out}: {update.files} files, {update.windows} windows",
        f"  embedded    {update.embedded}",
        f"  recognised  {update.recognised}",
        f"  unchanged   {update.unchanged}",
        f"  removed     {update.removed}",
    ]
    lines += _some("unusable", list(update.errors.values()))
    lines += _some("unseen", _by_file(update.unseen))
    remarks = {path: "; ".join(said) for path, said in update.remarks.items()}
    lines += _some("remarks", _by_file(remarks))
    return "\n".join(lines + _others(update))


def _by_file(said: Mapping[str, str]) -> list[str]:
    return [f"{path}: {text}" for path, text in said.items()]


def _others(update: Update) -> list[str]:
    """What is no sound, by its kind, and the folders in which there is nothing else."""
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.data.printable import printable
    from clap_sb.data.suffixes import counted

    kinds: Counter[str] = Counter()
    for others in update.passed_by.values():
        kinds.update(others)
    lines = [f"  {'passed by':<11} {kinds.total()}: {counted(kinds)}"] if kinds else []
    for folder in update.without_sounds:
        there = counted(update.passed_by.get(folder, {})) or "nothing"
        lines.append(f"  no sound    {printable(folder)} holds {there}")
    return lines


def _some(title: str, reasons: list[str]) -> list[str]:
    """How many there are, and the first of them; nothing of none."""
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.data.printable import printable

    if not reasons:
        return []
    lines = [f"  {title:<11} {len(reasons)}"]
    lines += [f"    {printable(reason)}" for reason in reasons[:_REASONS_SHOWN]]
    if len(reasons) > _REASONS_SHOWN:
        lines.append(f"    and {len(reasons) - _REASONS_SHOWN} more: see --json")
    return lines
