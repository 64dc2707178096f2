"""What commands that take audio have in common: the model, and the files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from clap_sb.cli.checkpoint import runtime_of
from clap_sb.cli.messages import tell
from clap_sb.cli.standard_input import NEITHER, STDIN, sources_in_stdin

if TYPE_CHECKING:
    import torch

    from clap_sb.data.audio_file import AudioFile, AudioSource
    from clap_sb.data.audio_source import AudioError
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

    done: list[tuple[str, Result]] = []
    unreadable: list[str] = []
    for name, source in sources:
        try:
            with AudioFile(source, sample_rate) as file:
                done.append((name, use(file)))
                remarks = file.remarks
        except AudioError as error:
            unreadable.append(_told(name, error))
            continue
        _tell_remarks(name, remarks)
    return done, unreadable


def embed_all(
    clap: CLAP, sources: Sequence[tuple[str, AudioSource]]
) -> tuple[list[tuple[str, torch.Tensor]], list[str]]:
    """Embeds each file; one that cannot be used does not stop the others.

    What is worth telling about a file goes to the standard error, in a line.

    Arguments
    ---------
    clap : CLAP
        The model.
    sources : sequence of (str, path or open file)
        From :func:`named_sources`.

    Returns
    -------
    done : list of (str, torch.Tensor)
        Name of each file that could be used, and its embedding, ``[joint_dim]``.
    unreadable : list of str
        What was wrong with each of the others.
    """
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.data.audio_source import AudioError
    from clap_sb.inference.each_file import embed_each

    done: list[tuple[str, torch.Tensor]] = []
    unreadable: list[str] = []
    found = embed_each(clap, [source for _, source in sources])
    for (name, _), file in zip(sources, found, strict=True):
        error = file.error
        if error is None and not file.embedding.isfinite().all():
            error = AudioError(not_finite(name))
        if error is not None:
            unreadable.append(_told(name, error))
            continue
        done.append((name, file.embedding))
        _tell_remarks(name, file.remarks)
    return done, unreadable


def not_finite(name: str) -> str:
    """What is told of an embedding that no other program can use.

    Arguments
    ---------
    name : str
        Of what it is.

    Returns
    -------
    str
    """
    return (
        f"{name}: the model's embedding of it is not finite; where that is so of all, "
        "the model is damaged"
    )


def _told(name: str, error: AudioError) -> str:
    """What is wrong with a file, in a line, whatever its name has."""
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.data.audio_source import UnknownFormatError
    from clap_sb.data.printable import printable

    is_neither = name == STDIN and isinstance(error, UnknownFormatError)
    return printable(f"{error}; {NEITHER}" if is_neither else str(error))


def _tell_remarks(name: str, remarks: Sequence[str]) -> None:
    if remarks:
        # heavy: `clap-sb --help` should not wait for it
        from clap_sb.data.printable import printable

        tell(printable(f"{name}: {'; '.join(remarks)}"))


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
