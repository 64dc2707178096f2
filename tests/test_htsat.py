"""HTSAT against transformers' implementation, and its own promises."""

from __future__ import annotations

import pytest
import torch
from builders import CLIP_SAMPLES, amplify, from_transformers, mutated, tiny_htsat

from clap_sb.clips import window_starts
from clap_sb.encoders import htsat
from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.encoders.swin import SwinBlock
from clap_sb.encoders.window_attention import WindowAttention
from clap_sb.features import LogMel

# ---------------------------------------------------------------- against transformers


@pytest.fixture(scope="module")
def peer_and_ours():
    """transformers' tower of tiny size with amplified weights, and ours with the same.

    With fresh weights a missing shift mask would move the embedding by 4e-5 only.
    """
    from transformers import ClapAudioConfig
    from transformers.models.clap.modeling_clap import ClapAudioModel

    peer = amplify(ClapAudioModel(ClapAudioConfig())).eval()
    ours = HTSAT(LogMel()).eval()
    weights = from_transformers(peer.state_dict())
    weights["log_mel.mel_filters"] = ours.log_mel.mel_filters
    ours.load_state_dict(weights, strict=True)
    return peer, ours


@pytest.fixture(scope="module")
def log_mel():
    generator = torch.Generator().manual_seed(5)
    loudness = torch.linspace(-80.0, 0.0, 1001)[:, None]
    return loudness + 15.0 * torch.randn(2, 1, 1001, 64, generator=generator)


def embedding(encoder: HTSAT, log_mel: torch.Tensor) -> torch.Tensor:
    return encoder.encode_image(encoder.image(log_mel)).mean((1, 2))


@pytest.fixture(scope="module")
def expected(peer_and_ours, log_mel):
    with torch.no_grad():
        return peer_and_ours[0](input_features=log_mel).pooler_output


@torch.no_grad()
def test_embedding_equals_transformers(peer_and_ours, log_mel, expected):
    found = embedding(peer_and_ours[1], log_mel)
    assert found.shape == (2, 768)
    assert (found - expected).abs().max() <= 1e-5
    assert (expected[0] - expected[1]).abs().max() > 0.1, "the test has no power"


def drop_shift_mask(part: torch.nn.Module) -> None:
    if isinstance(part, SwinBlock):
        part.attn_mask = None


def drop_position_bias(part: torch.nn.Module) -> None:
    if isinstance(part, WindowAttention):
        part.relative_position_bias_table.zero_()


@torch.no_grad()
@pytest.mark.parametrize("change", [drop_shift_mask, drop_position_bias])
def test_a_broken_attention_is_detected(peer_and_ours, log_mel, expected, change):
    broken = mutated(peer_and_ours[1], change)
    assert (embedding(broken, log_mel) - expected).abs().max() > 1e-3


@torch.no_grad()
def test_a_bilinear_stretch_is_detected(peer_and_ours, log_mel, expected, monkeypatch):
    stretch = htsat.F.interpolate

    def bilinear(x, size, mode, align_corners):
        assert mode == "bicubic"
        return stretch(x, size, mode="bilinear", align_corners=align_corners)

    monkeypatch.setattr(htsat.F, "interpolate", bilinear)
    found = embedding(peer_and_ours[1], log_mel)
    assert (found - expected).abs().max() > 1e-3


# ---------------------------------------------------------------- a clip by itself


@pytest.fixture(scope="module")
def tiny():
    return amplify(tiny_htsat()).eval()


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(2)
    loudness = torch.tensor([0.01, 1.0, 0.3, 1.0, 0.001])[:, None]
    wavs = loudness * torch.randn(5, CLIP_SAMPLES, generator=generator)
    return wavs, torch.tensor([0.4, 1.0, 0.7, 0.05, 1.0])


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


def alone(encoder: HTSAT, batch) -> torch.Tensor:
    """Each clip embedded by itself, cut to its length."""
    rows = []
    for wav, share in zip(*batch, strict=True):
        rows.append(encoder(wav[None, : round(float(share) * len(wav))]))
    return torch.cat(rows)


@torch.no_grad()
def test_embedding_does_not_depend_on_the_batch(tiny, batch):
    wavs, wav_lens = batch
    expected = alone(tiny, batch)
    assert torch.pdist(expected).min() > 1e-2, "the clips must differ"
    near(tiny(wavs, wav_lens), expected)
    order = torch.tensor([3, 0, 4, 2, 1])
    near(tiny(wavs[order], wav_lens[order]), expected[order])


