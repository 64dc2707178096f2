"""What commands that take audio have in common: the model, and the files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from clap_sb.cli.checkpoint import runtime_of
from clap_sb.cli.messages import tell
from clap_sb.cli.standard_input import NEITHER, STDIN, sources_in_stdin

if TYPE_CHECKING:
    from clap_sb.data.audio_file import AudioFile, AudioSource
    from clap_sb.inference import CLAP

Result = TypeVar("Result")


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
        With what :func:`~clap_sb.cli.checkpoint.add_checkpoint`, ``add_device`` and
        ``add_runtime`` added.

    Returns
    -------
    CLAP
    """
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference import CLAP

    return CLAP.from_checkpoint(
        arguments.checkpoint,
        arguments.tokenizer,
        arguments.device,
        trust=arguments.trust,
        **runtime_of(arguments),
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
        found += sources_in_stdin() if file == STDIN else [(file, file)]
    return found


def for_each(
    sources: Sequence[tuple[str, AudioSource]],
    sample_rate: int,
    use: Callable[[AudioFile], Result],
) -> tuple[list[tuple[str, Result]], list[str]]:
    """Does something with each file; one that cannot be read does not stop the others.

    What is worth telling about a file goes to the standard error, in a line.

    Arguments
    ---------
    sources : sequence of (str, path or open file)
        From :func:`named_sources`.
    sample_rate : int
        The rate that the files are heard at, Hz.
    use : callable
        What is done with a file, which is open.

    Returns
    -------
    done : list of (str, result)
        Name of each file that could be read, and what came of it.
    unreadable : list of str
        What was wrong with each of the others.
    """
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.data.audio_file import AudioError, AudioFile
    from clap_sb.data.audio_source import UnknownFormatError
    from clap_sb.data.printable import printable

    done, unreadable = [], []
    for name, source in sources:
        try:
            with AudioFile(source, sample_rate) as file:
                done.append((name, use(file)))
                remarks = file.remarks
        except AudioError as error:
            is_neither = name == STDIN and isinstance(error, UnknownFormatError)
            message = f"{error}; {NEITHER}" if is_neither else str(error)
            unreadable.append(printable(message))  # a line, whatever the name has
            continue
        if remarks:
            tell(printable(f"{name}: {'; '.join(remarks)}"))
    return done, unreadable


def tell_unreadable(unreadable: Sequence[str], count: int) -> None:
    """Ends a command whose other files are done with: names each of these.

    Arguments
    ---------
    unreadable : sequence of str
        What was wrong.
    count : int
        How many files there were.

    Raises
    ------
    ValueError
        If there was anything.
    """
    if len(unreadable) == 1:
        raise ValueError(unreadable[0])
    for message in unreadable:
        tell(message)
    if unreadable:
        raise ValueError(f"{len(unreadable)} of {count} files cannot be used")
