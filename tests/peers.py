"""The peers' whole models, full-size and small, and what they give for test inputs.

Small ones have all that a full-size one has, in fewer blocks and channels. The weights
that text towers start from are on the hub and of no use here: their ``from_pretrained``
is replaced by the same class of transformers, built from its configuration.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio
from peer_inputs import CLIP, PEERS, SEED, Peer, clips_of, tokens_of
from upstream import functions, module

FRONT_END = {"mel_bins": 64, "window_size": 1024, "fmin": 50, "fmax": 14000}
LAION = {**FRONT_END, "sample_rate": 48000, "hop_size": 480, "clip_samples": CLIP}
WIDTHS = {"tiny": 768, "base": 1024, "Cnn14": 2048}
SMALL_CHANNELS = (64, 8, 8, 8, 8, 24)  # the first is fixed in the fusion modules
SMALL_VOCABULARY = 120

# what roberta-base, bert-base-uncased, facebook/bart-base and gpt2 are
TEXTS = {
    "roberta": {
        "vocab_size": 50265,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
    },
    "bert": {"vocab_size": 30522},
    "bart": {
        "vocab_size": 50265,
        "d_model": 768,
        "encoder_layers": 6,
        "decoder_layers": 6,
        "encoder_attention_heads": 12,
        "decoder_attention_heads": 12,
        "encoder_ffn_dim": 3072,
        "decoder_ffn_dim": 3072,
    },
    "gpt2": {"vocab_size": 50257, "bos_token_id": None, "eos_token_id": None},
}
# the width of 768 is written into the peers' projections
SMALL_TEXTS = {
    "roberta": {"num_hidden_layers": 1, "intermediate_size": 48},
    "bert": {"num_hidden_layers": 1, "intermediate_size": 48},
    "bart": {
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": 90,
    },
    "gpt2": {"n_layer": 1, "n_inner": 48, "n_positions": 90},
}


def build(name: str, small: bool = False) -> torch.nn.Module:
    """A peer's whole model, by the name of its list of keys."""
    peer = PEERS[name]
    make = _build_microsoft if peer.microsoft else _build_laion
    return make(peer, small).eval()


def _build_laion(peer: Peer, small: bool) -> torch.nn.Module:
    theirs = module("laion_clap.clap_module.model")
    audio = {**LAION, "model_name": peer.audio, "class_num": 5 if small else 527}
    audio["model_type"] = "PANN" if peer.audio == "Cnn14" else "HTSAT"
    width = 128 if small else 512
    text = {
        "model_type": peer.text,
        "context_length": 77,
        "vocab_size": SMALL_VOCABULARY if small else 49408,
        "width": width,
        "heads": width // 64,
        "layers": 1 if small else 12,
    }
    shrunk = _small_laion_htsat(theirs) if small else nullcontext()
    with _text_from_config(theirs, peer.text, small), shrunk:
        clap = theirs.CLAP(
            _width(peer, small),
            audio,
            text,
            enable_fusion=peer.fusion is not None,
            fusion_type=peer.fusion or "None",
            joint_embed_shape=24 if small else 512,
        )
    if small and peer.audio == "Cnn14":
        _shrink_cnn14(clap.audio_branch, "laion_clap.clap_module.pann_model")
    return clap


def _width(peer: Peer, small: bool) -> int:
    if not small:
        return WIDTHS[peer.audio]
    return {"tiny": 96, "base": 128, "Cnn14": SMALL_CHANNELS[-1]}[peer.audio]


def _small_laion_htsat(theirs):
    htsat = module("laion_clap.clap_module.htsat").HTSAT_Swin_Transformer

    def create(config, enable_fusion, fusion_type):
        return htsat(
            num_classes=config.class_num,
            embed_dim=_width(Peer(config.model_name, None, ""), True) // 8,
            depths=[2, 1, 2 if config.model_name == "base" else 1, 1],
            num_heads=[1, 2, 2, 4],
            config=config,
            enable_fusion=enable_fusion,
            fusion_type=fusion_type,
        )

    return patch.object(theirs, "create_htsat_model", create)


def _build_microsoft(peer: Peer, small: bool) -> torch.nn.Module:
    theirs = module("msclap.models.clap")
    name = peer.audio.removeprefix("ms-")
    width = {"Cnn14": 2048, "HTSAT": 768}[name]
    if small:
        width = {"Cnn14": SMALL_CHANNELS[-1], "HTSAT": 96}[name]
    with _text_from_config(theirs, peer.text, small):
        clap = theirs.CLAP(
            audioenc_name=name,
            sample_rate=44100,
            hop_size=320,
            classes_num=5 if small else 527,
            out_emb=width,
            text_model=peer.text,
            transformer_embed_dim=768,
            d_proj=24 if small else 1024,
            **FRONT_END,
        )
    if small and name == "Cnn14":
        _shrink_cnn14(clap.audio_encoder.base, "msclap.models.audio")
    elif small:
        clap.audio_encoder.base.htsat = published_htsat(
            num_classes=5, embed_dim=12, depths=[2, 1, 1, 1], num_heads=[1, 2, 2, 4]
        )
    return clap


