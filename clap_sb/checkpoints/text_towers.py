"""Text towers in public checkpoints: their numbers, read from names and shapes.

Shapes do not tell the number of heads nor the epsilon of the norms. Both are those of
the published base models here: 64 dimensions a head, and the class's own epsilon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from clap_sb.checkpoints.architecture import Part, TextTower

TRANSFORMERS_TEXT = "clap_sb.encoders.text.TransformersText"
_HEAD = 64
_WORDS = "embeddings.word_embeddings.weight"
_TYPES = "embeddings.token_type_embeddings.weight"


def count_layers(tower: Mapping[str, torch.Tensor], prefix: str) -> int:
    """Counts numbered layers.

    Arguments
    ---------
    tower : mapping
        A state dict.
    prefix : str
        What stands before the number.

    Returns
    -------
    int

    Example
    -------
    >>> count_layers({"h.0.w": 0, "h.1.w": 0, "h.1.b": 0}, "h.")
    2
    """
    found = (re.match(re.escape(prefix) + r"(\d+)\.", key) for key in tower)
    return len({match[1] for match in found if match})


def is_bert(tower: Mapping[str, torch.Tensor]) -> bool:
    """Whether a tower is BERT or RoBERTa.

    Arguments
    ---------
    tower : mapping
        State dict under transformers' names.

    Returns
    -------
    bool
    """
    return _WORDS in tower


def bert_tower(
    tower: Mapping[str, torch.Tensor],
    pooling: str,
    max_tokens: int,
    **config: Any,
) -> TextTower:
    """Describes BERT, which knows two kinds of segments, or RoBERTa, which knows one.

    Arguments
    ---------
    tower : mapping
        State dict under transformers' names.
    pooling : str
        Rule of the family.
    max_tokens : int
        Longest caption of the family.
    **config : Any
        What is known better than from the shapes.

    Returns
    -------
    TextTower
    """
    words, types = tower[_WORDS], tower[_TYPES]
    roberta = types.shape[0] == 1
    inner = tower["encoder.layer.0.intermediate.dense.weight"]
    ids = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    numbers = {
        "model_type": "roberta" if roberta else "bert",
        "vocab_size": words.shape[0],
        "hidden_size": words.shape[1],
        "num_hidden_layers": count_layers(tower, "encoder.layer."),
        "num_attention_heads": max(words.shape[1] // _HEAD, 1),
        "intermediate_size": inner.shape[0],
        "max_position_embeddings": tower["embeddings.position_embeddings.weight"].shape[
            0
        ],
        "type_vocab_size": types.shape[0],
        "layer_norm_eps": 1e-5 if roberta else 1e-12,
        **(ids if roberta else {"pad_token_id": 0}),
        **config,
    }
    arguments = {"pretrained": False, "pooling": pooling, "max_tokens": max_tokens}
    return TextTower(
        Part(TRANSFORMERS_TEXT, arguments),
        numbers,
        "roberta-base" if roberta else "bert-base-uncased",
    )


def is_bart(tower: Mapping[str, torch.Tensor]) -> bool:
    """Whether a tower is BART.

    Arguments
    ---------
    tower : mapping
        State dict under transformers' names.

    Returns
    -------
    bool
    """
    return "encoder.embed_tokens.weight" in tower


def bart_tower(tower: Mapping[str, torch.Tensor], max_tokens: int) -> TextTower:
    """Describes BART's encoder, averaged over all positions, padding included.

    Arguments
    ---------
    tower : mapping
        State dict under transformers' names; a decoder is left out.
    max_tokens : int
        Positions that captions are padded to.

    Returns
    -------
    TextTower
    """
    words = tower["encoder.embed_tokens.weight"]
    layers = count_layers(tower, "encoder.layers.")
    numbers = {
        "model_type": "bart",
        "vocab_size": words.shape[0],
        "d_model": words.shape[1],
        "encoder_layers": layers,
        "decoder_layers": layers,
        "encoder_attention_heads": max(words.shape[1] // _HEAD, 1),
        "decoder_attention_heads": max(words.shape[1] // _HEAD, 1),
        "encoder_ffn_dim": tower["encoder.layers.0.fc1.weight"].shape[0],
        "decoder_ffn_dim": tower["encoder.layers.0.fc1.weight"].shape[0],
        # BART counts positions from 2 on
        "max_position_embeddings": tower["encoder.embed_positions.weight"].shape[0] - 2,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
    }
    arguments = {
        "pretrained": False,
        "pooling": "mean_padded",
        "max_tokens": max_tokens,
    }
    return TextTower(Part(TRANSFORMERS_TEXT, arguments), numbers, "facebook/bart-base")


def gpt2_tower(tower: Mapping[str, torch.Tensor], max_tokens: int) -> TextTower:
    """Describes GPT-2, pooled at the end-of-text token.

    Arguments
    ---------
    tower : mapping
        State dict under transformers' names.
    max_tokens : int
        Longest caption of the family.

    Returns
    -------
    TextTower
    """
    words = tower["wte.weight"]
    numbers = {
        "model_type": "gpt2",
        "vocab_size": words.shape[0],
        "n_embd": words.shape[1],
        "n_layer": count_layers(tower, "h."),
        "n_head": max(words.shape[1] // _HEAD, 1),
        "n_inner": tower["h.0.mlp.c_fc.weight"].shape[1],
        "n_positions": tower["wpe.weight"].shape[0],
        "bos_token_id": words.shape[0] - 1,
        "eos_token_id": words.shape[0] - 1,
    }
    arguments = {
        "pretrained": False,
        "pooling": "last",
        "max_tokens": max_tokens,
        "suffix": " <|endoftext|>",
    }
    return TextTower(Part(TRANSFORMERS_TEXT, arguments), numbers, "gpt2")


def is_clip(tower: Mapping[str, torch.Tensor]) -> bool:
    """Whether a tower is the transformer of CLIP's original code.

    Arguments
    ---------
    tower : mapping
        State dict under that code's names.

    Returns
    -------
    bool
    """
    return "resblocks.0.attn.in_proj_weight" in tower


def clip_tower(
    tower: Mapping[str, torch.Tensor], token_embedding: torch.Tensor
) -> TextTower:
    """Describes CLIP's transformer, with exact GELU: files do not tell.

    Arguments
    ---------
    tower : mapping
        State dict under the original names.
    token_embedding : torch.Tensor
        ``[vocabulary, width]``.

    Returns
    -------
    TextTower
    """
    vocab_size, width = token_embedding.shape
    arguments = {
        "width": width,
        "depth": count_layers(tower, "resblocks."),
        "num_heads": max(width // _HEAD, 1),
        "vocab_size": vocab_size,
    }
    return TextTower(
        Part("clap_sb.encoders.clip_text.ClipTextTransformer", arguments),
        {"model_type": "clip_text_model"},
        "openai/clip-vit-base-patch32",
    )


def text_name(text: TextTower) -> str:
    """The tower in words.

    Arguments
    ---------
    text : TextTower
        A tower of this module.

    Returns
    -------
    str

    Example
    -------
    >>> text_name(TextTower(Part(TRANSFORMERS_TEXT), {"model_type": "roberta"}, ""))
    'RoBERTa'
    """
    kind = text.config["model_type"]
    return _NAMES.get(kind, kind)


_NAMES = {
    "bart": "BART encoder",
    "bert": "BERT",
    "clip_text_model": "CLIP transformer",
    "gpt2": "GPT-2",
    "roberta": "RoBERTa",
}
