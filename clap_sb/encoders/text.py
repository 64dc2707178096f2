"""Text towers through transformers: any encoder, with a pooling rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from clap_sb.encoders.sentencepiece_tokenizer import (
    MODEL_FILE,
    SentencePieceTokenizer,
)
from clap_sb.encoders.text_source import fetch


def _pooler(output, mask: torch.Tensor) -> torch.Tensor:
    return output.pooler_output


def _first(output, mask: torch.Tensor) -> torch.Tensor:
    return output.last_hidden_state[:, 0]


def _mean(output, mask: torch.Tensor) -> torch.Tensor:
    weight = mask.unsqueeze(2).to(output.last_hidden_state.dtype)
    return (output.last_hidden_state * weight).sum(1) / weight.sum(1)


def _last(output, mask: torch.Tensor) -> torch.Tensor:
    last = mask.sum(1) - 1
    rows = torch.arange(len(last), device=last.device)
    return output.last_hidden_state[rows, last]


POOLINGS: dict[str, Callable] = {
    "pooler": _pooler,
    "cls": _first,
    "mean": _mean,
    "last": _last,
}


class TransformersText(nn.Module):
    """Captions to one embedding each, by a transformers encoder.

    LAION-CLAP (2211.06687) takes RoBERTa's or BERT's ``pooler`` output (dense and
    tanh over the first token), at most 77 tokens. Captions are padded to the longest
    of the batch, which changes nothing for these encoders; longer ones are cut. A
    frozen tower runs without dropout and without a graph.

    Arguments
    ---------
    source : str or Path
        A folder with ``config.json`` and the tokenizer (``sentencepiece.model`` or
        transformers' files), or a name on the Hugging Face hub.
    pretrained : bool
        Whether the weights are there too and are loaded; otherwise the tower starts
        from random ones.
    pooling : str
        ``pooler``, ``cls`` (first token), ``mean`` or ``last`` (last token).
    max_tokens : int
        Longer captions are cut to this.
    freeze : bool
        Keep all parameters as they are, without dropout.
    gradient_checkpointing : bool
        Recompute each layer in the backward pass.

    Raises
    ------
    TextSourceError
        If the files are neither here nor to be fetched.
    ValueError
        If the pooling is unknown, or more tokens are asked for than the tower has
        positions.

    Example
    -------
    >>> import json
    >>> from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
    >>> folder = getfixture("tmp_path")
    >>> train_sentencepiece(["a dog barks", "rain on a roof"], folder, 50)
    >>> config = {
    ...     "model_type": "roberta",
    ...     "vocab_size": 50,
    ...     "hidden_size": 16,
    ...     "num_hidden_layers": 1,
    ...     "num_attention_heads": 2,
    ...     "intermediate_size": 32,
    ...     "max_position_embeddings": 80,
    ... }
    >>> _ = (folder / "config.json").write_text(json.dumps(config))
    >>> tower = TransformersText(folder, pretrained=False)
    >>> tower(["a dog", "rain on a roof"]).shape
    torch.Size([2, 16])
    """

    def __init__(
        self,
        source: str | Path,
        pretrained: bool = True,
        pooling: str = "pooler",
        max_tokens: int = 77,
        freeze: bool = False,
        gradient_checkpointing: bool = False,
    ):
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is one of {sorted(POOLINGS)}, not {pooling!r}")
        folder = fetch(source)
        self.pool = POOLINGS[pooling]
        self.max_tokens = max_tokens
        self.frozen = freeze
        self.tokenizer = _load_tokenizer(folder)
        self.model = _load_model(folder, pretrained, pooling == "pooler")
        self.embedding_dim = self.model.config.hidden_size
        self._check_length()
        if gradient_checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.requires_grad_(not freeze).train()

    def _check_length(self) -> None:
        config = self.model.config
        positions = getattr(config, "max_position_embeddings", self.max_tokens)
        if config.model_type in ("roberta", "xlm-roberta", "camembert"):
            positions -= config.pad_token_id + 1  # these count from the padding id on
        if self.max_tokens > positions:
            raise ValueError(
                f"max_tokens {self.max_tokens} is more than the {positions} positions "
                f"of this {config.model_type} tower"
            )

    def train(self, mode: bool = True) -> TransformersText:
        """Sets the mode; a frozen tower stays in eval mode, whoever asks."""
        return super().train(mode and not self.frozen)

    def tokenize(self, captions: list[str]) -> dict[str, torch.Tensor]:
        """Turns captions into token tensors; cheap to pickle and safe in a worker.

        Arguments
        ---------
        captions : list of str
            At least one caption, none of them empty.

        Returns
        -------
        dict
            ``input_ids``, ``attention_mask`` and what else the tower takes, each
            ``[batch, tokens]``.

        Raises
        ------
        ValueError
            If there is no caption, or one is empty.
        """
        return tokenize(self.tokenizer, captions, self.max_tokens)

    def forward(self, captions: list[str] | dict[str, torch.Tensor]) -> torch.Tensor:
        """Embeds captions.

        Arguments
        ---------
        captions : list of str, or dict
            Captions, or what :meth:`tokenize` made of them.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_dim]``.
        """
        tokens = captions if isinstance(captions, dict) else self.tokenize(captions)
        device = next(self.model.parameters()).device
        tokens = {name: value.to(device) for name, value in tokens.items()}
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            output = self.model(**tokens)
        return self.pool(output, tokens["attention_mask"])

    def save_source(self, folder: str | Path) -> None:
        """Writes configuration and tokenizer, so that no hub is needed later.

        Arguments
        ---------
        folder : str or Path
            Becomes a ``source`` for ``pretrained=False``; the weights live in the
            checkpoint.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.model.config.save_pretrained(folder)
        if isinstance(self.tokenizer, SentencePieceTokenizer):
            model = self.tokenizer.model.serialized_model_proto()
            (Path(folder) / MODEL_FILE).write_bytes(model)
        else:
            self.tokenizer.save_pretrained(folder)


