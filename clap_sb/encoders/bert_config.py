"""What a BERT or RoBERTa is made of, as its ``config.json`` has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

CONFIG_FILE = "config.json"
# The defaults of transformers' BertConfig and RobertaConfig where they differ.
_DEFAULTS = {
    "bert": {"vocab_size": 30522, "pad_token_id": 0},
    "roberta": {"vocab_size": 50265, "pad_token_id": 1},
}
# What stands in files and asks for more than is here, unless it has these values.
_AS_USUAL = {
    "hidden_act": ("gelu",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "chunk_size_feed_forward": (0,),
    "position_embedding_type": ("absolute",),
    "quantization_config": (None,),
    "dtype": (None, "float32"),
    "torch_dtype": (None, "float32"),
    "attn_implementation": (None, "sdpa"),
    "_attn_implementation": (None, "sdpa"),
}


@dataclass(frozen=True)
class BertConfig:
    """The numbers of a BERT or RoBERTa.

    Arguments
    ---------
    values : mapping
        What stands in its ``config.json``.
    model_type : str
        ``bert`` or ``roberta``.
    vocab_size : int
        Rows of the token table.
    pad_token_id : int
        Id of the padding; RoBERTa counts its positions from here on.
    hidden_size : int
        Width.
    num_hidden_layers : int
        Layers.
    num_attention_heads : int
        Heads; they share the width.
    intermediate_size : int
        Width between the two halves of each MLP.
    hidden_dropout_prob : float
        Dropout.
    attention_probs_dropout_prob : float
        Dropout of the attention.
    max_position_embeddings : int
        Positions.
    type_vocab_size : int
        Kinds of tokens; a caption has the first one.
    initializer_range : float
        Standard deviation of the weights at the start.
    layer_norm_eps : float
        Of all LayerNorms.

    Raises
    ------
    ValueError
        If the heads cannot share the width.

    Example
    -------
    >>> BertConfig.of({"model_type": "roberta", "hidden_size": 24}).pad_token_id
    1
    """

    values: Mapping[str, Any]
    model_type: str
    vocab_size: int
    pad_token_id: int
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12

    def __post_init__(self):
        heads = self.num_attention_heads
        if heads < 1 or self.hidden_size % heads:
            raise ValueError(
                f"the hidden size ({self.hidden_size}) is no multiple of the number of "
                f"attention heads ({heads})"
            )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> BertConfig | None:
        """Takes the numbers of a ``config.json``.

        Arguments
        ---------
        values : mapping
            What stands in it.

        Returns
        -------
        BertConfig or None
            None for another kind of model, or one with more than is here: a decoder,
            another activation, another precision.
        """
        defaults = _DEFAULTS.get(str(values.get("model_type")))
        if defaults is None or any(
            values.get(name, usual[0]) not in usual for name, usual in _AS_USUAL.items()
        ):
            return None
        own = {name: value for name, value in values.items() if name in cls._numbers()}
        return cls(values=dict(values), **{**defaults, **own})

    @classmethod
    def _numbers(cls) -> set[str]:
        return {field.name for field in fields(cls)} - {"values"}

    @classmethod
    def read(cls, folder: Path) -> BertConfig | None:
        """Does what :meth:`of` does with a folder's ``config.json``.

        Arguments
        ---------
        folder : Path
            With the file.

        Returns
        -------
        BertConfig or None
            None as well if it is no JSON.
        """
        try:
            values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        except ValueError:
            return None
        return cls.of(values) if isinstance(values, dict) else None

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the ``config.json``: what was read, and each number spelled out.

        Arguments
        ---------
        folder : str or Path
            Receives it.
        """
        numbers = {name: getattr(self, name) for name in self._numbers()}
        text = json.dumps({**self.values, **numbers}, indent=2, sort_keys=True)
        (Path(folder) / CONFIG_FILE).write_text(f"{text}\n", encoding="utf-8")
