"""The options that ``clap-sb tag`` and ``clap-sb calibrate`` share."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clap_sb.cli.messages import UsageError

if TYPE_CHECKING:
    from clap_sb.inference.labels import Labels
    from clap_sb.inference.tag_options import TagOptions

_OPTIONS = (
    "window",
    "hop",
    "frames_hop",
    "silence_db",
    "threshold",
    "min_duration",
    "max_gap",
)


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name the labels.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's.
    """
    parser.add_argument(
        "--label", action="append", default=[], help="one of the labels"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        help="a file of them: .txt (one a line), .csv (label, description), .yaml or "
        ".json (descriptions by label)",
    )
    parser.add_argument(
        "--template",
        help="sentence for a label, with {label} where it goes (default: This is a "
        "sound of {label}.)",
    )


def labels_of(arguments: argparse.Namespace) -> Labels:
    """The labels that the command line names.

    Arguments
    ---------
    arguments : argparse.Namespace
        With what :func:`add_labels` added.

    Returns
    -------
    Labels

    Raises
    ------
    UsageError
        If there are none, or they come in both ways.
    """
    if bool(arguments.label) == (arguments.labels is not None):
        raise UsageError(
            "give the labels by --label LABEL (again for each), or --labels FILE"
        )
    # heavy: whoever gave none should not wait for it
    from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT
    from clap_sb.inference.labels import Labels, read_labels

    template = arguments.template or DEFAULT_PROMPT
    if arguments.label:
        return Labels.of(arguments.label, template)
    return read_labels(arguments.labels, template)


def add_listening(parser: argparse.ArgumentParser) -> None:
    """Adds the options of :class:`~clap_sb.inference.tag_options.TagOptions`.

    Arguments
    ---------
    parser : argparse.ArgumentParser
        A command's.
    """
    parser.add_argument(
        "--window", type=float, help="length of a window, seconds (default: 1)"
    )
    parser.add_argument(
        "--hop",
        type=float,
        help="from window to window, and of curves, seconds (default: 0.1)",
    )
    parser.add_argument(
        "--frames",
        action="store_true",
        default=None,
        help="frame-level embeddings (HTSAT) instead of short windows",
    )
    parser.add_argument(
        "--frames-hop",
        type=float,
        help="with --frames, between the model's own windows, seconds (default: half "
        "of one)",
    )
    parser.add_argument(
        "--silence-db",
        type=float,
        help="what is quieter is none of the labels, dB of full scale (default: -70; "
        "--silence-db=-inf for nothing)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="probability above which a label sounds (default: 0.5, or as calibrated)",
    )
    parser.add_argument(
        "--min-duration", type=float, help="of a segment, seconds (default: 0.2)"
    )
    parser.add_argument(
        "--max-gap",
        type=float,
        help="longest gap within a segment, seconds (default: 0.5)",
    )


def options_of(arguments: argparse.Namespace, base: TagOptions) -> TagOptions:
    """What the command line says, and for the rest what holds otherwise.

    Arguments
    ---------
    arguments : argparse.Namespace
        With what :func:`add_listening` added.
    base : TagOptions
        What holds for an option that was not given.

    Returns
    -------
    TagOptions

    Raises
    ------
    UsageError
        If an option is given that the others make meaningless.
    """
    values = {name: getattr(arguments, name) for name in (*_OPTIONS, "frames")}
    given = {name: value for name, value in values.items() if value is not None}
    options = replace(base, **given)
    unheard = "window" if options.frames else "frames_hop"
    if unheard in given:
        raise UsageError(
            "--frames listens in the model's own windows: --window goes without it, "
            "and --frames-hop with it alone"
        )
    return options
