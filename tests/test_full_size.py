"""Every system at full size for one step: finite gradients wherever there is training.

Run by ``make recipes``; some minutes, and up to 10 GB of memory.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clap_sb.config import join
from clap_sb.training.text_start import settle_text_tower

ROOT = Path(__file__).resolve().parents[1]
SYSTEMS = sorted((ROOT / "hparams").glob("*.yaml"))
RECIPE = ["common.yaml", "training.yaml", "AudioCaps/recipe.yaml"]
CAPTIONS = ["a dog barks twice", "rain falls on a tin roof", "a bell rings far away"]


@pytest.mark.full_size
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda path: path.stem)
def test_one_step(system, tmp_path):
    files = [*(ROOT / "recipes" / name for name in RECIPE), system]
    config = join(files, f"{{output_folder: {tmp_path.as_posix()}}}")
    config, _ = settle_text_tower(config, CAPTIONS, tmp_path / "text")
    hparams = config.build()
    clap = hparams["clap"].train()
    seconds = torch.tensor([12.0, 5.0, 2.5])
    lengths = (seconds * clap.sample_rate).long()
    wavs = torch.randn(3, int(lengths.max())) * 0.1
    audio, text = clap(wavs, lengths / lengths.max(), CAPTIONS)
    hparams["objective"](audio, text, clap.logit_scale).backward()
    for name, parameter in clap.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, f"{name} has no gradient"
            assert torch.isfinite(parameter.grad).all(), f"{name} is not finite"
