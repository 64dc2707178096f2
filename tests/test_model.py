"""CLAP as a whole: unit embeddings that depend on their clip or caption alone."""

from __future__ import annotations

import pytest
import torch
from builders import CAPTIONS, CLIP_SAMPLES, amplify, tiny_clap, tiny_htsat
from torch.nn.functional import normalize

from clap_sb.clips import window_starts
from clap_sb.encoders.spec_augment import SpecAugment


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return tiny_clap(tmp_path_factory.mktemp("clap"))


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_both_embeddings_are_projected_and_of_unit_norm(clap):
    wavs = 0.1 * torch.randn(6, CLIP_SAMPLES)
    audio, text = clap(wavs, None, CAPTIONS)
    assert audio.shape == text.shape == (6, 12)
    near(audio, normalize(clap.audio_projection(clap.audio_encoder(wavs)), dim=1))
    near(text, normalize(clap.text_projection(clap.text_encoder(CAPTIONS)), dim=1))
    assert torch.equal(audio, clap.encode_audio(wavs))
    assert torch.equal(text, clap.encode_text(clap.text_encoder.tokenize(CAPTIONS)))


@torch.no_grad()
def test_a_clip_alone_and_in_company_is_the_same(clap):
    lengths = [50003, 4000, 20000, 41000, 20001]
    loudness = torch.tensor([1.0, 0.001, 0.5, 0.01, 1.0])[:, None]
    wavs = loudness * torch.randn(5, lengths[0])
    share = torch.tensor(lengths) / lengths[0]
    expected = torch.cat(
        [clap.encode_audio(wav[None, :n]) for wav, n in zip(wavs, lengths, strict=True)]
    )
    assert torch.pdist(expected).min() > 1e-3
    near(clap.encode_audio(wavs, share), expected)
    order = torch.tensor([4, 2, 0, 1, 3])
    near(clap.encode_audio(wavs[order], share[order]), expected[order])
    beyond = torch.arange(lengths[0]) >= torch.tensor(lengths)[:, None]
    garbage = torch.where(beyond, 100.0 * torch.randn_like(wavs), wavs)
    near(clap.encode_audio(garbage, share), expected)


@torch.no_grad()
def test_long_clips_are_the_mean_of_their_windows(clap):
    wav = 0.1 * torch.randn(50003)
    windows = [
        clap.encode_audio(wav[None, start : start + CLIP_SAMPLES])
        for start in window_starts(len(wav), CLIP_SAMPLES)
    ]
    assert len(windows) == 3
    expected = normalize(torch.cat(windows).mean(0, keepdim=True), dim=1)
    near(clap.encode_audio(wav[None]), expected)


@torch.no_grad()
def test_a_silent_clip_has_an_embedding(clap):
    embedding = clap.encode_audio(torch.zeros(1, 1000))
    near(embedding.norm(dim=1), torch.ones(1))


@torch.no_grad()
def test_embeddings_are_float32_under_autocast(clap):
    wavs = 0.1 * torch.randn(2, CLIP_SAMPLES)
    exact = clap(wavs, None, CAPTIONS[:2])
    with torch.autocast("cpu", torch.bfloat16):
        rough = clap(wavs, None, CAPTIONS[:2])
    for one, other in zip(exact, rough, strict=True):
        assert other.dtype == torch.float32
        near(other.norm(dim=1), torch.ones(2))
        assert (one * other).sum(1).min() > 0.98


@pytest.mark.parametrize("cast", ["half", "bfloat16", "double"])
def test_weights_of_another_type_are_told_and_brought_back(cast, tmp_path):
    """A log-mel is float32, whatever the weights are."""
    clap = tiny_clap(tmp_path)
    getattr(clap, cast)()
    with pytest.raises(TypeError, match=r"weights are torch.*autocast or --precision"):
        clap.encode_audio(torch.randn(1, 9000))
    assert clap.float().encode_audio(torch.randn(1, 9000)).isfinite().all()


def test_it_tells_what_its_audio_tower_takes(clap):
    assert (clap.sample_rate, clap.clip_samples) == (8000, CLIP_SAMPLES)


@pytest.mark.parametrize("frozen", ["none", "audio", "text", "both"])
def test_every_trained_parameter_gets_a_gradient(tmp_path, frozen):
    """From forward and the loss alone, so that DDP needs no search."""
    audio = tiny_htsat(
        freeze=frozen in ("audio", "both"), spec_augment=SpecAugment(4, 1, 2, 1)
    )
    clap = tiny_clap(tmp_path, audio, freeze=frozen in ("text", "both")).train()
    wavs = 0.1 * torch.randn(4, CLIP_SAMPLES)
    one, other = clap(wavs, None, CAPTIONS[:4])
    (clap.logit_scale(one @ other.T)).logsumexp(1).sum().backward()
    trained = {name for name, p in clap.named_parameters() if p.requires_grad}
    reached = {name for name, p in clap.named_parameters() if p.grad is not None}
    assert trained == reached
    parts = {name.split(".")[0] for name in trained}
    assert ("audio_encoder" in parts) == (frozen in ("none", "text"))
    assert ("text_encoder" in parts) == (frozen in ("none", "audio"))
    assert {"audio_projection", "text_projection", "logit_scale"} <= parts


def test_training_mode_does_not_reach_a_frozen_tower(tmp_path):
    clap = tiny_clap(tmp_path, tiny_htsat(freeze=True, drop_path=0.5)).train()
    statistics = clap.audio_encoder.bn0.running_mean.clone()
    wavs = torch.randn(3, CLIP_SAMPLES)
    assert torch.equal(clap.encode_audio(wavs), clap.encode_audio(wavs))
    assert torch.equal(clap.audio_encoder.bn0.running_mean, statistics)
    assert clap.text_encoder.training and not clap.audio_encoder.training
    trained = amplify(tiny_htsat()).train()
    trained(wavs)
    assert not torch.equal(trained.bn0.running_mean, statistics)
