"""Each YAML of a system: it joins with the recipes, trains, and has nothing idle."""

from __future__ import annotations

import logging
import runpy
import sys
from pathlib import Path

import pytest
import torch

from clap_sb.config import Config, join
from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
from clap_sb.training.text_tower import settle_text_tower

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
# the figures of the papers' table: embeddings and joint space
SYSTEMS = {
    "htsat_roberta": (768, 768, 512),
    "htsat_bert": (768, 768, 512),
    "htsat_clip": (768, 512, 512),
    "cnn14_roberta": (2048, 768, 512),
    "cnn14_bert": (2048, 768, 512),
    "cnn14_clip": (2048, 512, 512),
    "htsat_roberta_fusion": (768, 768, 512),
    "htsat_base_roberta": (1024, 768, 512),
    "msclap2022": (2048, 768, 1024),
    "msclap2023": (768, 768, 1024),
}
SMALL = {"joint_dim": 16, "text_dim": 16, "text_depth": 1, "text_heads": 2}
SMALL |= {"text_mlp_dim": 32, "pretrained_text": False}
SMALL_HTSAT = {"embed_dim": 4, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
SMALL_CNN14 = {"channels": [2, 4, 4, 4, 4, 8], "audio_dim": 8}


def small(system: str) -> dict:
    """Overrides that make a system fast, and nothing else."""
    convolutional = "channels" in system_config(system).values()
    return SMALL | (SMALL_CNN14 if convolutional else SMALL_HTSAT)


def system_config(system: str) -> Config:
    names = ["common.yaml", "training.yaml", "AudioCaps/recipe.yaml"]
    files = [RECIPES / name for name in names]
    return join([*files, ROOT / "hparams" / f"{system}.yaml"])


def test_there_is_one_for_each_row():
    found = {path.stem for path in (ROOT / "hparams").glob("*.yaml")}
    assert found == {*SYSTEMS, "demo"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_the_size_of_its_row(system):
    values = system_config(system).values()
    assert values["system"] == system
    sizes = (values["audio_dim"], values["text_dim"], values["joint_dim"])
    assert sizes == SYSTEMS[system]
    text = (ROOT / "hparams" / f"{system}.yaml").read_text(encoding="utf-8")
    header = text.split("\n\n")[0]
    assert "arXiv" in header and ("LAION" in header or "MS-CLAP" in header)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_joins_with_the_evaluation_recipe(system):
    names = ["common.yaml", "ESC-50/recipe.yaml"]
    files = [RECIPES / name for name in names]
    config = join([*files, ROOT / "hparams" / f"{system}.yaml"])
    assert config.values()["system"] == system


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_trained_parameter_gets_a_gradient(system, tmp_path):
    settings = small(system) | {"output_folder": str(tmp_path / "out")}
    config = system_config(system).updated(settings)
    captions = ["a dog barks", "rain on a roof", "a siren in the distance"]
    train_sentencepiece(captions, tmp_path, 400)
    config, _ = settle_text_tower(config, captions, tmp_path)
    clap = config.build()["clap"].train()
    torch.manual_seed(0)
    wavs = torch.randn(3, clap.clip_samples)  # none is long: the hard case for fusion
    audio, text = clap(wavs, torch.tensor([1.0, 0.6, 0.3]), captions)
    (clap.logit_scale() * audio @ text.T).square().mean().backward()
    for name, parameter in clap.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


@pytest.fixture
def in_process():
    """Runs a script's main in this process, and undoes what SpeechBrain sets."""
    hook, handlers = sys.excepthook, logging.getLogger().handlers[:]
    yield runpy.run_path(str(RECIPES / "AudioCaps" / "train.py"))["main"]
    sys.excepthook = hook
    logging.getLogger().handlers[:] = handlers


@pytest.fixture(scope="module")
def builtin_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("builtin")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_debug_run_passes(system, tmp_path, builtin_folder, in_process):
    settings = small(system) | {
        "builtin_folder": builtin_folder,
        "builtin_train_clips": 8,
        "output_folder": tmp_path / "out",
        "batch_size": 4,
        "num_resamples": 20,
        "device": "cpu",
    }
    argv = [str(ROOT / "hparams" / f"{system}.yaml"), "--debug"]
    for name, value in settings.items():
        argv += [f"--{name}", str(value)]
    in_process(argv)
    assert (tmp_path / "out" / "results" / "retrieval.json").is_file()
