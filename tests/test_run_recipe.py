"""How a recipe's script ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clap_sb.experiment.run import run_recipe

ROOT = Path(__file__).resolve().parents[1]


def test_the_process_group_ends_with_the_recipe(tmp_path, monkeypatch):
    def main(argv: list[str]) -> None:
        torch.distributed.init_process_group(
            "gloo", f"file://{tmp_path}/store", rank=0, world_size=1
        )
        raise ValueError("a wrong setting")

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit, match="error: a wrong setting"):
        run_recipe(main)
    assert not torch.distributed.is_initialized()


def test_a_reader_that_reads_no_more_is_no_mistake():
    """As with ``--help | head -1``; what is printed is more than a pipe holds."""
    many = "print('setting\\n' * 100_000)"
    for ends in ("", "; sys.exit()"):
        program = (
            "import sys; from clap_sb.experiment.run import run_recipe\n"
            f"def main(argv): {many}{ends}\n"
            "run_recipe(main)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout.readline() == b"setting\n"
            process.stdout.close()
            assert process.stderr.read() == b""
        assert process.returncode == 141


def test_another_pipe_that_breaks_is_told(monkeypatch):
    def main(argv: list[str]) -> None:
        raise BrokenPipeError(32, "a worker is gone")

    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit, match="error: .*a worker is gone"):
        run_recipe(main)
