"""How a recipe's script ends."""

from __future__ import annotations

import sys

import pytest
import torch

from clap_sb.experiment.run import run_recipe


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
