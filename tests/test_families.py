"""MS-CLAP, clapcap, WavCaps, PANNs, HTSAT's own: small or made of our own towers."""

from __future__ import annotations

import math

import pytest
import torch
from small_checkpoints import (
    CAPTIONS,
    SMALL_AUDIO,
    amplified,
    laion_state,
    stft_kernels,
    write_tokenizer,
)
from torch import nn

from clap_sb.checkpoints.architecture import Part
from clap_sb.checkpoints.audio_weights import load_audio_weights
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.front_end import LAION, MS_2023, PANNS, filters_of
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.public_file import describe_weights, load_weights
from clap_sb.checkpoints.run_folder import PARTS
from clap_sb.checkpoints.speechbrain_folder import hyperparams, write_speechbrain_folder
from clap_sb.checkpoints.weights_file import Weights
from clap_sb.config import Config
from clap_sb.encoders.htsat import HTSAT
from clap_sb.features import LogMel
from clap_sb.inference import CLAP

JOINT = 12
FRONT_END = "logmel_extractor.melW"


def htsat_state(front_end=PANNS, classes: int = 0) -> dict[str, torch.Tensor]:
    """An HTSAT under the original names, with what else its files hold."""
    shape = {"depths": SMALL_AUDIO["depths"], "num_heads": SMALL_AUDIO["num_heads"]}
    tower = HTSAT(LogMel(), embed_dim=SMALL_AUDIO["dim"], num_classes=classes, **shape)
    shapes = {
        key: value.shape
        for key, value in tower.state_dict().items()
        if value.is_floating_point() and "log_mel" not in key
    }
    real, imaginary = stft_kernels()
    return amplified(shapes) | {
        "bn0.num_batches_tracked": torch.tensor(7),
        "head.weight": torch.ones(5, 5),
        "head.bias": torch.ones(5),
        "layers.0.blocks.0.attn.relative_position_index": torch.zeros(64, 64).long(),
        "spectrogram_extractor.stft.conv_real.weight": real,
        "spectrogram_extractor.stft.conv_imag.weight": imaginary,
        FRONT_END: filters_of(front_end),
    }


def bert_state(layers: int = 1, width: int = 64) -> dict[str, torch.Tensor]:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=60,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=1,
        intermediate_size=32,
        max_position_embeddings=120,
    )
    shapes = {k: v.shape for k, v in BertModel(config).state_dict().items()}
    return amplified({k: v for k, v in shapes.items() if "_ids" not in k})


def gpt2_state(width: int = 64) -> dict[str, torch.Tensor]:
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(
        vocab_size=60, n_embd=width, n_layer=1, n_head=1, n_inner=32, n_positions=80
    )
    shapes = {key: value.shape for key, value in GPT2Model(config).state_dict().items()}
    buffers = {"h.0.attn.bias": torch.ones(1, 1, 80, 80)}  # of old transformers
    return amplified(shapes) | buffers


def prefixed(prefix: str, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state.items()}


def ms_head(width: int) -> dict[str, torch.Tensor]:
    return amplified(
        {
            "linear1.weight": (JOINT, width),
            "linear2.weight": (JOINT, JOINT),
            "layer_norm.weight": (JOINT,),
            "layer_norm.bias": (JOINT,),
        }
    )


def mlp_head(width: int) -> dict[str, torch.Tensor]:
    return amplified(
        {
            "0.weight": (JOINT, width),
            "0.bias": (JOINT,),
            "2.weight": (JOINT, JOINT),
            "2.bias": (JOINT,),
        }
    )


def msclap_2023() -> dict[str, torch.Tensor]:
    return {
        "logit_scale": torch.tensor(4.0),
        **prefixed("audio_encoder.base.htsat.", htsat_state(MS_2023, classes=5)),
        **prefixed("audio_encoder.projection.", ms_head(64)),
        **prefixed("caption_encoder.base.", gpt2_state()),
        **prefixed("caption_encoder.projection.", ms_head(64)),
    }


