"""The interface to ready models: any checkpoint in, embeddings out."""

from __future__ import annotations

import copy
import math
from collections import UserDict
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from small_checkpoints import (
    CAPTIONS,
    amplified,
    clap_model,
    feature_extractor,
    laion_state,
    write_tokenizer,
)
from torch._subclasses.fake_tensor import FakeTensorMode

from clap_sb.checkpoints.detect import detect
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.find_checkpoint import check_sha256, find_checkpoint
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.public_file import load_weights
from clap_sb.checkpoints.weights_file import Weights, read_weights
from clap_sb.data.audio import AudioError
from clap_sb.inference import CLAP
from clap_sb.inference.encoder import Encoder
from clap_sb.inference.labels import Labels

RATE = 48000


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A small LAION-CLAP file, as their training script writes one."""
    path = tmp_path_factory.mktemp("laion") / "epoch_1.pt"
    state = {f"module.{key}": value for key, value in laion_state().items()}
    content = {"epoch": np.int64(1), "name": "x", "state_dict": state, "optimizer": {}}
    torch.save(content, path)
    return path


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def clap(file, tokenizer):
    return CLAP.from_checkpoint(file, tokenizer=tokenizer)


def noise(samples: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(samples, generator=generator)


def test_the_same_weights_give_the_same_embeddings_in_either_layout(clap, tmp_path):
    model = clap_model()
    model.save_pretrained(tmp_path)
    feature_extractor().save_pretrained(tmp_path)
    # RoBERTa's epsilon, where transformers' own default is another one
    text = read_weights(tmp_path).config["text_config"]
    assert text["layer_norm_eps"] == 1e-12
    port = CLAP.from_checkpoint(tmp_path)
    wavs = [noise(30000, 1), noise(480000, 2)]
    torch.testing.assert_close(
        clap.encode_audio(wavs, RATE), port.encode_audio(wavs, RATE), atol=1e-5, rtol=0
    )


def test_logit_scale_and_description_come_from_the_file(clap):
    assert math.isclose(clap.logit_scale, math.exp(2.5), rel_tol=1e-5)
    assert clap.sample_rate == RATE
    assert "LAION-CLAP" in clap.description and "RoBERTa" in clap.description


def test_the_name_of_a_file_does_not_matter(clap, file, tmp_path):
    other = tmp_path / "CLAP_weights_2023.pth"
    other.write_bytes(file.read_bytes())
    again = CLAP.from_checkpoint(other)
    wav = noise(50000, 3)
    assert torch.equal(again.encode_audio(wav, RATE), clap.encode_audio(wav, RATE))


@pytest.mark.parametrize("kind", ["tensor", "array", "list", "tuple", "arrays"])
def test_waveforms_come_in_any_form(clap, kind):
    wavs = torch.stack([noise(20000, seed) for seed in range(3)])
    form = {
        "tensor": wavs,
        "array": wavs.numpy(),
        "list": list(wavs),
        "tuple": tuple(wavs),
        "arrays": [wav.numpy() for wav in wavs],
    }[kind]
    found = clap.encode_audio(form, RATE)
    assert found.shape == (3, 12)
    expected = torch.cat([clap.encode_audio(wav, RATE) for wav in wavs])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_an_embedding_does_not_depend_on_its_company(clap):
    """Short and long clips in one call, in any order and in batches of any size."""
    sizes = [1000, 480000, 30000, 1_200_000, 480001, 7]
    wavs = [noise(size, size) for size in sizes]
    alone = torch.cat([clap.encode_audio(wav, RATE) for wav in wavs])
    for batch_size in (1, 2, 16):
        together = clap.encode_audio(wavs, RATE, batch_size)
        torch.testing.assert_close(together, alone, atol=2e-6, rtol=0)
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(6))


def test_other_sample_rates_are_resampled(clap):
    """A slow tone, sampled at two rates, is nearly the same clip."""
    low = torch.sin(2 * torch.pi * 300 * torch.arange(24000) / 24000)
    high = torch.sin(2 * torch.pi * 300 * torch.arange(48000) / 48000)
    found = clap.encode_audio(low, 24000), clap.encode_audio(high, 48000)
    mistaken = clap.encode_audio(low, 48000)
    similar, different = found[0] @ found[1].T, mistaken @ found[1].T
    assert similar > 0.95 and similar > different + 0.01


def test_files_are_embedded(clap, tmp_path):
    wavs = [noise(24000, 1), noise(600000, 2)]
    paths = [tmp_path / f"{index}.wav" for index in range(2)]
    for path, wav in zip(paths, wavs, strict=True):
        stereo = torch.stack([wav, wav], dim=1).numpy()
        soundfile.write(path, stereo, RATE, subtype="FLOAT")
    expected = clap.encode_audio(wavs, RATE)
    torch.testing.assert_close(clap.embed_files(paths), expected, atol=1e-6, rtol=0)
    one = clap.embed_files(str(paths[0]))
    torch.testing.assert_close(one, expected[:1], atol=1e-6, rtol=0)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    with pytest.raises(AudioError, match="bad.wav"):
        clap.embed_files([paths[0], tmp_path / "bad.wav"])


def test_rounding_to_16_bits_is_an_option(file):
    wav = 1e-4 * torch.randn(48000, generator=torch.Generator().manual_seed(0))
    rounded = CLAP.from_checkpoint(file, int16=True)
    plain = CLAP.from_checkpoint(file)
    integers = (wav * 32767).trunc() / 32767
    by_hand = plain.encode_audio(integers, RATE)
    torch.testing.assert_close(rounded.encode_audio(wav, RATE), by_hand)
    assert (by_hand - plain.encode_audio(wav, RATE)).abs().max() > 1e-4


def test_text_comes_as_one_caption_several_or_tokens(clap):
    several = clap.encode_text(CAPTIONS)
    assert several.shape == (3, 12)
    torch.testing.assert_close(clap.encode_text(CAPTIONS[1]), several[1:2])
    tokens = clap.model.text_encoder.tokenize(CAPTIONS)
    torch.testing.assert_close(clap.encode_text(tokens), several)


def test_similarity_is_a_cosine(clap):
    audio = clap.encode_audio(noise(9000, 4), RATE)
    text = clap.encode_text(CAPTIONS)
    expected = torch.nn.functional.cosine_similarity(audio, text)
    torch.testing.assert_close(clap.similarity(audio, text)[0], expected)


def test_embeddings_of_two_devices_are_compared(clap):
    """``encode_batch`` leaves sounds on the model's device, texts are on the CPU."""
    with FakeTensorMode():  # minds devices, and needs none
        audio, text = torch.empty(2, 12, device="cuda"), torch.empty(3, 12)
        with pytest.raises(RuntimeError, match="(same|different) devices?"):
            audio @ text.T
        found = clap.similarity(audio, text)  # logits are a multiple of it
    assert (found.device.type, found.shape) == ("cuda", (2, 3))


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_told_before_loading(device):
    said = f"device {device} cannot be used"
    with pytest.raises(ValueError, match=said):
        CLAP.from_checkpoint("nowhere", device=device)
    with pytest.raises(ValueError, match=said):
        CLAP.from_hparams("nowhere", run_opts={"device": device})


