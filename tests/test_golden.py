"""All families against figures of the peers' own classes, on synthetic weights.

15 models: LAION's HTSAT-tiny and -base and CNN14, with each kind of feature fusion;
MS-CLAP 2022 and 2023; their text towers and projections.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from golden import difference, figures, fill_by_name, signal

from clap_sb.encoders.audio_tower import AudioTower
from clap_sb.encoders.clip_text import ClipTextTransformer
from clap_sb.encoders.cnn14 import CNN14
from clap_sb.encoders.htsat import HTSAT
from clap_sb.encoders.projection import MLPProjection, MSProjection
from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
from clap_sb.encoders.text import TransformersText
from clap_sb.features import LogMel

FIGURES = figures()
EMBEDDING, NORMALISED = 1e-4, 1e-5


def laion_tower(name: str) -> AudioTower:
    kind, fusion = name.split()[0], name.split()[1]
    fusion = None if "=" in fusion else fusion
    mel = LogMel(mel_scale="htk", mel_norm=None) if fusion else LogMel()
    if kind == "PANN-14":
        return CNN14(mel, fusion=fusion, num_classes=527)
    size = {"embed_dim": 128, "depths": [2, 2, 12, 2]} if kind == "HTSAT-base" else {}
    return HTSAT(mel, fusion=fusion, num_classes=527, **size)


def views(tower: AudioTower, wav: torch.Tensor):
    """What the tower hears; chunks start where the peer's random ones did."""
    lengths = torch.tensor([wav.shape[1]])
    if not tower.takes_whole_clips:
        return tower.views(wav, lengths)
    np.random.seed(7)
    last = max(tower.log_mel.num_frames(wav.shape[1]) - 1001, 0)
    parts = np.array_split(np.arange(last + 1), 3)
    starts = [[int(np.random.choice(part)) for part in parts if len(part)]]
    return tower.fusion_views(tower.log_mel, wav, lengths, starts)


def classes(tower: AudioTower, heard) -> torch.Tensor:
    if isinstance(tower, CNN14):
        return torch.sigmoid(tower.fc_audioset(tower.embed_log_mel(*heard)))
    tokens = tower.tokens_of_log_mel(*heard).permute(0, 3, 1, 2)
    return torch.sigmoid(tower.tscam_conv(tokens).mean((2, 3)))


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name in FIGURES if "msclap" not in name])
def test_laion_audio(name):
    figure = FIGURES[name]
    tower = fill_by_name(laion_tower(name), {"": "audio_branch."})
    projection = MLPProjection(tower.embedding_dim, 512)
    fill_by_name(projection, {"": "audio_projection."})
    num_samples = int(name.split("L=")[1].split()[0])
    heard = views(tower, signal(num_samples, 48000, int16=True))
    embedding = tower.embed_log_mel(*heard)
    joint = F.normalize(projection(embedding), dim=1)
    assert difference(embedding, figure["embedding"]) <= EMBEDDING
    assert difference(joint, figure["projected_l2"]) <= NORMALISED
    assert difference(classes(tower, heard), figure["clipwise"]) <= EMBEDDING


def msclap_tower(year: str) -> tuple[AudioTower, str]:
    options = {"padding": "repeat", "num_classes": 527}
    if year == "2022":
        mel = LogMel(44100, hop_length=320)
        return CNN14(mel, 220500, **options), "audio_encoder.base."
    mel = LogMel(32000, hop_length=320)
    tower = HTSAT(mel, 308700, sample_rate=44100, **options)
    return tower, "audio_encoder.base.htsat."


@torch.no_grad()
@pytest.mark.parametrize("year", ["2022", "2023"])
def test_msclap_audio(year):
    figure = FIGURES[f"msclap{year}"]
    tower, prefix = msclap_tower(year)
    fill_by_name(tower, {"": prefix})
    projection = MSProjection(tower.embedding_dim, 1024)
    fill_by_name(projection, {"": "audio_encoder.projection."})
    wav = signal(tower.clip_samples, 44100, int16=False)
    embedding = tower(wav)
    assert difference(embedding, figure["embedding"]) <= EMBEDDING
    assert difference(projection(embedding), figure["audio_proj"]) <= EMBEDDING
    classes = torch.sigmoid(tower.classify(wav))
    assert difference(classes, figure["clipwise"]) <= EMBEDDING