def wavcaps() -> dict[str, torch.Tensor]:
    return {
        "temp": torch.tensor(0.05),
        **prefixed("audio_encoder.audio_enc.", htsat_state()),
        **prefixed("text_encoder.text_encoder.", bert_state()),
        **prefixed("audio_proj.", mlp_head(64)),
        **prefixed("text_proj.", mlp_head(64)),
    }


def opened(tmp_path, content, tokenizer=None) -> CLAP:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    return CLAP.from_checkpoint(path, tokenizer=tokenizer)


def test_msclap_2023_hears_44_khz_with_a_filterbank_for_32(tmp_path):
    clap = opened(tmp_path, {"model": msclap_2023()}, write_tokenizer(tmp_path / "t"))
    tower = clap.model.audio_encoder
    assert (tower.sample_rate, tower.clip_samples) == (44100, 308700)
    assert tower.padding == "repeat"
    assert torch.equal(tower.log_mel.mel_filters, filters_of(MS_2023))
    assert math.isclose(clap.logit_scale, math.exp(4), rel_tol=1e-5)
    assert clap.encode_text(CAPTIONS).shape == (3, JOINT)
    tone = torch.sin(torch.arange(44100) / 7)
    # filled up to 7 s by repetition, the last one cut
    repeated = tone.repeat(7)
    found = clap.encode_audio([tone, repeated], 44100)
    torch.testing.assert_close(found[0], found[1])


def test_clapcap_is_the_audio_side_of_msclap_2023(tmp_path):
    whole = msclap_2023()
    captioner = {
        key.replace("audio_encoder.", "clap."): value
        for key, value in whole.items()
        if key.startswith("audio_encoder.")
    }
    captioner["gpt.transformer.wte.weight"] = torch.ones(9, 4)
    captioner["clap_project.linear.weight"] = torch.ones(9, 4)
    clap = opened(tmp_path, {"model": captioner})
    expected = opened(tmp_path, {"model": whole})
    wav = torch.randn(9000, generator=torch.Generator().manual_seed(0))
    audio = clap.encode_audio(wav, 44100)
    assert torch.equal(audio, expected.encode_audio(wav, 44100))
    with pytest.raises(ValueError, match="audio tower alone"):
        clap.encode_text("a dog")


def test_wavcaps_divides_by_its_temperature_and_drops_punctuation(tmp_path):
    clap = opened(tmp_path, {"model": wavcaps()}, write_tokenizer(tmp_path / "t"))
    assert math.isclose(clap.logit_scale, 20.0, rel_tol=1e-5)
    assert clap.sample_rate == 32000 and clap.model.audio_encoder.padding == "pad"
    plain = clap.encode_text(["a dog barks twice"])
    torch.testing.assert_close(clap.encode_text(["A dog, barks twice!"]), plain)


def test_wavcaps_fills_short_clips_with_silence(tmp_path):
    clap = opened(tmp_path, {"model": wavcaps()})
    wav = torch.randn(32000, generator=torch.Generator().manual_seed(1))
    silent = torch.cat([wav, torch.zeros(9 * 32000)])
    found = clap.encode_audio([wav, silent], 32000)
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize(("front_end", "rate"), [(PANNS, 32000), (LAION, 48000)])
def test_the_filterbank_tells_the_rate_of_an_audioset_htsat(tmp_path, front_end, rate):
    state = prefixed("sed_model.", htsat_state(front_end, classes=5))
    clap = opened(tmp_path, {"state_dict": state, "loops": {}})
    tower = clap.model.audio_encoder
    assert clap.sample_rate == rate
    assert tower.log_mel.hop_length == front_end["hop_length"]
    logits = tower.classify(torch.randn(1, rate))
    assert logits.shape == (1, 5)
    assert clap.encode_audio(torch.randn(rate), rate).shape == (1, 64)


