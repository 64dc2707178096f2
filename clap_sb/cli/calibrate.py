"""``clap-sb calibrate``: thresholds for ``clap-sb tag``, from a few recordings."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from clap_sb.cli.audio_files import load, tell_unreadable
from clap_sb.cli.checkpoint import add_checkpoint, add_device, add_runtime
from clap_sb.cli.messages import print_json, tell
from clap_sb.cli.tag_arguments import add_labels, add_listening, labels_of, options_of

_EXAMPLE = """the annotations are a CSV such as

  file,start,end,label
  yard.wav,0.5,3.1,dog
  yard.wav,4.0,9.5,rain

and what is not annotated is none of the labels.

example:
  clap-sb calibrate --checkpoint results/run/export annotations.csv \\
      --labels labels.csv --out calibration.json
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "calibrate",
        help="learn the thresholds for `tag` from a few labelled recordings",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("annotations", type=Path, help="CSV: file,start,end,label")
    add_checkpoint(parser)
    add_device(parser)
    add_runtime(parser)
    add_labels(parser)
    add_listening(parser)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--json", action="store_true", help="print it, too")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    labels = labels_of(arguments)
    # heavy: `clap-sb --help` should not wait for it
    from clap_sb.inference.calibration import read_annotations
    from clap_sb.inference.tagging import Tagger, TagOptions

    annotated = read_annotations(arguments.annotations)
    tagger = Tagger(load(arguments), labels, None, options_of(arguments, TagOptions()))
    unreadable: list[str] = []
    try:
        calibration = tagger.calibrated(
            annotated,
            lambda error: unreadable.append(str(error)),
            lambda path, remarks: tell(f"{path}: {'; '.join(remarks)}"),
        ).calibration
    except ValueError:
        for message in unreadable:  # a label may be missing for want of them
            tell(message)
        raise
    calibration.write(arguments.out)
    if arguments.json:
        print_json(path=str(arguments.out), **asdict(calibration))
    else:
        heard = len(annotated) - len(unreadable)
        print(f"{arguments.out}: thresholds from {heard} recordings")
        for label, threshold in calibration.thresholds.items():
            print(f"  {threshold:6.3f}  {label}")
    tell_unreadable(unreadable, len(annotated))
