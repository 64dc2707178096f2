"""The CLIP-style text transformer of LAION-CLAP (2211.06687; Radford et al., 2021).

Parameter names are those of LAION's checkpoints, where ``transformer`` is called
``text_branch``. OpenAI's CLIP itself comes through
:class:`~clap_sb.encoders.text.TransformersText`.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.linear import Linear
from clap_sb.encoders.text_source import fetch
from clap_sb.encoders.text_tower import TextTower, last_state


class QuickGELU(nn.Module):
    """``x sigmoid(1.702 x)``: what OpenAI's weights were trained with.

    Example
    -------
    >>> round(float(QuickGELU()(torch.tensor(1.0))), 4)
    0.8458
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Applies it to each element."""
        return x * torch.sigmoid(1.702 * x)


class ResidualAttentionBlock(nn.Module):
    """Causal self-attention and an MLP, each behind a LayerNorm.

    Arguments
    ---------
    width : int
        Width.
    num_heads : int
        Heads.
    activation : nn.Module
        Of the MLP.

    Example
    -------
    >>> block = ResidualAttentionBlock(16, 2, nn.GELU()).eval()
    >>> x = torch.randn(1, 5, 16)
    >>> torch.allclose(block(x)[:, :3], block(x[:, :3]), atol=1e-5)
    True
    """

    def __init__(self, width: int, num_heads: int, activation: nn.Module):
        super().__init__()
        self.attn = nn.MultiheadAttention(width, num_heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            OrderedDict(
                c_fc=Linear(width, 4 * width),
                act=activation,
                c_proj=Linear(4 * width, width),
            )
        )
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, tokens, width]`` to the same."""
        size = x.shape[1]
        future = torch.ones(size, size, dtype=torch.bool, device=x.device).triu(1)
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=future)[0]
        return x + self.mlp(self.ln_2(x))


class ClipTextTransformer(TextTower):
    """Captions to one embedding each: the normalised state of the last token.

    LAION pads to 77 tokens and takes the token with the largest id; with causal
    attention and a mask, padding to the longest caption gives the same. A longer
    caption is cut, and keeps its end-of-text token (LAION's loses it).

    Arguments
    ---------
    source : str or Path
        A folder with the tokenizer (``sentencepiece.model`` or transformers' files), or
        the name of one on the Hugging Face hub (``openai/clip-vit-base-patch16``).
    width : int
        Width of the transformer and of the embedding.
    depth : int
        Blocks.
    num_heads : int
        Heads.
    max_tokens : int
        Positions; longer captions are cut.
    quick_gelu : bool
        Whether the MLPs have OpenAI's approximation of GELU; those of LAION's own
        configurations have the exact one.
    vocab_size : int, optional
        Rows of the token table; as many as the tokenizer has unless given.
    freeze : bool
        Keep all parameters as they are.
    gradient_checkpointing : bool
        Recompute each block in the backward pass.

    Example
    -------
    >>> from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
    >>> folder = getfixture("tmp_path")
    >>> train_sentencepiece(["a dog barks", "rain on a roof"], folder, 50)
    >>> tower = ClipTextTransformer(folder, width=16, depth=1, num_heads=2)
    >>> tower(["a dog", "rain on a roof"]).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        source: str | Path,
        width: int = 512,
        depth: int = 12,
        num_heads: int = 8,
        max_tokens: int = 77,
        quick_gelu: bool = False,
        vocab_size: int | None = None,
        freeze: bool = False,
        gradient_checkpointing: bool = False,
    ):
        folder = Path(source) if Path(source).is_dir() else fetch(source)
        tokenize = CaptionTokenizer.from_folder(folder, max_tokens)
        super().__init__(tokenize, freeze)
        self.embedding_dim = width
        self.gradient_checkpointing = gradient_checkpointing
        rows = len(tokenize) if vocab_size is None else vocab_size
        self.token_embedding = nn.Embedding(rows, width)
        self.positional_embedding = nn.Parameter(torch.empty(max_tokens, width))
        activation = QuickGELU() if quick_gelu else nn.GELU()
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(
            ResidualAttentionBlock(width, num_heads, activation) for _ in range(depth)
        )
        self.ln_final = nn.LayerNorm(width)
        self._initialise(width, depth)
        self.freeze_if_asked()

    def _initialise(self, width: int, depth: int) -> None:
        """CLIP's initialisation: residual branches shrink with the depth."""
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        residual = (width * 2 * depth) ** -0.5
        for block in self.transformer.resblocks:
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=residual)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=residual)

    def encode(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """Embeds ``input_ids`` and ``attention_mask``, each ``[batch, tokens]``."""
        x = self.token_embedding(tokens["input_ids"])
        x = x + self.positional_embedding[: x.shape[1]]
        for block in self.transformer.resblocks:
            if self.gradient_checkpointing and self.training:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        return self.ln_final(last_state(x, tokens["attention_mask"]))