def test_an_empty_caption_is_named_by_its_place_in_the_list(clap):
    with pytest.raises(ValueError, match=r"captions \[100\] are empty"):
        clap.encode_text([*CAPTIONS[:1] * 100, ""])
    with pytest.raises(ValueError, match="no caption to embed"):
        clap.encode_text([])


@pytest.mark.parametrize(
    ("captions", "said"),
    [
        (["a dog", float("nan")], r"captions \[1\] is nan, of type float"),
        ([["a dog"]], r"captions \[0\] is of type list"),
        (["a dog", None], r"captions \[1\] is of type NoneType"),
        (None, "a list of texts, got NoneType"),
        (5, "a list of texts, got int"),
    ],
)
@pytest.mark.parametrize("strips", [False, True])
def test_what_is_no_caption_is_named(clap, captions, said, strips):
    """As a table without a caption gives ``nan``."""
    with pytest.raises(ValueError, match=said):
        (stripping(clap) if strips else clap).encode_text(captions)


def test_signs_alone_are_empty_without_punctuation(clap):
    captions = ["a dog"] * 70 + ["..."]  # the place is that in the whole list
    with pytest.raises(ValueError, match=r"captions \[70\] are empty"):
        stripping(clap).encode_text(captions)


def stripping(clap: CLAP) -> Encoder:
    """The same model, with WavCaps' rule for captions."""
    model = copy.deepcopy(clap.model)
    tower = model.text_encoder
    tower.tokenize = replace(tower.tokenize, strip_punctuation=True)
    return Encoder(model)


def test_tokens_may_be_in_any_mapping(clap):
    """As transformers' tokenizers have theirs."""
    tokens = clap.model.text_encoder.tokenize(CAPTIONS)
    expected = clap.encode_text(CAPTIONS)
    torch.testing.assert_close(clap.encode_text(UserDict(tokens)), expected)
    with torch.no_grad():
        found = clap.model.encode_text(UserDict(tokens))
    torch.testing.assert_close(found, expected)