def tokenize(
    tokenizer: Callable, captions: list[str], max_tokens: int
) -> dict[str, torch.Tensor]:
    """Tokenises captions with a SentencePiece or a transformers tokenizer.

    Arguments
    ---------
    tokenizer : callable
        The tower's tokenizer.
    captions : list of str
        At least one caption, none of them empty.
    max_tokens : int
        Longer captions are cut to this.

    Returns
    -------
    dict
        Token tensors, each ``[batch, tokens]``.

    Raises
    ------
    ValueError
        If there is no caption, or one is empty.
    """
    if isinstance(captions, str):
        raise ValueError(f"captions are a list: write [{captions!r}]")
    empty = [index for index, text in enumerate(captions) if not text.strip()]
    if empty or not captions:
        raise ValueError(
            f"captions {empty} are empty: leave them out"
            if captions
            else "there is no caption to embed"
        )
    if isinstance(tokenizer, SentencePieceTokenizer):
        return tokenizer(captions, max_tokens)
    tokens = tokenizer(
        list(captions),
        padding=True,
        truncation=True,
        max_length=max_tokens,
        return_tensors="pt",
    )
    return dict(tokens)


def _load_tokenizer(folder: Path) -> Callable:
    if (folder / MODEL_FILE).is_file():
        return SentencePieceTokenizer(folder)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def _load_model(folder: Path, pretrained: bool, with_pooler: bool) -> nn.Module:
    """Builds the encoder; one without a use for its pooler has none.

    A pooler that nothing reads would get no gradient, and DDP would stop at it.
    """
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    options = {}
    if config.model_type in ("bert", "roberta", "xlm-roberta", "camembert"):
        options["add_pooling_layer"] = with_pooler
    if pretrained:
        return AutoModel.from_pretrained(
            folder, config=config, local_files_only=True, **options
        )
    return AutoModel.from_config(config, **options)