@torch.no_grad()
def test_embedding_does_not_depend_on_the_padding(tiny, batch):
    wavs, wav_lens = batch
    beyond = torch.arange(CLIP_SAMPLES) >= (wav_lens * CLIP_SAMPLES).round()[:, None]
    garbage = torch.where(beyond, 1e3 * torch.randn_like(wavs), wavs)
    assert torch.equal(tiny(garbage, wav_lens), tiny(wavs, wav_lens))
    longer = torch.nn.functional.pad(wavs[1:2, :9000], (0, 1000), value=float("nan"))
    near(tiny(longer, torch.tensor([0.9])), tiny(wavs[1:2, :9000]))


@torch.no_grad()
def test_a_length_that_is_ignored_would_be_seen(tiny, batch):
    """The reverse of the test above: lengths matter."""
    wavs, wav_lens = batch
    short = wav_lens < 1
    moved = (tiny(wavs) - tiny(wavs, wav_lens)).abs().amax(1)
    assert (moved[short] > 1e-3).all() and (moved[~short] < 1e-6).all()


@torch.no_grad()
@pytest.mark.parametrize("training", [False, True])
def test_long_clips_equal_a_loop_over_windows(tiny, training):
    lengths = [50001, 20001, 40000, 20000, 700]
    wavs = 0.1 * torch.randn(5, lengths[0])
    wav_lens = torch.tensor(lengths) / lengths[0]
    tiny.train(training)
    for module in tiny.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
        if isinstance(module, SwinBlock):
            module.drop_path.eval()
    found = tiny(wavs, wav_lens)
    tiny.eval()
    for row, wav, length in zip(found, wavs, lengths, strict=True):
        parts = [
            tiny(wav[None, start : min(start + CLIP_SAMPLES, length)])
            for start in window_starts(length, CLIP_SAMPLES)
        ]
        near(row, torch.cat(parts).mean(0))


# ---------------------------------------------------------------- frames and classes


