"""What commands that take audio have in common: the checkpoint, and the files."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from clap_sb.data.audio_file import AudioSource
    from clap_sb.inference import CLAP

Result = TypeVar("Result")

STDIN = "-"
# how files in the formats that libsndfile reads begin
_MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"FORM", b"ID3", b".snd", b"caff")
_MPEG = (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name the model and its device.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's.
    """
    parser.add_argument(
        "--checkpoint",
        required=True,
        help="an export, a training run's folder, a public checkpoint, or a name on "
        "the hub",
    )
    parser.add_argument("--tokenizer", help="folder or hub name, if it lies elsewhere")
    parser.add_argument("--device", help="cuda, cuda:1, cpu (default)")


def add_files(parser: argparse.ArgumentParser) -> None:
    """Adds the files.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's.
    """
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="audio in any format, rate and length; - reads one sound, or a list of "
        "files one a line, from the standard input",
    )


def load(arguments: argparse.Namespace) -> CLAP:
    """Loads the model that the command line names.

    Arguments
    ---------
    arguments : argparse.Namespace
        With what :func:`add_checkpoint` added.

    Returns
    -------
    CLAP
    """
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference import CLAP

    return CLAP.from_checkpoint(
        arguments.checkpoint, arguments.tokenizer, arguments.device
    )


def named_sources(files: Sequence[str]) -> list[tuple[str, AudioSource]]:
    """What the files' arguments stand for.

    Arguments
    ---------
    files : sequence of str
        Paths, and ``-`` for the standard input.

    Returns
    -------
    list of (str, path or open file)
        Each sound's name, and where it is read from.

    Raises
    ------
    ValueError
        If the standard input is empty.
    """
    found: list[tuple[str, AudioSource]] = []
    for file in files:
        found += _from_stdin() if file == STDIN else [(file, file)]
    return found


def _from_stdin() -> list[tuple[str, AudioSource]]:
    content = sys.stdin.buffer.read()
    if content.startswith((*_MAGIC, *_MPEG)):
        return [(STDIN, io.BytesIO(content))]
    try:
        lines = [line.strip() for line in content.decode("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise ValueError(
            "the standard input is neither audio that can be decoded nor a list of "
            "files, one a line"
        ) from error
    if not any(lines):
        raise ValueError("the standard input is empty: there is no file to read")
    return [(line, line) for line in lines if line]


def for_each(
    sources: Sequence[tuple[str, AudioSource]], use: Callable[[AudioSource], Result]
) -> tuple[list[tuple[str, Result]], list[str]]:
    """Does something with each file; one that cannot be read does not stop the others.

    Arguments
    ---------
    sources : sequence of (str, path or open file)
        From :func:`named_sources`.
    use : callable
        What is done with a file.

    Returns
    -------
    done : list of (str, result)
        Name of each file that could be read, and what came of it.
    unreadable : list of str
        What was wrong with each of the others.
    """
    from clap_sb.data.audio import AudioError

    done, unreadable = [], []
    for name, source in sources:
        try:
            done.append((name, use(source)))
        except AudioError as error:
            unreadable.append(str(error))
    return done, unreadable


def tell_unreadable(unreadable: Sequence[str]) -> None:
    """Ends a command whose other files are done with.

    Arguments
    ---------
    unreadable : sequence of str
        What was wrong.

    Raises
    ------
    ValueError
        If there was anything.
    """
    if unreadable:
        more = f" (and {len(unreadable) - 1} more)" if len(unreadable) > 1 else ""
        raise ValueError(f"{unreadable[0]}{more}")
