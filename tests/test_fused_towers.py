"""Towers with feature fusion: one embedding a file, a gradient for each parameter."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.cnn14 import CNN14
from clap_sb.encoders.fusion import FUSIONS
from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.features import LogMel
from clap_sb.model import CLAP

CLIP = 8000
LONG = 3 * CLIP + 1234


def log_mel(n_mels: int) -> LogMel:
    return LogMel(8000, 256, 80, n_mels, f_max=4000.0, mel_scale="htk", mel_norm=None)


def tiny_htsat(fusion: str) -> HTSAT:
    return HTSAT(
        log_mel(16),
        CLIP,
        fusion=fusion,
        spec_size=64,
        window_size=4,
        embed_dim=16,
        depths=[2, 2],
        num_heads=[2, 4],
        spec_augment=SpecAugment(8, 1, 2, 1),
    )


def tiny_cnn14(fusion: str) -> CNN14:
    return CNN14(
        log_mel(64),
        CLIP,
        fusion=fusion,
        channels=[8, 8, 8, 8, 8, 16],
        spec_augment=SpecAugment(8, 1, 4, 1),
    )


TOWERS = [
    pytest.param(build, fusion, id=f"{build.__name__}-{fusion}")
    for build in (tiny_htsat, tiny_cnn14)
    for fusion in FUSIONS
]


@torch.no_grad()
def settled(tower: AudioTower) -> AudioTower:
    """With weights and statistics under which fusion matters."""
    generator = torch.Generator().manual_seed(4)
    for name, value in tower.state_dict().items():
        drawn = torch.randn(value.shape, generator=generator)
        if name == "bn0.running_mean":
            value.copy_(drawn - 20.0)
        elif name == "bn0.running_var":
            value.fill_(200.0)
        elif "mel_conv" in name and value.dim() > 1:
            value.copy_(drawn / value[0].numel() ** 0.5)
    return tower.eval()


def changing_sound(batch: int, length: int) -> torch.Tensor:
    """Noise whose loudness differs from part to part."""
    loudness = torch.logspace(-2, 0, length).expand(batch, -1)
    return loudness * torch.randn(batch, length)


@torch.no_grad()
@pytest.mark.parametrize(("build", "fusion"), TOWERS)
def test_a_file_has_one_embedding(build, fusion):
    tower = settled(build(fusion))
    assert tower.takes_whole_clips
    lengths = [LONG, CLIP, 3000, 2 * CLIP + 500, CLIP + 80]
    wavs = changing_sound(5, LONG)
    wav_lens = torch.tensor(lengths, dtype=torch.float64) / LONG
    together = tower(wavs, wav_lens)
    assert torch.equal(together, tower(wavs, wav_lens)), "the same on each call"
    for row, wav, length in zip(together, wavs, lengths, strict=True):
        alone = tower(wav[None, :length])[0]
        torch.testing.assert_close(row, alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("build", "fusion"), TOWERS)
def test_each_part_of_a_long_clip_is_heard(build, fusion):
    tower = settled(build(fusion))
    wav = changing_sound(1, LONG)
    views, longer = tower.views(wav, torch.tensor([LONG]))
    base = tower.embed_log_mel(views, longer)
    for channel in range(4):
        changed = views.clone()
        changed[:, channel] += 20.0
        assert (tower.embed_log_mel(changed, longer) - base).abs().max() > 1e-5


@torch.no_grad()
@pytest.mark.parametrize(("build", "fusion"), TOWERS)
def test_a_short_clip_is_not_fused(build, fusion):
    if fusion == "channel_map":
        return  # its four images are equal, but all of them are looked at
    tower = settled(build(fusion))
    views, longer = tower.views(changing_sound(2, 5000), torch.tensor([5000, 3000]))
    base = tower.embed_log_mel(views, longer)
    views[:, 1:] = float("nan")
    assert torch.equal(tower.embed_log_mel(views, longer), base)


@pytest.mark.parametrize(("build", "fusion"), TOWERS)
@pytest.mark.parametrize("length", [5000, LONG])
@pytest.mark.parametrize("batch", [1, 3])
def test_every_trained_parameter_gets_a_gradient(build, fusion, length, batch):
    """With or without a long clip, of which there may be one: DDP needs no search."""
    tower = build(fusion).train()
    shares = torch.ones(batch, dtype=torch.float64)
    shares[1:] = 0.1
    tower(changing_sound(batch, length), shares).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    fused = [p.grad for n, p in tower.named_parameters() if "mel_conv" in n]
    if fused and length == LONG:
        assert sum(float(grad.abs().sum()) for grad in fused) > 0


@torch.no_grad()
@pytest.mark.parametrize("build", [tiny_htsat, tiny_cnn14])
def test_training_draws_chunks_by_the_seed(build):
    tower = settled(build("aff_2d"))
    tower.fusion_views.train()
    wav = changing_sound(1, LONG)
    rows = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        rows.append(tower(wav))
    assert torch.equal(rows[0], rows[1]) and not torch.equal(rows[0], rows[2])


@torch.no_grad()
def test_a_model_gives_its_tower_whole_clips():
    tower = settled(tiny_htsat("aff_2d"))
    clap = CLAP(tower, nn.Identity(), nn.Linear(32, 8), nn.Identity(), nn.Identity())
    wavs, wav_lens = changing_sound(2, LONG), torch.tensor([1.0, 0.25])
    expected = F.normalize(clap.audio_projection(tower(wavs, wav_lens)), dim=-1)
    assert torch.equal(clap.encode_audio(wavs, wav_lens), expected)


@pytest.mark.parametrize("build", [tiny_htsat, tiny_cnn14])
def test_an_unknown_fusion_is_named(build):
    with pytest.raises(ValueError, match="one of.*'aff_2d'.*not 'aff'"):
        build("aff")