def test_panns_cnn14_is_an_audio_tower(tmp_path):
    """At full size: this tower has no other."""
    front_end = {"clip_samples": 320000, "num_classes": 527}
    tower = Part(
        "clap_sb.encoders.cnn14.CNN14",
        {"log_mel": Part("clap_sb.features.LogMel", PANNS), **front_end},
    ).build()
    state = {
        key.replace("log_mel.mel_filters", FRONT_END): value
        for key, value in tower.state_dict().items()
    }
    weights = Weights(state, tmp_path / "Cnn14.pth")
    architecture = describe_weights(weights).architecture
    assert architecture.sample_rate == 32000
    assert architecture.verified
    again = load_weights(weights).audio_encoder.state_dict()
    assert all(
        torch.equal(again[key], value) for key, value in tower.state_dict().items()
    )


@pytest.mark.parametrize("width", [32, 128, 512])
def test_panns_with_a_narrow_embedding(tmp_path, width):
    """``Cnn14_emb*``: linear layer, ReLU and head, from the map of the sound."""
    numbers = {"channels": [4, 4, 8, 8, 8, 16], "clip_samples": 320000}
    log_mel = Part("clap_sb.features.LogMel", PANNS)
    wide = Part("clap_sb.encoders.cnn14.CNN14", {"log_mel": log_mel, **numbers})
    wide = wide.build().eval()
    shapes = {key: tuple(v.shape) for key, v in wide.state_dict().items()}
    state = amplified({k: v for k, v in shapes.items() if k.startswith("conv_block")})
    state |= amplified({"bn0.weight": (64,), "bn0.bias": (64,)})
    state |= amplified({"bn0.running_mean": (64,), "bn0.running_var": (64,)})
    counts = {k: v for k, v in wide.state_dict().items() if k.endswith("tracked")}
    heads = {"fc1.weight": (width, 16), "fc1.bias": (width,)}
    heads |= {"fc_audioset.weight": (5, width), "fc_audioset.bias": (5,)}
    state |= counts | amplified(heads) | {FRONT_END: filters_of(PANNS)}
    torch.save({"model": state}, tmp_path / f"Cnn14_emb{width}.pth")
    clap = CLAP.from_checkpoint(tmp_path / f"Cnn14_emb{width}.pth")
    wav = 0.1 * torch.randn(1, 320000, generator=torch.Generator().manual_seed(2))
    shared = {k: v for k, v in state.items() if not k.startswith("fc")}
    wide.load_state_dict(shared, strict=False)
    with torch.no_grad():
        x = wide._map(wide.normalise(wide.log_mel(wav)), None).mean(3)
        x = x.amax(2) + x.mean(2)
        x = torch.relu(x @ state["fc1.weight"].T + state["fc1.bias"])
        scores = x @ state["fc_audioset.weight"].T + state["fc_audioset.bias"]
        found = clap.model.audio_encoder.classify(wav)
    expected = nn.functional.normalize(x, dim=1)
    torch.testing.assert_close(clap.encode_audio(wav, 32000), expected)
    torch.testing.assert_close(found, scores)
    assert clap.description == f"PANNs: CNN14-{width}, audio tower alone"


@pytest.mark.parametrize("prefix", ["model.", "_orig_mod.", "clap.", "net.module."])
def test_a_wrapped_model_is_the_model(tmp_path, prefix):
    tokenizer = write_tokenizer(tmp_path / "tokenizer")
    plain = opened(tmp_path, laion_state(), tokenizer)
    wrapped = opened(tmp_path, prefixed(prefix, laion_state()), tokenizer)
    text = plain.encode_text(CAPTIONS)
    assert torch.equal(wrapped.encode_text(CAPTIONS), text)


