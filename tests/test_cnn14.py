"""CNN14 against a functional twin, and its own promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clap_sb.clips import window_starts
from clap_sb.encoders.cnn14 import CNN14
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.features import LogMel

CLIP = 8000
CHANNELS = [4, 6, 8, 8, 10, 12]


def tiny_cnn14(**options) -> CNN14:
    log_mel = LogMel(8000, n_fft=256, hop_length=80, n_mels=64, f_max=4000.0)
    return CNN14(log_mel, CLIP, channels=CHANNELS, **options)


@torch.no_grad()
def randomised(encoder: CNN14) -> CNN14:
    """Weights that make every layer matter for the output."""
    generator = torch.Generator().manual_seed(1)
    for name, value in encoder.state_dict().items():
        drawn = torch.randn(value.shape, generator=generator)
        if "running_mean" in name:
            value.copy_(0.1 * drawn - (40.0 if "bn0" in name else 0.0))
        elif "running_var" in name:
            value.copy_((1 + 0.2 * drawn.square()) * (200.0 if "bn0" in name else 1.0))
        elif value.dim() > 1 and "log_mel" not in name:
            value.copy_(2.0 * drawn / value[0].numel() ** 0.5)
        elif value.dim() == 1:
            value.copy_(0.3 * drawn + name.endswith("weight"))
    return encoder.eval()


def naive_norm(x: torch.Tensor, weights: dict, name: str) -> torch.Tensor:
    shape = (1, -1, 1, 1)
    scale = weights[f"{name}.weight"] / (weights[f"{name}.running_var"] + 1e-5).sqrt()
    centred = x - weights[f"{name}.running_mean"].view(shape)
    return centred * scale.view(shape) + weights[f"{name}.bias"].view(shape)


def naive_cnn14(weights: dict, log_mel: torch.Tensor, last_pool: int) -> torch.Tensor:
    x = naive_norm(log_mel.permute(0, 3, 2, 1), weights, "bn0").permute(0, 3, 2, 1)
    for block in range(1, 7):
        for layer in (1, 2):
            kernel = weights[f"conv_block{block}.conv{layer}.weight"]
            x = F.conv2d(x, kernel, padding=1)
            x = naive_norm(x, weights, f"conv_block{block}.bn{layer}").clamp(min=0)
        x = F.avg_pool2d(x, 2 if block < 6 else last_pool)
    x = x.sum(3) / x.shape[3]
    x = x.max(2).values + x.sum(2) / x.shape[2]
    if "fc1.weight" in weights:
        x = (x @ weights["fc1.weight"].T + weights["fc1.bias"]).clamp(min=0)
    return x


@torch.no_grad()
@pytest.mark.parametrize(("with_fc1", "last_pool"), [(True, 1), (False, 2)])
def test_embedding_equals_a_functional_twin(with_fc1, last_pool):
    encoder = randomised(tiny_cnn14(with_fc1=with_fc1, last_pool=last_pool))
    wavs = torch.tensor([[1.0], [0.01]]) * torch.randn(2, CLIP)
    found = encoder(wavs)
    expected = naive_cnn14(encoder.state_dict(), encoder.log_mel(wavs), last_pool)
    assert found.shape == (2, 12)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (found[0] - found[1]).abs().max() > 1e-2, "the test has no power"


@torch.no_grad()
def test_classes_are_a_linear_layer_on_the_embedding():
    encoder = randomised(tiny_cnn14(num_classes=5))
    wavs, wav_lens = torch.randn(2, CLIP), torch.tensor([1.0, 0.4])
    expected = encoder.fc_audioset(encoder(wavs, wav_lens))
    torch.testing.assert_close(encoder.classify(wavs, wav_lens), expected)
    with pytest.raises(ValueError, match="at most 8000 samples, got 8001"):
        encoder.classify(torch.randn(1, CLIP + 1))


@torch.no_grad()
@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
def test_embedding_does_not_depend_on_the_batch(padding):
    encoder = randomised(tiny_cnn14(padding=padding))
    lengths = [3 * CLIP, CLIP, 3000, 2 * CLIP + 500]
    wavs = torch.randn(4, lengths[0])
    together = encoder(wavs, torch.tensor(lengths) / lengths[0])
    for row, wav, length in zip(together, wavs, lengths, strict=True):
        starts = window_starts(length, CLIP)
        parts = [encoder(wav[None, s : min(s + CLIP, length)]) for s in starts]
        torch.testing.assert_close(row, torch.cat(parts).mean(0), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_rule_for_short_clips_matters():
    wav = torch.randn(1, 3000)
    weights = randomised(tiny_cnn14()).state_dict()
    rows = []
    for padding in ("repeatpad", "repeat", "pad"):
        encoder = tiny_cnn14(padding=padding).eval()
        encoder.load_state_dict(weights)
        rows.append(encoder(wav))
    assert torch.pdist(torch.cat(rows)).min() > 1e-3


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_every_trained_parameter_gets_a_gradient(gradient_checkpointing):
    encoder = tiny_cnn14(
        spec_augment=SpecAugment(8, 1, 4, 1),
        gradient_checkpointing=gradient_checkpointing,
    ).train()
    encoder(torch.randn(3, CLIP)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_dropout_is_of_training_only():
    encoder, wav = tiny_cnn14(), torch.randn(2, CLIP)
    assert not torch.equal(encoder.train()(wav), encoder(wav))
    assert torch.equal(encoder.eval()(wav), encoder(wav))


def test_a_frozen_encoder_stays_as_it_is():
    encoder = tiny_cnn14(freeze=True).train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    assert not encoder(torch.randn(2, CLIP)).requires_grad
    assert not encoder.training
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_the_waveform_may_have_another_rate_than_the_filters():
    assert tiny_cnn14().sample_rate == 8000
    assert tiny_cnn14(sample_rate=11025).sample_rate == 11025


def test_clips_too_short_for_the_blocks_are_refused():
    log_mel = LogMel(8000, n_fft=256, hop_length=80, n_mels=64, f_max=4000.0)
    with pytest.raises(ValueError, match="shrink a log-mel 32 times.*has 26 frames"):
        CNN14(log_mel, 2000, channels=CHANNELS)
    with pytest.raises(ValueError, match="padding is one of"):
        tiny_cnn14(padding="mirror")
