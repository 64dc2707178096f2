"""The options that name a model: the same words in every command that takes one."""

from __future__ import annotations

import argparse
from typing import Any

from clap_sb.cli.messages import UsageError, tell
from clap_sb.runtimes.choice import RUNTIMES, TORCH

_WHAT = "an export, a training run's folder, a public file, or a name on the hub"


def add_checkpoint(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Adds ``--checkpoint``, and what goes with it.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's.
    default : str, optional
        What holds where none is given, in words; without, one has to be given.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_checkpoint(parser, "the one that the index notes")
    >>> parser.parse_args(["--trust"]).trust, parser.parse_args([]).checkpoint
    (True, None)
    """
    parser.add_argument(
        "--checkpoint",
        required=default is None,
        help=f"the model: {_WHAT}" + (f" (default: {default})" if default else ""),
    )
    _add_tokenizer_and_trust(parser)


def add_checkpoint_in_place(parser: argparse.ArgumentParser) -> None:
    """Adds the same for a command about nothing else, which takes it by its place too.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's.
    """
    parser.add_argument("source", nargs="?", metavar="CHECKPOINT", help=_WHAT)
    parser.add_argument("--checkpoint", metavar="CHECKPOINT", help="the same")
    _add_tokenizer_and_trust(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Adds ``--device``.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's.
    """
    parser.add_argument(
        "--device", default="cpu", help="cpu, cuda, cuda:1, ... (default: cpu)"
    )


def add_runtime(parser: argparse.ArgumentParser) -> None:
    """Adds ``--runtime`` and ``--precision``.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's.

    Example
    -------
    >>> parser = argparse.ArgumentParser()
    >>> add_runtime(parser)
    >>> parser.parse_args(["--runtime", "openvino"])
    Namespace(runtime='openvino', precision='fp32')
    """
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default=TORCH,
        help="what computes the model on a CPU; auto takes what is installed and gives "
        "the same (default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        choices=["fp32", "bf16"],
        default="fp32",
        help="bf16 is faster where the processor has it, and not exact "
        "(default: %(default)s)",
    )


def runtime_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_runtime` added, as ``CLAP.from_checkpoint`` takes it.

    Arguments
    ---------
    arguments : argparse.Namespace
        A command's.

    Returns
    -------
    dict
        ``runtime``, ``precision`` and ``tell``.
    """
    chosen = {"runtime": arguments.runtime, "precision": arguments.precision}
    return {**chosen, "tell": tell}


def checkpoint_of(arguments: argparse.Namespace) -> str:
    """The checkpoint that was given, in either way.

    Arguments
    ---------
    arguments : argparse.Namespace
        With what :func:`add_checkpoint_in_place` added.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If there is none, or there are two.

    Example
    -------
    >>> checkpoint_of(argparse.Namespace(source=None, checkpoint="model.pt"))
    'model.pt'
    """
    given = [arguments.source, arguments.checkpoint]
    if given.count(None) != 1:
        raise UsageError("give one checkpoint, by its place or by --checkpoint")
    return arguments.checkpoint if arguments.source is None else arguments.source


def _add_tokenizer_and_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tokenizer",
        help="folder or hub name of the text tower's tokenizer, if it lies elsewhere",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the classes that a model is built of where clap_sb has them not; "
        "they are found in the current folder and in PYTHONPATH",
    )