def test_an_audio_tower_alone_can_be_exported(tmp_path):
    state = prefixed("sed_model.", htsat_state(classes=5))
    torch.save({"state_dict": state}, tmp_path / "htsat.ckpt")
    loaded = open_checkpoint(tmp_path / "htsat.ckpt")
    write_speechbrain_folder(loaded, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert "audio_encoder.ckpt" in names and "text_encoder.ckpt" not in names
    wav = torch.randn(32000, generator=torch.Generator().manual_seed(2))
    first = CLAP.from_checkpoint(tmp_path / "htsat.ckpt").encode_audio(wav, 32000)
    again = CLAP.from_checkpoint(tmp_path / "out").encode_audio(wav, 32000)
    assert torch.equal(again, first)
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "no file of it was at hand" in card.replace("\n", " ")


def new_tower(**options) -> HTSAT:
    shape = {"depths": SMALL_AUDIO["depths"], "num_heads": SMALL_AUDIO["num_heads"]}
    return HTSAT(LogMel(), embed_dim=SMALL_AUDIO["dim"], **shape, **options)


def test_training_starts_from_an_audioset_tower_but_keeps_its_front_end(tmp_path):
    state = htsat_state(PANNS, classes=5)
    torch.save({"state_dict": prefixed("sed_model.", state)}, tmp_path / "a.ckpt")
    tower = new_tower()
    said = load_audio_weights(tower, tmp_path / "a.ckpt")
    assert "HTSAT AudioSet" in said
    assert torch.equal(tower.norm.bias, state["norm.bias"])
    assert torch.equal(tower.log_mel.mel_filters, filters_of(LAION))


def test_training_starts_from_the_audio_tower_of_a_clap(tmp_path):
    state = laion_state()
    torch.save(state, tmp_path / "clap.pt")
    tower = new_tower()
    load_audio_weights(tower, tmp_path / "clap.pt")
    assert torch.equal(tower.norm.bias, state["audio_branch.norm.bias"])


def test_a_fused_tower_starts_from_one_without_fusion(tmp_path):
    state = htsat_state(LAION, classes=5)
    torch.save({"state_dict": prefixed("sed_model.", state)}, tmp_path / "a.ckpt")
    tower = new_tower(fusion="aff_2d")
    before = tower.patch_embed.mel_conv2d.weight.clone()
    load_audio_weights(tower, tmp_path / "a.ckpt")
    assert torch.equal(tower.norm.bias, state["norm.bias"])
    assert torch.equal(tower.patch_embed.mel_conv2d.weight, before)


def test_a_tower_of_another_size_is_refused_by_name(tmp_path):
    state = prefixed("sed_model.", htsat_state(classes=5))
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    other = HTSAT(LogMel(), embed_dim=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8])
    with pytest.raises(CheckpointError, match=r"HTSAT-8.*norm.weight is \[8\] in the"):
        load_audio_weights(other, tmp_path / "a.ckpt")


def test_a_training_run_is_a_checkpoint_too(tmp_path):
    """Its folder, and one checkpoint of it."""
    tokenizer = write_tokenizer(tmp_path / "tokenizer")
    path = tmp_path / "model.pt"
    torch.save(laion_state(), path)
    loaded = open_checkpoint(path, tokenizer)
    run, kept = tmp_path / "run", tmp_path / "run" / "save" / "CKPT+1"
    write_speechbrain_folder(loaded, tmp_path / "parts")
    kept.mkdir(parents=True)
    (tmp_path / "parts" / "text").rename(run / "text")
    for name in PARTS:
        (tmp_path / "parts" / f"{name}.ckpt").rename(kept / f"{name}.ckpt")
    (kept / "CKPT.yaml").write_text("{epoch: 1, map: 0.5, unixtime: 1.0}")
    about = {"system": "small", "trained_on": "noise", "text_tower_origin": "none"}
    lines = [f"{key}: {value}" for key, value in about.items()]
    lines = [*lines, "best_metric: map", hyperparams(loaded.architecture, False)]
    described = Config("\n".join(lines)).extract([*PARTS, *about, "best_metric"])
    (run / "model.yaml").write_text(described)
    expected = CLAP.from_checkpoint(path, tokenizer=tokenizer).encode_text(CAPTIONS)
    for source in (run, kept):
        clap = CLAP.from_checkpoint(source)
        assert torch.equal(clap.encode_text(CAPTIONS), expected)
        assert clap.description == "small, trained on noise"


def test_a_projection_of_another_kind_is_named(tmp_path):
    state = wavcaps()
    for key in [key for key in state if key.startswith("audio_proj.")]:
        del state[key]
    state["audio_proj.weight"] = nn.Linear(2, 2).weight.detach()
    torch.save({"model": state}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="no projection head.*weight"):
        open_checkpoint(tmp_path / "model.pt")
