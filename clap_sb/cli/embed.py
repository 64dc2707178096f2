"""``clap-sb embed``: sounds or sentences to vectors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clap_sb.cli.audio_files import (
    STDIN,
    add_files,
    embed_all,
    load,
    named_sources,
    not_finite,
    tell_unreadable,
)
from clap_sb.cli.checkpoint import add_checkpoint, add_device, add_runtime
from clap_sb.cli.messages import UsageError, print_json

if TYPE_CHECKING:
    import torch

    from clap_sb.inference import CLAP

_EXAMPLE = """examples:
  clap-sb embed --checkpoint results/run/export *.wav --out sounds.npz
  clap-sb embed --checkpoint results/run/export --text "a dog barks" --json
  find . -name '*.flac' | clap-sb embed --checkpoint results/run/export - --out all.npz
  clap-sb embed --checkpoint results/run/export --out all.npz -- *.wav    # also -a.wav
  cat captions.txt | clap-sb embed --checkpoint results/run/export --text - --json
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "embed",
        help="write the embeddings of sounds or sentences",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_files(parser)
    add_checkpoint(parser)
    add_device(parser)
    add_runtime(parser)
    parser.add_argument(
        "--text",
        action="store_true",
        help="what is given are sentences, not files; - reads one a line",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="an .npz file with the arrays `name` and `embedding`, of unit norm",
    )
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    if not arguments.json and arguments.out is None:
        raise UsageError("embed needs --out FILE.npz, or --json")
    if arguments.out is not None and arguments.out.suffix != ".npz":
        raise UsageError(f"--out {arguments.out}: the file is a .npz")
    clap = load(arguments)
    rows, unreadable = _embedded(clap, arguments)
    if arguments.out is not None and rows:
        _write(arguments.out, rows)
    if arguments.json:
        kind = "text" if arguments.text else "path"
        for name, row in rows:
            told = {kind: name, "embedding": row.tolist()}
            print_json(model=clap.description, **told)
    elif rows:
        print(f"{arguments.out}: {len(rows)} embeddings of {len(rows[0][1])} numbers")
    tell_unreadable(unreadable, len(rows) + len(unreadable))


def _embedded(
    clap: CLAP, arguments: argparse.Namespace
) -> tuple[list[tuple[str, torch.Tensor]], list[str]]:
    if arguments.text:
        sentences = sentences_of(arguments.files)
        rows = clap.encode_text(sentences)
        for sentence, row in zip(sentences, rows, strict=True):
            _check_finite(row, repr(sentence))
        return list(zip(sentences, rows, strict=True)), []

    return embed_all(clap, named_sources(arguments.files))


def _check_finite(row: torch.Tensor, name: str) -> None:
    """Nothing that no other program can use is written."""
    from clap_sb.data.audio_source import AudioError

    if not row.isfinite().all():
        raise AudioError(not_finite(name))


def _write(path: Path, rows: list[tuple[str, torch.Tensor]]) -> None:
    import numpy as np

    from clap_sb.whole_file import whole_file

    names = np.array([name for name, _ in rows])
    with whole_file(path) as unfinished:
        np.savez(
            unfinished, name=names, embedding=np.stack([row.numpy() for _, row in rows])
        )


def sentences_of(words: Sequence[str]) -> list[str]:
    """What the sentences' arguments stand for.

    Arguments
    ---------
    words : sequence of str
        Sentences, and ``-`` for those in the standard input, one a line.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the standard input holds none, or is in another encoding than UTF-8.

    Example
    -------
    >>> sentences_of(["a dog", "rain"])
    ['a dog', 'rain']
    """
    found: list[str] = []
    for word in words:
        found += _from_stdin() if word == STDIN else [word]
    return found


def _from_stdin() -> list[str]:
    from clap_sb.data.text_file import lines_of

    lines = list(lines_of(sys.stdin.buffer, "the standard input"))
    if not lines:
        raise ValueError("the standard input is empty: there is no sentence to read")
    return lines