# ---------------------------------------------------------------- text

ROBERTA = {
    "model_type": "roberta",
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
BART = {"model_type": "bart", "d_model": 768, "encoder_layers": 6, "decoder_layers": 1}
BART |= {"encoder_attention_heads": 12, "encoder_ffn_dim": 3072, "vocab_size": 50265}
# "this is a sound of a dog"
IDS = {
    "roberta": [0, 713, 16, 10, 2182, 9, 2335, 2],
    "bert": [101, 2023, 2003, 1037, 2614, 1997, 3899, 102],
    "clip": [49406, 589, 533, 320, 2557, 49407],
    "gpt2": [5661, 318, 262, 2128, 286, 3290, 220, 50256],
}


@pytest.fixture
def source(tmp_path):
    train_sentencepiece(["a dog barks", "rain on a roof"], tmp_path, 50)
    return tmp_path


def transformers_text(source, config: dict, prefixes: dict, **options):
    (source / "config.json").write_text(json.dumps(config))
    tower = TransformersText(source, pretrained=False, **options)
    return fill_by_name(tower, prefixes)


def tokens(kind: str, pads: int = 0, pad_id: int = 0) -> dict[str, torch.Tensor]:
    ids = IDS[kind]
    mask = [1] * len(ids) + [0] * pads
    return {
        "input_ids": torch.tensor([ids + [pad_id] * pads]),
        "attention_mask": torch.tensor([mask]),
    }


def check_laion_text(tower, tokens: dict, name: str) -> None:
    projection = MLPProjection(tower.embedding_dim, 512)
    fill_by_name(projection, {"": "text_projection."})
    joint = F.normalize(projection(tower(tokens)), dim=1)
    assert difference(joint, FIGURES[name]["text_l2"]) <= NORMALISED


@torch.no_grad()
def test_laion_roberta(source):
    tower = transformers_text(source, ROBERTA, {"model.": "text_branch."})
    check_laion_text(tower, tokens("roberta"), "HTSAT-tiny L=200000 text=roberta")


@torch.no_grad()
def test_laion_bert(source):
    config = {"model_type": "bert"}
    tower = transformers_text(source, config, {"model.": "text_branch."})
    check_laion_text(tower, tokens("bert"), "PANN-14 L=200000 text=bert")


@torch.no_grad()
def test_laion_bart(source):
    """Encoder and decoder share one table, which was filled last as the decoder's."""
    prefixes = {
        "model.": "text_branch.encoder.",
        "model.embed_tokens.": "text_branch.decoder.embed_tokens.",
    }
    tower = transformers_text(source, BART, prefixes, pooling="mean_padded")
    padded = tokens("roberta", pads=69, pad_id=1)
    check_laion_text(tower, padded, "PANN-14 aff_1d L=900000 text=bart")


@torch.no_grad()
def test_laion_clip_transformer(source):
    tower = ClipTextTransformer(source, vocab_size=49408)
    fill_by_name(tower, {"": "", "transformer.": "text_branch."})
    check_laion_text(tower, tokens("clip"), "PANN-14 aff_2d L=900000 text=transformer")


@torch.no_grad()
@pytest.mark.parametrize("year", ["2022", "2023"])
def test_msclap_text(source, year):
    kind, pooling = {"2022": ("bert", "cls"), "2023": ("gpt2", "last")}[year]
    config, prefixes = {"model_type": kind}, {"model.": "caption_encoder.base."}
    tower = transformers_text(source, config, prefixes, pooling=pooling)
    projection = MSProjection(768, 1024)
    fill_by_name(projection, {"": "caption_encoder.projection."})
    figure = FIGURES[f"msclap{year}"]["text_proj"]
    for pads in (0, 77 - 8):
        joint = projection(tower(tokens(kind, pads)))
        assert difference(joint, figure) <= EMBEDDING
