"""Finds the command, runs it, and tells what went wrong in one line."""

from __future__ import annotations

import argparse
import io
import itertools
import os
import re
import sys
from collections.abc import Sequence
from typing import IO, NoReturn

from clap_sb.cli import (
    calibrate,
    caption,
    convert,
    embed,
    export,
    index,
    info,
    search,
    serve,
    tag,
)
from clap_sb.cli.messages import UsageError, tell

# Each has `add(commands)`, which adds its parser and sets `run`.
COMMANDS = (
    embed,
    tag,
    calibrate,
    caption,
    index,
    search,
    serve,
    info,
    convert,
    export,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Arguments
    ---------
    argv : sequence of str, optional
        Arguments; those of the process unless given.

    Returns
    -------
    int
        Exit status: 0; 1 after a line on what went wrong, or, with all else done, on
        files that cannot be used; 2 for a wrong command line; 130 if it was
        interrupted; 141 if whoever read what it prints reads no more.
    """
    try:
        try:
            return _status(argv)
        finally:
            sys.stdout.flush()  # what is left would else fail after the end
    except BrokenPipeError:
        # a reader that has seen enough (`| head`) is no mistake, and nothing to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _status(argv: Sequence[str] | None) -> int:
    arguments = parse(sys.argv[1:] if argv is None else argv)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # a name that the terminal has no characters for is no reason to lose the rest
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        arguments.run(arguments)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        tell(str(error))
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        tell("interrupted")
        return 130
    return 0


# How argparse begins its messages on words that it has no use for.
_LEFT_OVER = ("unrecognized arguments: ", "the following arguments are required: ")

_NEGATIVE = re.compile(r"-\d*\.?\d+")


class _Version(argparse.Action):
    """Prints the version of clap_sb, and those that answers depend on."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Ends the program, as argparse does."""
        import platform
        from importlib.metadata import version

        import clap_sb

        others = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy"))
        python = platform.python_version()
        print(f"clap-sb {clap_sb.__version__} (Python {python}, {others})")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """Tells what to do about files and texts that look like options."""

    words: Sequence[str] = ()

    def print_help(self, file: IO[str] | None = None) -> None:
        """Prints help, unless what asks for it is a file: -h.wav, to Python 3.13."""
        if any(word.startswith("-h") for word in self._files_like_options()):
            self.error("no help was asked for")
        super().print_help(file)

    def error(self, message: str) -> NoReturn:
        """Ends the program, as argparse does."""
        for word in self._files_like_options():
            message += (
                f"\n{word} is a file here, and looks like an option: write "
                f"./{word}, or -- before the files, after all options"
            )
            break
        else:
            message += self._hint(message, self._end_of_options())
        super().error(message)

    def _end_of_options(self) -> int | None:
        return self.words.index("--") if "--" in self.words else None

    def _files_like_options(self) -> list[str]:
        return [
            word
            for word in self.words[: self._end_of_options()]
            if word.startswith("-")
            and word != "-"
            and word not in self._option_string_actions
            and os.path.lexists(word)
        ]

    def _hint(self, message: str, end: int | None) -> str:
        """What to do about a word that is no option, and was taken for one."""
        if message.startswith(_LEFT_OVER):
            for word in filter(self._is_unknown, self.words[:end]):
                return (
                    f"\nwhere {word} is a text or a file, write -- before it, after "
                    "all options"
                )
        for option, word in itertools.pairwise(self.words[:end]):
            lacks = f"argument {self._named(option)}: expected"
            if message.startswith(lacks) and self._is_unknown(word):
                joint = "=" if option.startswith("--") else ""
                return f"\nwhere {word} is its value, write {option}{joint}{word}"
        return ""

    def _is_unknown(self, word: str) -> bool:
        """Whether it looks like an option, and begins none: -k5 and --devi=cpu do."""
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        known = self._option_string_actions
        looks_like_one = len(word) > 1 and word.startswith("-")
        if not looks_like_one or _NEGATIVE.fullmatch(word):
            return False
        return not any(option.startswith(name) for option in known)

    def _named(self, option: str) -> str:
        action = self._option_string_actions.get(option)
        return "/".join(action.option_strings) if action else option


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Reads a command line.

    Arguments
    ---------
    argv : sequence of str
        The command, then its arguments; options may stand before them, between them
        and after them.

    Returns
    -------
    argparse.Namespace
        With the command's ``run``.

    Example
    -------
    >>> parse(["search", "sounds.index", "--json", "a dog"]).query
    ['a dog']
    """
    parser = _Parser(
        prog="clap-sb", description="Checkpoints and sounds from the command line."
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the version and exit"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    name, *words = argv or [""]
    if name not in commands.choices:
        return parser.parse_args(argv)  # --help, or a mistake
    command = commands.choices[name]
    command.words = words
    if "--" in words:  # parse_intermixed_args loses it before the first argument
        arguments, rest = command.parse_known_args(words)
        if not rest:
            return arguments
    # argparse has no options between positional arguments for commands of a parser
    return command.parse_intermixed_args(words)
