"""LAION's CLIP-style transformer against transformers' CLIP text model."""

from __future__ import annotations

import json

import pytest
import torch

from clap_sb.encoders.clip_text import ClipTextTransformer
from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
from clap_sb.encoders.text import TransformersText

CAPTIONS = ["a dog barks", "rain", "a dog barks at rain and at a dog"]
OPTIONS = {"width": 16, "depth": 2, "num_heads": 2}
NAMES = (
    ("embeddings.token_embedding.", "token_embedding."),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("encoder.layers.", "transformer.resblocks."),
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
    (".self_attn.out_proj.", ".attn.out_proj."),
    ("final_layer_norm.", "ln_final."),
)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    train_sentencepiece(CAPTIONS, folder, 40)
    return folder


def from_transformers(state_dict: dict) -> dict:
    ours = {}
    for key, value in state_dict.items():
        for old, new in NAMES:
            key = key.replace(old, new)
        ours[key] = value
    for key in [key for key in ours if ".q_proj." in key]:
        parts = [ours.pop(key.replace("q_proj", f"{x}_proj")) for x in "qkv"]
        name = key.replace("self_attn.q_proj.", "attn.in_proj_")
        ours[name] = torch.cat(parts)
    return ours


@torch.no_grad()
@pytest.mark.parametrize("quick_gelu", [False, True])
def test_equals_transformers(source, quick_gelu):
    config = {"model_type": "clip_text_model", "hidden_size": 16, "vocab_size": 40}
    config |= {"num_hidden_layers": 2, "num_attention_heads": 2, "bos_token_id": 0}
    config |= {"intermediate_size": 64, "eos_token_id": 2, "pad_token_id": 1}
    config |= {"hidden_act": "quick_gelu" if quick_gelu else "gelu"}
    (source / "config.json").write_text(json.dumps(config))
    peer = TransformersText(source, pretrained=False, pooling="last").eval()
    for value in peer.parameters():
        value.add_(0.3 * torch.randn_like(value))
    ours = ClipTextTransformer(source, **OPTIONS, quick_gelu=quick_gelu, vocab_size=40)
    ours.load_state_dict(from_transformers(peer.model.state_dict()), strict=True)
    found, expected = ours.eval()(CAPTIONS), peer(CAPTIONS)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert torch.pdist(found).min() > 0.1, "the test has no power"


@torch.no_grad()
def test_a_caption_does_not_depend_on_the_batch(source):
    tower = ClipTextTransformer(source, **OPTIONS).eval()
    together = tower(CAPTIONS)
    for index, caption in enumerate(CAPTIONS):
        alone = tower([caption])[0]
        torch.testing.assert_close(alone, together[index], atol=1e-6, rtol=1e-5)


def test_a_cut_caption_keeps_its_end(source):
    tower = ClipTextTransformer(source, **OPTIONS, max_tokens=8)
    ids = tower.tokenize(["a dog barks " * 20, "rain"])["input_ids"]
    assert ids.shape == (2, 8) and ids[0, -1] == 2
    assert tower(["a dog barks " * 20]).shape == (1, 16)


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_every_trained_parameter_gets_a_gradient(source, gradient_checkpointing):
    tower = ClipTextTransformer(
        source, **OPTIONS, gradient_checkpointing=gradient_checkpointing
    ).train()
    tower(CAPTIONS).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None, name


def test_frozen(source):
    tower = ClipTextTransformer(source, **OPTIONS, freeze=True)
    assert not tower.training and not tower.train().training
    assert not tower(CAPTIONS).requires_grad
