"""BERT and RoBERTa (Devlin et al., 1810.04805; Liu et al., 1907.11692).

Most text towers of CLAP are one of the two. Names of parameters and of buffers, what is
drawn at the start, and every bit of what comes out are those of transformers' classes,
but for rounding where a linear layer is oneDNN's (:mod:`clap_sb.encoders.linear`).
Those take 2 s to import, which is longer than one query takes; these take nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from clap_sb.encoders.bert_config import BertConfig
from clap_sb.encoders.linear import Linear


class BertOutput(NamedTuple):
    """What :class:`Bert` gives.

    Arguments
    ---------
    last_hidden_state : torch.Tensor
        ``[batch, tokens, hidden_size]``.
    pooler_output : torch.Tensor or None
        ``[batch, hidden_size]``; None without a pooler.
    """

    last_hidden_state: torch.Tensor
    pooler_output: torch.Tensor | None


class Bert(nn.Module):
    """The encoder: tokens to a state each.

    Arguments
    ---------
    config : BertConfig
        Its numbers.
    with_pooler : bool
        Whether there is a layer over the first token's state.

    Example
    -------
    >>> numbers = {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    >>> bert = Bert(
    ...     BertConfig.of({"model_type": "roberta", "vocab_size": 9, **numbers})
    ... )
    >>> output = bert(torch.tensor([[0, 5, 2]]), torch.ones(1, 3))
    >>> output.last_hidden_state.shape, output.pooler_output.shape
    (torch.Size([1, 3, 16]), torch.Size([1, 16]))
    """

    def __init__(self, config: BertConfig, with_pooler: bool = True):
        super().__init__()
        self.config = config
        self.gradient_checkpointing = False
        self.embeddings = _Embeddings(config)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(
            _Layer(config) for _ in range(config.num_hidden_layers)
        )
        self.pooler = None
        if with_pooler:
            self.pooler = nn.Module()
            self.pooler.dense = Linear(config.hidden_size, config.hidden_size)
        self.apply(self._initialise)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding) and module.padding_idx is not None:
            nn.init.zeros_(module.weight[module.padding_idx])

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> BertOutput:
        """Encodes tokens.

        Arguments
        ---------
        input_ids : torch.Tensor
            ``[batch, tokens]``.
        attention_mask : torch.Tensor
            ``[batch, tokens]``, 0 for padding.
        token_type_ids : torch.Tensor, optional
            ``[batch, tokens]``; zeros unless given.

        Returns
        -------
        BertOutput
        """
        x = self.embeddings(input_ids, token_type_ids)
        mask = _mask(attention_mask)
        for layer in self.encoder.layer:
            if self.gradient_checkpointing and self.training:
                x = checkpoint(layer, x, mask, use_reentrant=False)
            else:
                x = layer(x, mask)
        if self.pooler is None:
            return BertOutput(x, None)
        return BertOutput(x, torch.tanh(self.pooler.dense(x[:, 0])))


def _mask(attention_mask: torch.Tensor) -> torch.Tensor | None:
    """Which tokens each token hears, ``[batch, 1, tokens, tokens]``; None for all.

    A graph that is compiled or exported cannot depend on what the mask holds.
    """
    kept = attention_mask.bool()
    if not (torch.compiler.is_compiling() or torch.jit.is_tracing()) and kept.all():
        return None
    size = attention_mask.shape[1]
    return kept[:, None, None, :].expand(-1, 1, size, -1)


class _Embeddings(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.from_padding = config.model_type == "roberta"
        width, positions = config.hidden_size, config.max_position_embeddings
        self.padding_idx = config.pad_token_id
        self.word_embeddings = nn.Embedding(config.vocab_size, width, self.padding_idx)
        # in the order in which transformers draws them
        if not self.from_padding:
            self.position_embeddings = nn.Embedding(positions, width)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, width)
        self.LayerNorm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        places = torch.arange(positions).expand(1, -1)
        self.register_buffer("position_ids", places, persistent=False)
        kinds = torch.zeros_like(places)
        self.register_buffer("token_type_ids", kinds, persistent=False)
        if self.from_padding:
            self.position_embeddings = nn.Embedding(positions, width, self.padding_idx)

    def forward(
        self, input_ids: torch.Tensor, token_type_ids: torch.Tensor | None
    ) -> torch.Tensor:
        size = input_ids.shape[1]
        if token_type_ids is None:
            token_type_ids = self.token_type_ids[:, :size].expand_as(input_ids)
        x = self.word_embeddings(input_ids) + self.token_type_embeddings(token_type_ids)
        x = x + self.position_embeddings(self._positions(input_ids))
        return self.dropout(self.LayerNorm(x))

    def _positions(self, input_ids: torch.Tensor) -> torch.Tensor:
        if not self.from_padding:
            return self.position_ids[:, : input_ids.shape[1]]
        kept = input_ids.ne(self.padding_idx).long()
        return kept.cumsum(1) * kept + self.padding_idx


class _SelfAttention(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.dropout = nn.Dropout(config.attention_probs_dropout_prob)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        q, k, v = (
            part(x).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        dropout = self.dropout.p if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        return y.transpose(1, 2).flatten(2)


class _Added(nn.Module):
    """A linear layer, added to what came before it, and a LayerNorm."""

    def __init__(self, input_dim: int, config: BertConfig):
        super().__init__()
        self.dense = Linear(input_dim, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(self.dropout(self.dense(x)) + before)


class _Attention(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.self = _SelfAttention(config)
        self.output = _Added(config.hidden_size, config)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self.output(self.self(x, mask), x)


class _Layer(nn.Module):
    def __init__(self, config: BertConfig):
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = nn.Module()
        self.intermediate.dense = Linear(config.hidden_size, config.intermediate_size)
        self.output = _Added(config.intermediate_size, config)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        x = self.attention(x, mask)
        return self.output(F.gelu(self.intermediate.dense(x)), x)
