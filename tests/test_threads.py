"""The number of threads: the command line's, the variable's, the system's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clap_sb.config import join
from clap_sb.experiment.command_line import set_threads

ROOT = Path(__file__).resolve().parents[1]
FILES = [ROOT / "recipes" / name for name in ("common.yaml", "training.yaml")]


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("setting", "variable", "given", "found"),
    [
        ("null", None, "", 3),
        ("2", None, "", 2),
        ("2", "3", "", 3),
        ("2", "3", "num_threads: 1", 1),
        ("null", None, "num_threads: 1", 1),
        ("2", None, "num_threads: null", 3),
    ],
)
def test_the_nearest_to_the_user_wins(
    setting, variable, given, found, tmp_path, monkeypatch
):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    path = tmp_path / "system.yaml"
    path.write_text(f"data_folder: x\nnum_threads: {setting}\n")
    set_threads(join([path], given))
    assert torch.get_num_threads() == found


def test_the_demo_takes_one_thread_and_other_systems_what_torch_takes(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    recipe = [*FILES, ROOT / "recipes" / "captions.yaml"]
    recipe.append(ROOT / "recipes" / "AudioCaps" / "recipe.yaml")
    set_threads(join([*recipe, ROOT / "hparams" / "htsat_roberta.yaml"]))
    assert torch.get_num_threads() == 3
    set_threads(join([*recipe, ROOT / "hparams" / "demo.yaml"]))
    assert torch.get_num_threads() == 1