def test_what_is_no_label_is_named():
    with pytest.raises(ValueError, match=r"labels \[1\] is nan, of type float"):
        Labels.of(["dog", float("nan")])


def test_without_a_tokenizer_tokens_and_audio_still_work(file):
    clap = CLAP.from_checkpoint(file)
    with pytest.raises(ValueError, match="without its tokenizer"):
        clap.encode_text("a dog")
    tokens = {"input_ids": torch.tensor([[0, 5, 2]])}
    tokens["attention_mask"] = torch.ones_like(tokens["input_ids"])
    assert clap.encode_text(tokens).shape == (1, 12)
    assert clap.encode_audio(noise(900, 5), RATE).shape == (1, 12)


@pytest.mark.parametrize(
    ("wavs", "said"),
    [
        ([], "no clip"),
        (torch.zeros(0), "at least one sample"),
        (torch.zeros(1, 1, 2, 100), "batch, channels, time"),
        ([torch.zeros(1, 2, 100)], "channels, time"),
        ([torch.zeros(100, 2)], "transpose"),
        (torch.full((100,), float("nan")), "not finite"),
        (torch.zeros(100, dtype=torch.int16), "floats in"),
    ],
)
def test_what_is_no_waveform_is_refused(clap, wavs, said):
    with pytest.raises(ValueError, match=said):
        clap.encode_audio(wavs, RATE)


def test_silence_is_a_clip(clap):
    assert clap.encode_audio(torch.zeros(48000), RATE).isfinite().all()


@pytest.mark.parametrize(
    "source", ["missing.pt", "/nowhere/model.pt", "laion/clap-htsat-unfused"]
)
def test_what_is_nowhere_says_so_in_one_line(source, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match=source) as caught:
        find_checkpoint(source)
    assert "\n" not in str(caught.value)


def test_a_file_that_differs_from_the_published_one_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"other")
    with pytest.raises(CheckpointError, match="not the published file"):
        check_sha256(path, "0" * 64)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("audio_branch.norm.bias"), "missing audio_encoder.norm.bias"),
        (
            lambda s: s.pop("audio_branch.logmel_extractor.melW"),
            "missing audio_encoder.log_mel.mel_filters",
        ),
        (
            lambda s: s.update({"audio_branch.extra": torch.ones(2)}),
            "unexpected audio_encoder.extra",
        ),
        (
            lambda s: s.update({"audio_branch.norm.bias": torch.ones(9)}),
            r"audio_encoder.norm.bias is \[9\] in the file and \[64\]",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, said):
    state = laion_state()
    change(state)
    path = tmp_path / "model.pt"
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=said):
        open_checkpoint(path)


def test_the_filterbank_of_the_file_wins(tmp_path):
    state = laion_state()
    state["audio_branch.logmel_extractor.melW"] *= 2
    path = tmp_path / "model.pt"
    torch.save(state, path)
    filters = open_checkpoint(path).clap.audio_encoder.log_mel.mel_filters
    assert torch.equal(filters, state["audio_branch.logmel_extractor.melW"])


def test_a_file_of_another_kind_names_what_is_known(tmp_path):
    path = tmp_path / "resnet.pt"
    torch.save(amplified({"layer1.0.conv1.weight": (4, 4, 3, 3)}), path)
    with pytest.raises(CheckpointError, match="no family known here.*layer1.0.conv1"):
        CLAP.from_checkpoint(path)


def test_whatever_is_missing_the_error_is_of_one_kind(tmp_path):
    """Each tensor in turn: what is not needed may be absent, the rest is an error."""
    whole = laion_state()
    weights = Weights(whole, tmp_path / "model.pt")
    expected = detect(weights).describe(weights)
    outcomes = []
    for key in whole:
        state = {name: value for name, value in whole.items() if name != key}
        weights = Weights(state, tmp_path / "model.pt")
        try:
            outcomes.append(detect(weights).describe(weights) == expected)
        except CheckpointError as error:
            outcomes.append("model.pt" in str(error) and "\n" not in str(error))
    # a tensor may be all that tells a number: then strict loading is what objects
    assert outcomes.count(True) > 0.9 * len(whole)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_a_part_of_a_file_is_refused_in_one_line(tmp_path, share):
    """Random parts of a state dict never load, and never crash."""
    generator = torch.Generator().manual_seed(int(100 * share))
    whole = laion_state()
    for _ in range(10):
        kept = torch.rand(len(whole), generator=generator) > share
        state = {k: v for (k, v), keep in zip(whole.items(), kept, strict=True) if keep}
        with pytest.raises(CheckpointError) as caught:
            load_weights(Weights(state, tmp_path / "model.pt"))
        assert "\n" not in str(caught.value)
