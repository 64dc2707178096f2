"""``clap-sb tag``: which of some labels sounds when."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clap_sb.cli.audio_files import (
    add_files,
    for_each,
    load,
    named_sources,
    tell_unreadable,
)
from clap_sb.cli.checkpoint import add_checkpoint, add_device, add_runtime
from clap_sb.cli.messages import UsageError, print_json
from clap_sb.cli.tag_arguments import add_labels, add_listening, labels_of, options_of

if TYPE_CHECKING:
    from clap_sb.data.audio_file import AudioFile
    from clap_sb.inference.tagging import Tagging

_EXAMPLE = """examples:
  clap-sb tag --checkpoint results/run/export day.wav --label dog --label rain
  clap-sb tag --checkpoint results/run/export day.wav --labels labels.csv \\
      --calibration calibration.json --plot day.png
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "tag",
        help="find when each of some labels sounds",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_files(parser)
    add_checkpoint(parser)
    add_device(parser)
    add_runtime(parser)
    add_labels(parser)
    add_listening(parser)
    parser.add_argument(
        "--calibration", type=Path, help="what `clap-sb calibrate` wrote"
    )
    parser.add_argument(
        "--plot", type=Path, help="draw the curves to this PNG; for one file"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    sources = named_sources(arguments.files)
    if arguments.plot is not None and len(sources) > 1:
        raise UsageError(f"--plot draws one file, and there are {len(sources)}")
    labels = labels_of(arguments)
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference.calibration import Calibration
    from clap_sb.inference.tagging import Tagger, TagOptions

    calibration, base = None, TagOptions()
    if arguments.calibration is not None:
        calibration = Calibration.read(arguments.calibration)
        base = calibration.options
    clap = load(arguments)
    tagger = Tagger(clap, labels, calibration, options_of(arguments, base))

    def tag(file: AudioFile) -> Tagging:
        tagging = tagger.tag(file)
        if arguments.plot is not None:
            from clap_sb.inference.tag_plot import plot_tagging

            plot_tagging(clap, file, tagging, arguments.plot)
        return tagging

    done, unreadable = for_each(sources, clap.sample_rate, tag)
    for name, tagging in done:
        if arguments.json:
            print_json(model=clap.description, path=name, **tagging.as_dict())
        else:
            print(_lines(name, tagging))
    tell_unreadable(unreadable, len(sources))


def _lines(name: str, tagging: Tagging) -> str:
    from clap_sb.data.printable import printable
    from clap_sb.inference.tagging import NONE

    rows = [
        f"  {segment.start:8.2f} {segment.end:8.2f}  {segment.score:5.3f}  "
        f"{segment.label}"
        for segment in tagging.segments
    ]
    return "\n".join([printable(name), *(rows or [f"  {NONE}"])])