@torch.no_grad()
def test_mean_of_the_frames_is_the_embedding(tiny, batch):
    frames = tiny.frames(*batch)
    assert frames.shape == (5, 32, 32)
    torch.testing.assert_close(frames.mean(1), tiny(*batch), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_frames_are_in_the_order_of_time(tiny, monkeypatch):
    """With a local stand-in for the stages, a part shows its own 8 frames alone."""

    def average(image, longer):
        return torch.nn.functional.avg_pool2d(image, 8).permute(0, 2, 3, 1)

    monkeypatch.setattr(tiny, "encode_image", average)
    wav = torch.linspace(0.1, 1.0, CLIP_SAMPLES) * torch.randn(2, CLIP_SAMPLES)
    normalised = tiny.bn0(tiny.log_mel(wav).transpose(1, 3)).transpose(1, 3)
    stretched = torch.nn.functional.interpolate(
        normalised, (256, 16), mode="bicubic", align_corners=True
    )
    expected = stretched.view(2, 32, 8 * 16).mean(2)
    torch.testing.assert_close(tiny.frames(wav)[..., 0], expected)


def test_frames_of_a_long_clip_are_refused(tiny):
    with pytest.raises(ValueError, match="at most 20000 samples, got 20001"):
        tiny.frames(torch.zeros(1, CLIP_SAMPLES + 1))


def test_the_class_head_exists_on_request_only(tiny, batch):
    assert not any("tscam" in name for name in tiny.state_dict())
    with_head = tiny_htsat(num_classes=7).eval()
    logits = with_head.classify(*batch)
    assert logits.shape == (5, 7)
    # the head by hand: a convolution over all bands and three neighbouring parts
    lengths = (batch[1] * CLIP_SAMPLES).round().long()
    tokens = with_head.tokens_of_log_mel(*with_head.views(batch[0], lengths))
    padded = torch.nn.functional.pad(tokens, (0, 0, 1, 1))
    weight, bias = with_head.tscam_conv.weight, with_head.tscam_conv.bias
    parts = tokens.shape[2]
    expected = torch.stack(
        [
            torch.einsum("bhwd,cdhw->bc", padded[:, :, at : at + 3], weight) + bias
            for at in range(parts)
        ]
    ).mean(0)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_classes_of_a_long_clip_are_refused():
    with_head = tiny_htsat(num_classes=7).eval()
    with pytest.raises(ValueError, match="at most 20000 samples"):
        with_head.classify(torch.randn(1, CLIP_SAMPLES + 1))


# ---------------------------------------------------------------- training


def loss_of(encoder: HTSAT, wavs: torch.Tensor) -> torch.Tensor:
    return encoder(wavs).square().mean(0)[::2].sum()


def test_every_trained_parameter_gets_a_gradient(batch):
    """Otherwise DDP would have to search for unused parameters."""
    encoder = amplify(tiny_htsat(spec_augment=SpecAugment(4, 1, 2, 1))).train()
    loss_of(encoder, batch[0]).backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def gradients(encoder: HTSAT, wavs: torch.Tensor) -> list[torch.Tensor]:
    torch.manual_seed(11)  # drop-path and SpecAugment draw the same
    encoder.zero_grad()
    loss_of(encoder, wavs).backward()
    return [parameter.grad.clone() for parameter in encoder.parameters()]


def test_gradient_checkpointing_changes_no_gradient(batch, monkeypatch):
    calls = []
    run = SwinBlock.forward

    def counted(self, x):
        calls.append(self)
        return run(self, x)

    monkeypatch.setattr(SwinBlock, "forward", counted)
    encoder = tiny_htsat(drop_path=0.5, spec_augment=SpecAugment(20, 2, 4, 2))
    plain = gradients(amplify(encoder).train(), batch[0])
    assert len(calls) == 4
    encoder.gradient_checkpointing = True
    recomputed = gradients(encoder, batch[0])
    assert len(calls) == 12, "each block runs once more in the backward pass"
    for one, other in zip(plain, recomputed, strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-6)


def test_spec_augment_follows_the_mode(batch):
    encoder = amplify(tiny_htsat(drop_path=0.0, spec_augment=SpecAugment(60, 2, 6, 2)))
    encoder.bn0.momentum = 0.0
    with torch.no_grad():
        encoder.train()
        assert (encoder(batch[0]) - encoder(batch[0])).abs().max() > 1e-3
        encoder.eval()
        assert torch.equal(encoder(batch[0]), encoder(batch[0]))


@pytest.mark.parametrize("ask", ["nothing", "train", "eval"])
def test_a_frozen_encoder_stays_as_it_is(batch, ask):
    encoder = tiny_htsat(freeze=True, drop_path=0.5, spec_augment=SpecAugment(60))
    amplify(encoder)
    parent = torch.nn.ModuleList([encoder])
    if ask != "nothing":
        getattr(parent, ask)()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    first, second = encoder(*batch), encoder(*batch)
    assert torch.equal(first, second) and not first.requires_grad
    for key, value in encoder.state_dict().items():
        assert torch.equal(value, before[key]), key


def test_drop_path_grows_from_zero_to_the_last_block():
    encoder = tiny_htsat(depths=[2, 3], drop_path=0.2)
    rates = [b.drop_path.p for stage in encoder.layers for b in stage.blocks]
    assert rates == pytest.approx([0.0, 0.05, 0.1, 0.15, 0.2])


def test_bf16_autocast_runs_forward_and_backward(batch):
    encoder = amplify(tiny_htsat()).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(encoder, batch[0])
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())


@torch.no_grad()
@pytest.mark.parametrize("samples", [CLIP_SAMPLES, 2 * CLIP_SAMPLES + 5])
def test_compiles_without_a_graph_break(tiny, samples):
    torch._dynamo.reset()
    wavs, wav_lens = torch.randn(3, samples), torch.tensor([1.0, 0.3, 0.6])
    compiled = torch.compile(tiny, fullgraph=True, backend="eager")
    near(compiled(wavs, wav_lens), tiny(wavs, wav_lens))


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("embed_dim", "depths", "parameters"),
    [(96, (2, 2, 6, 2), 31_325_143), (128, (2, 2, 12, 2), 72_424_535)],
)
def test_sizes_are_those_of_the_public_checkpoints(embed_dim, depths, parameters):
    encoder = HTSAT(LogMel(), embed_dim=embed_dim, depths=depths, num_classes=527)
    # theirs count the DFT and the mel filters as parameters, and have an unused head
    frozen = 2 * 513 * 1024 + 513 * 64
    head = 527 * 527 + 527
    trained = sum(p.numel() for p in encoder.parameters())
    assert trained + frozen + head == parameters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip_samples": 30000}, "at most 256 frames of 16 mel bands.*has 376"),
        ({"spec_size": 60}, "multiple of n_mels"),
        ({"num_heads": [2]}, "same number of stages"),
        ({"window_size": 3}, r"maps of \[16, 8\] patches"),
        ({"depths": [1] * 4, "num_heads": [1] * 4}, "fewer stages"),
    ],
)
def test_an_impossible_geometry_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        tiny_htsat(**options)
