"""Transformers' ``ClapModel``: the same embeddings, and back again."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from small_checkpoints import clap_model, feature_extractor
from small_tokenizers import word_tokenizer

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.transformers_clap import from_transformers, to_transformers
from clap_sb.checkpoints.transformers_folder import write_transformers_folder
from clap_sb.inference import CLAP
from clap_sb.objectives.logit_scale import LogitScale

RATE = 48000
TOKENS = {
    "input_ids": torch.tensor([[0, 7, 8, 9, 2, 1, 1], [0, 20, 21, 22, 23, 24, 2]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1] * 7]),
}


def waveform(seconds: float, seed: int) -> np.ndarray:
    """Noise that swells, over two tones: no part is like another."""
    size = int(seconds * RATE)
    time = np.arange(size) / RATE
    noise = np.random.RandomState(seed).standard_normal(size) * time / seconds
    tones = np.sin(2 * np.pi * 440 * time) + np.sin(2 * np.pi * 3000 * time**1.1)
    return (0.1 * noise + 0.2 * tones).astype(np.float32)


@pytest.fixture(scope="module", params=[False, True], ids=["unfused", "fused"])
def saved(request, tmp_path_factory):
    """A folder that transformers wrote, and the model that wrote it."""
    folder = tmp_path_factory.mktemp("clap")
    model = clap_model(request.param)
    model.save_pretrained(folder)
    feature_extractor(request.param).save_pretrained(folder)
    return folder, model, request.param


def theirs(model, wav: np.ndarray, fused: bool, seed: int = 0) -> torch.Tensor:
    np.random.seed(seed)
    inputs = feature_extractor(fused)(wav, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        return model.get_audio_features(**inputs).pooler_output


@pytest.mark.parametrize("seconds", [0.7, 3.4, 10.0])
def test_audio_embeddings_equal_those_of_transformers(saved, seconds):
    folder, model, fused = saved
    wav = waveform(seconds, seed=1)
    ours = CLAP.from_checkpoint(folder).encode_audio(wav, RATE)
    inputs = feature_extractor(fused)(wav, sampling_rate=RATE, return_tensors="pt")
    if fused:  # transformers marks a clip as long that is not: its own mistake
        inputs["is_longer"] = torch.zeros_like(inputs["is_longer"])
    with torch.no_grad():
        expected = model.get_audio_features(**inputs).pooler_output
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_text_embeddings_equal_those_of_transformers(saved):
    folder, model, _ = saved
    ours = CLAP.from_checkpoint(folder).encode_text(TOKENS)
    with torch.no_grad():
        expected = model.get_text_features(**TOKENS).pooler_output
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_long_captions_are_taken_as_far_as_the_model_has_positions(tmp_path, caplog):
    """Its processor cuts nothing; LAION's own code cuts to 77 tokens."""
    from transformers import AutoTokenizer

    model = clap_model()
    model.save_pretrained(tmp_path)
    clap = CLAP.from_checkpoint(word_tokenizer(tmp_path, "roberta"))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    captions = ["rain " + "a dog barks " * count for count in (1, 27)]
    tokens = tokenizer(captions, padding=True, return_tensors="pt")
    assert tokens["input_ids"].shape[1] == 84
    tokens = {key: tokens[key] for key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        expected = model.get_text_features(**tokens).pooler_output
    found = clap.encode_text(captions)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert not caplog.records
    # 90 positions, of which RoBERTa uses those after the padding's id
    clap.encode_text([*captions, "a " * 87] * 30, batch_size=8)
    assert [record.message for record in caplog.records] == [
        "30 of 90 captions have more than the 88 tokens that the text tower takes: "
        "they were cut"
    ]


def test_a_long_clip_is_fused_as_by_transformers(tmp_path, monkeypatch):
    """``is_longer`` true: the chunks start where transformers' generator put them."""
    model = clap_model(fused=True)
    model.save_pretrained(tmp_path)
    feature_extractor(fused=True).save_pretrained(tmp_path)
    wav = waveform(14.0, seed=2)
    clap = CLAP.from_checkpoint(tmp_path)
    ranges = np.array_split(list(range(0, 14 * 100 + 1 - 1001 + 1)), 3)
    np.random.seed(5)
    starts = [[int(np.random.choice(part)) for part in ranges]]
    views = clap.model.audio_encoder.fusion_views
    original = type(views).forward
    views.forward = lambda *arguments: original(views, *arguments, starts=starts)
    ours = clap.encode_audio(wav, RATE)
    expected = theirs(model, wav, fused=True, seed=5)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)
    del views.forward
    middle = clap.encode_audio(wav, RATE)
    assert (middle - ours).abs().max() > 1e-3, "the chunks must matter here"


def test_ours_to_transformers_and_back_is_the_identity(saved):
    folder, model, _ = saved
    ours = from_transformers(model.state_dict())
    again = from_transformers(to_transformers(ours))
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[key], ours[key]) for key in ours)


def test_transformers_to_ours_and_back_is_the_identity(saved):
    folder, model, _ = saved
    theirs = model.state_dict()
    again = to_transformers(from_transformers(theirs))
    constants = ("relative_position_index", "position_ids", "token_type_ids")
    assert again.keys() == {key for key in theirs if not key.endswith(constants)}
    assert all(torch.equal(again[key], theirs[key]) for key in again)


def test_an_export_is_loaded_by_transformers(saved, tmp_path):
    from transformers import ClapFeatureExtractor, ClapModel

    folder, model, fused = saved
    write_transformers_folder(open_checkpoint(folder), tmp_path / "out")
    again, info = ClapModel.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    wav = waveform(2.0, seed=3)
    extractor = ClapFeatureExtractor.from_pretrained(tmp_path / "out")
    inputs = extractor(wav, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(
            again.eval().get_audio_features(**inputs).pooler_output,
            model.get_audio_features(**inputs).pooler_output,
        )
        torch.testing.assert_close(
            again.get_text_features(**TOKENS).pooler_output,
            model.get_text_features(**TOKENS).pooler_output,
        )


def test_logits_with_a_bias_have_no_place_in_it(saved, tmp_path):
    loaded = open_checkpoint(saved[0])
    loaded.clap.logit_scale = LogitScale(bias=-10.0)
    with pytest.raises(CheckpointError, match="its logits have a bias"):
        write_transformers_folder(loaded, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_processor_of_the_folder_is_followed(saved, tmp_path):
    """Its frequencies make the filterbank, which the weights do not hold."""
    folder, model, fused = saved
    model.save_pretrained(tmp_path)
    settings = feature_extractor(fused).to_dict() | {"frequency_max": 8000}
    for key in ("feature_extractor_type", "processor_class"):
        settings.pop(key, None)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    wav = waveform(1.0, seed=4)
    other = CLAP.from_checkpoint(tmp_path).encode_audio(wav, RATE)
    usual = CLAP.from_checkpoint(folder).encode_audio(wav, RATE)
    assert (other - usual).abs().max() > 1e-3
