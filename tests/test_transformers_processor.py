"""A transformers folder is heard as its own feature extractor says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_checkpoints import clap_model, feature_extractor

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.transformers_folder import write_transformers_folder
from clap_sb.inference import CLAP

FILE = "preprocessor_config.json"


@pytest.fixture(scope="module")
def models():
    return {fused: clap_model(fused) for fused in (False, True)}


def write(folder: Path, model, fused: bool, removed=(), **changed) -> Path:
    model.save_pretrained(folder)
    settings = feature_extractor(fused).to_dict() | changed
    for key in removed:
        settings.pop(key)
    (folder / FILE).write_text(json.dumps(settings))
    return folder


def sound(rate: int, seconds: float = 0.7) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    noise = np.random.RandomState(0).standard_normal(len(time)) * time
    return (0.2 * np.sin(2 * np.pi * 440 * time) + 0.1 * noise).astype(np.float32)


def theirs(folder: Path, model, wav: np.ndarray, rate: int) -> torch.Tensor:
    from transformers import ClapFeatureExtractor

    extractor = ClapFeatureExtractor.from_pretrained(folder)
    inputs = extractor(wav, sampling_rate=rate, return_tensors="pt")
    inputs["is_longer"] = torch.zeros_like(inputs["is_longer"])
    with torch.no_grad():
        return model.get_audio_features(**inputs).pooler_output


SETTINGS = [
    {"padding": "pad"},
    {"padding": "repeat"},
    {"padding": "max_length"},
    {"padding": None},
    {"padding": True},
    {"max_length_s": 5},
    {"sampling_rate": 32000},
    {"hop_length": 600, "fft_window_size": 2048},
    {"frequency_min": 300, "frequency_max": 9000},
    {"removed": ("frequency_min",)},
    {"removed": ("frequency_max", "padding", "max_length_s"), "sampling_rate": 24000},
    {"removed": ("sampling_rate", "hop_length"), "padding": "repeat"},
    {"nb_max_samples": 7, "nb_frequency_bins": 7, "return_attention_mask": True},
]


@pytest.mark.parametrize("fused", [False, True], ids=["unfused", "fused"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_settings_are_followed_as_by_transformers(models, settings, fused, tmp_path):
    model = models[fused]
    write(tmp_path, model, fused, **settings)
    clap = CLAP.from_checkpoint(tmp_path)
    rate = settings.get("sampling_rate", 48000)
    assert clap.sample_rate == rate
    wav = sound(rate)
    ours = clap.encode_audio(wav, rate)
    expected = theirs(tmp_path, model, wav, rate)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("padding", ["pad", "repeat"])
def test_padding_matters_and_survives_an_export(models, padding, tmp_path):
    model, wav = models[False], sound(48000, seconds=3.4)
    usual = CLAP.from_checkpoint(write(tmp_path / "usual", model, False))
    folder = write(tmp_path / "in", model, False, padding=padding)
    ours = CLAP.from_checkpoint(folder).encode_audio(wav, 48000)
    assert (usual.encode_audio(wav, 48000) * ours).sum() < 0.999
    out = tmp_path / "out"
    write_transformers_folder(open_checkpoint(folder), out)
    expected = theirs(out, model, wav, 48000)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_nested_settings_come_first_as_in_transformers(models, tmp_path):
    model = models[False]
    write(tmp_path, model, False)
    settings = feature_extractor().to_dict() | {"padding": "pad"}
    nested = {"feature_extractor": settings, "processor_class": "ClapProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(nested))
    ours = CLAP.from_checkpoint(tmp_path).encode_audio(sound(48000), 48000)
    expected = theirs(tmp_path, model, sound(48000), 48000)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    (tmp_path / "preprocessor_config.json").unlink()
    again = CLAP.from_checkpoint(tmp_path).encode_audio(sound(48000), 48000)
    assert torch.equal(again, ours)


def test_a_processor_without_an_extractor_says_nothing(models, tmp_path):
    models[False].save_pretrained(tmp_path)
    bare = CLAP.from_checkpoint(tmp_path).encode_audio(sound(48000), 48000)
    content = {"processor_class": "ClapProcessor"}
    (tmp_path / "processor_config.json").write_text(json.dumps(content))
    again = CLAP.from_checkpoint(tmp_path).encode_audio(sound(48000), 48000)
    assert torch.equal(again, bare)


@pytest.mark.parametrize(
    ("fused", "changed", "said"),
    [
        (False, {"truncation": "fusion"}, "weights have no feature fusion"),
        (True, {"truncation": "rand_trunc"}, "weights have feature fusion"),
        (
            False,
            {"feature_extractor_type": "WhisperFeatureExtractor"},
            "is a WhisperFeatureExtractor",
        ),
        (False, {"max_length_s": 0.00001}, "no whole number"),
        (False, {"sampling_rate": "48k"}, "no number"),
        (False, {"feature_size": 32}, "bn0"),
    ],
)
def test_what_cannot_be_followed_is_named(models, fused, changed, said, tmp_path):
    write(tmp_path, models[fused], fused, **changed)
    with pytest.raises(CheckpointError, match=said):
        CLAP.from_checkpoint(tmp_path)


def test_what_has_no_effect_in_transformers_is_named(models, tmp_path, caplog):
    model = models[False]
    write(tmp_path, model, False, top_db=20, padding_value=0.5, padding="pad")
    ours = CLAP.from_checkpoint(tmp_path).encode_audio(sound(48000), 48000)
    expected = theirs(tmp_path, model, sound(48000), 48000)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    assert caplog.text.count("top_db 20, padding_value 0.5") == 1


@pytest.mark.parametrize(
    ("tower", "changed", "said"),
    [
        ("text_config", {"projection_hidden_act": "gelu"}, "projection_hidden_act"),
        ("audio_config", {"projection_hidden_act": "gelu"}, "projection_hidden_act"),
        ("audio_config", {"hidden_act": "relu"}, "hidden_act 'relu'"),
        ("audio_config", {"layer_norm_eps": 1e-12}, "layer_norm_eps"),
        ("audio_config", {"patch_stride": [2, 2]}, "patch_stride"),
    ],
)
def test_a_configuration_of_another_model_is_named(
    models, tower, changed, said, tmp_path
):
    write(tmp_path, models[False], False)
    config = json.loads((tmp_path / "config.json").read_text())
    config[tower] |= changed
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=said):
        CLAP.from_checkpoint(tmp_path)


def test_what_a_configuration_leaves_out_is_as_in_transformers(tmp_path):
    """Epsilon and heads are the class's: not RoBERTa's, and not 64 wide."""
    from transformers import ClapModel

    model = clap_model()
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["text_config"].pop("layer_norm_eps")
    (tmp_path / "config.json").write_text(json.dumps(config))
    loaded = ClapModel.from_pretrained(tmp_path)
    tokens = {"input_ids": torch.tensor([[0, 7, 8, 2]])}
    tokens["attention_mask"] = torch.ones_like(tokens["input_ids"])
    ours = CLAP.from_checkpoint(tmp_path)
    assert ours.model.text_encoder.config.layer_norm_eps == 1e-12
    with torch.no_grad():
        expected = loaded.get_text_features(**tokens).pooler_output
    torch.testing.assert_close(ours.encode_text(tokens), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("fused", [False, True], ids=["unfused", "fused"])
@pytest.mark.parametrize("projected", [True, False], ids=["projected", "bare"])
def test_an_audio_tower_alone_is_taken(models, fused, projected, tmp_path):
    from transformers import ClapAudioModelWithProjection

    whole = models[fused]
    alone = ClapAudioModelWithProjection(whole.config.audio_config).eval()
    state = whole.state_dict()
    alone.load_state_dict({key: state[key] for key in alone.state_dict()})
    alone = alone if projected else alone.audio_model
    alone.save_pretrained(tmp_path / "alone")
    extractor = feature_extractor(fused)
    extractor.save_pretrained(tmp_path / "alone")
    clap = CLAP.from_checkpoint(tmp_path / "alone")
    wav = sound(48000)
    inputs = extractor(wav, sampling_rate=48000, return_tensors="pt")
    inputs["is_longer"] = torch.zeros_like(inputs["is_longer"])
    with torch.no_grad():
        output = alone(**inputs)
    expected = output.audio_embeds if projected else output.pooler_output
    expected = torch.nn.functional.normalize(expected, dim=1)
    found = clap.encode_audio(wav, 48000)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="an audio tower alone"):
        clap.encode_text("a dog")


def test_a_text_tower_alone_is_named(models, tmp_path):
    from transformers import ClapTextModelWithProjection

    models[False].save_pretrained(tmp_path / "whole")
    text = ClapTextModelWithProjection.from_pretrained(tmp_path / "whole")
    text.save_pretrained(tmp_path / "text")
    with pytest.raises(CheckpointError, match="a text tower alone"):
        CLAP.from_checkpoint(tmp_path / "text")