def published_htsat(**numbers) -> torch.nn.Module:
    """HTSAT's code as its authors published it, which MS-CLAP's wheel carries."""
    htsat = module("msclap.models.htsat").HTSAT_Swin_Transformer
    return htsat(config=module("msclap.models.config"), **numbers).eval()


def _shrink_cnn14(tower: torch.nn.Module, module_name: str) -> None:
    """Fewer channels in all blocks but the first: their classes, which fix them."""
    block = module(module_name).ConvBlock
    for index, outputs in enumerate(SMALL_CHANNELS[1:], start=2):
        setattr(tower, f"conv_block{index}", block(SMALL_CHANNELS[index - 2], outputs))
    width, classes = SMALL_CHANNELS[-1], tower.fc_audioset.out_features
    tower.fc1 = torch.nn.Linear(width, width)
    tower.fc_audioset = torch.nn.Linear(width, classes)


@contextmanager
def _text_from_config(theirs, kind: str, small: bool):
    """Lets a peer's ``from_pretrained`` build its class with random weights."""
    if kind == "transformer":
        yield
        return
    from transformers import AutoConfig, AutoModel

    numbers = dict(TEXTS[kind])
    if small:
        numbers |= {**SMALL_TEXTS[kind], "vocab_size": SMALL_VOCABULARY}
    config = AutoConfig.for_model(kind, **numbers)
    stand_in = SimpleNamespace(
        from_pretrained=lambda name: AutoModel.from_config(config)
    )
    classes = {"roberta": "RobertaModel", "bert": "BertModel", "bart": "BartModel"}
    name = "AutoModel" if hasattr(theirs, "AutoModel") else classes[kind]
    with patch.object(theirs, name, stand_in):
        yield


def panns(small: bool = False) -> torch.nn.Module:
    """PANNs' Cnn14 at 32 kHz."""
    theirs = module("panns_inference.models").Cnn14
    tower = theirs(32000, 1024, 320, 64, 50, 14000, 5 if small else 527)
    if small:
        _shrink_cnn14(tower, "panns_inference.models")
    return tower.eval()


# ---------------------------------------------------------------- outputs


@torch.no_grad()
def outputs(name: str, theirs: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What a peer gives for the clips and captions of its kind."""
    peer = PEERS[name]
    if peer.microsoft:
        return _microsoft_outputs(peer, theirs)
    heard = theirs.audio_branch(_laion_input(peer), device="cpu")["embedding"]
    words = tokens_of(peer)
    words["token_type_ids"] = torch.zeros_like(words["input_ids"])
    if peer.text == "transformer":
        words = words["input_ids"]
    return {
        "embedding": heard,
        "audio": F.normalize(theirs.audio_projection(heard), dim=1),
        "text": F.normalize(theirs.encode_text(words, device="cpu"), dim=1),
    }


def _laion_input(peer: Peer) -> dict[str, torch.Tensor]:
    """What LAION's own loader makes of the clips.

    Its resizing is that of the torchvision it was trained with: without antialias.
    """

    def resize(size):
        return lambda mel: F.interpolate(mel[None], tuple(size), mode="bilinear")[0]

    namespace = {
        "np": np,
        "torch": torch,
        "torchaudio": torchaudio,
        "torchvision": SimpleNamespace(transforms=SimpleNamespace(Resize=resize)),
        "F": F,
    }
    wanted = ("get_mel", "get_audio_features")
    loader = functions("laion_clap.training.data", wanted, namespace)
    truncating = "rand_trunc" if peer.fusion is None else "fusion"
    np.random.seed(SEED)
    samples = [
        loader["get_audio_features"]({}, clip, CLIP, truncating, "repeatpad", LAION)
        for clip in clips_of(peer)
    ]
    stacked = {key: torch.stack([s[key] for s in samples]) for key in samples[0]}
    return {**stacked, "longer": stacked["longer"].squeeze(1)}


def _microsoft_outputs(peer: Peer, theirs) -> dict[str, torch.Tensor]:
    size = peer.clip_samples
    wavs = [clip.repeat(size // len(clip) + 1)[:size] for clip in clips_of(peer)]
    encoder = theirs.audio_encoder
    heard = encoder.base(torch.stack(wavs))["embedding"]
    return {
        "embedding": heard,
        "audio": F.normalize(encoder.projection(heard), dim=1),
        "text": F.normalize(theirs.caption_encoder(tokens_of(peer)), dim=1),
    }
