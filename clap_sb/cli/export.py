"""``clap-sb export``: a checkpoint for another runtime than PyTorch."""

from __future__ import annotations

import argparse

from clap_sb.cli.checkpoint import add_checkpoint_in_place, checkpoint_of
from clap_sb.cli.messages import print_json

_EXAMPLE = """example:
  clap-sb export --onnx results/AudioCaps/htsat_roberta/3407 my_model_onnx
"""


def add(commands: argparse._SubParsersAction) -> None:
    """Adds the command.

    Arguments
    ---------
    commands : argparse subparsers
        Where it goes.
    """
    parser = commands.add_parser(
        "export",
        help="write a checkpoint for another runtime",
        description="Writes the audio tower, its front end inside, and the text tower; "
        "compares both with PyTorch.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--onnx", action="store_true", required=True, help="for onnxruntime"
    )
    add_checkpoint_in_place(parser)
    parser.add_argument("out", help="folder to write; it must not exist, or be empty")
    parser.add_argument("--json", action="store_true", help="print what it is as JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    checkpoint = checkpoint_of(arguments)
    # heavy: `clap-sb --help` should not wait for it
    from dataclasses import asdict

    from clap_sb.inference.onnx_export import export_onnx

    exported = export_onnx(
        checkpoint, arguments.out, arguments.tokenizer, arguments.trust
    )
    if arguments.json:
        print_json(**asdict(exported))
        return
    print(f"{exported.path}: {exported.metadata['model']}")
    for tower, difference in exported.differences.items():
        print(f"{tower}.onnx differs from PyTorch by at most {difference:.1e}")
