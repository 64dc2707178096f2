"""What all text towers share: tokenising, freezing, saving what they start from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.missing_tokenizer import MissingTokenizer


class TextTower(nn.Module, ABC):
    """Base of the text towers: captions to one embedding each.

    A frozen tower runs without dropout and without a graph.

    Arguments
    ---------
    tokenize : CaptionTokenizer
        Captions to tokens; loader workers can do it.
    freeze : bool
        Keep all parameters as they are; a tower calls :meth:`freeze_if_asked` when it
        is built.

    Example
    -------
    >>> class Length(TextTower):
    ...     def __init__(self, tokenize):
    ...         super().__init__(tokenize, freeze=False)
    ...         self.scale = nn.Parameter(torch.ones(1))
    ...
    ...     def encode(self, tokens):
    ...         return self.scale * tokens["attention_mask"].sum(1, keepdim=True)
    >>> def tokenize(captions):
    ...     return {"attention_mask": torch.tensor([[len(c)] for c in captions])}
    >>> Length(tokenize)(["a dog", "rain"]).tolist()
    [[5.0], [4.0]]
    """

    def __init__(self, tokenize: CaptionTokenizer, freeze: bool):
        super().__init__()
        self.tokenize = tokenize
        self.frozen = freeze

    def freeze_if_asked(self) -> None:
        """Ends the building of a tower: one to be frozen is from now on."""
        if self.frozen:
            self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> TextTower:
        """Sets the mode; a frozen tower stays in eval mode, whoever asks."""
        return super().train(mode and not self.frozen)

    def forward(self, captions: list[str] | Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Embeds captions.

        Arguments
        ---------
        captions : list of str, or mapping
            Captions, or what ``tokenize`` made of them.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_dim]``.
        """
        is_tokens = isinstance(captions, Mapping)
        tokens = captions if is_tokens else self.tokenize(captions)
        device = next(self.parameters()).device
        tokens = {name: value.to(device) for name, value in tokens.items()}
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.encode(tokens)

    @abstractmethod
    def encode(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """Embeds tokens.

        Arguments
        ---------
        tokens : dict
            ``input_ids``, ``attention_mask`` and what else the tower takes, each
            ``[batch, tokens]``.

        Returns
        -------
        torch.Tensor
            ``[batch, embedding_dim]``.
        """

    def load_tokenizer(self, folder: Path) -> None:
        """Takes the tokenizer in a folder; the rules on length and padding stay.

        Arguments
        ---------
        folder : Path
            With the tokenizer's files.
        """
        found = CaptionTokenizer.from_folder(folder, self.tokenize.max_tokens)
        self.tokenize = replace(self.tokenize, tokenizer=found.tokenizer)

    def save_source(self, folder: str | Path) -> None:
        """Writes the tokenizer, so that no hub is needed later.

        Arguments
        ---------
        folder : str or Path
            Becomes the ``source`` of a tower whose weights are in a checkpoint.
        """
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.tokenize.save(Path(folder))


def caption_tokenizer(tower: nn.Module) -> CaptionTokenizer | None:
    """The tokenizer of a text tower, if it is of the kind that ours have.

    Arguments
    ---------
    tower : nn.Module
        Any text tower.

    Returns
    -------
    CaptionTokenizer or None
        None for a tower that has its tokens in another way, such as by a function.

    Example
    -------
    >>> caption_tokenizer(nn.Identity()) is None
    True
    """
    tokenize = tower.tokenize if isinstance(tower, TextTower) else None
    return tokenize if isinstance(tokenize, CaptionTokenizer) else None


def lacks_tokenizer(tower: nn.Module) -> bool:
    """Whether a text tower came without its tokenizer, and takes tokens alone.

    Arguments
    ---------
    tower : nn.Module
        Any text tower.

    Returns
    -------
    bool
        False for one that has its tokens by itself.

    Example
    -------
    >>> lacks_tokenizer(nn.Identity())
    False
    """
    tokenize = caption_tokenizer(tower)
    return tokenize is not None and isinstance(tokenize.tokenizer, MissingTokenizer)


def checkpoint_layers(model: nn.Module) -> None:
    """Has a transformers model recompute each layer in the backward pass.

    Arguments
    ---------
    model : transformers.PreTrainedModel
        The model.
    """
    # transformers up to 5.20, the last for Python 3.10, has only the older name
    if hasattr(model, "activation_checkpointing_enable"):
        model.activation_checkpointing_enable({"use_reentrant": False})
    else:
        model.gradient_checkpointing_enable({"use_reentrant": False})


def last_state(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Picks each caption's last token by its mask, whatever its ids are.

    Arguments
    ---------
    states : torch.Tensor
        ``[batch, tokens, dim]``.
    mask : torch.Tensor
        ``[batch, tokens]``, 1 for tokens and then 0 for padding.

    Returns
    -------
    torch.Tensor
        ``[batch, dim]``.

    Example
    -------
    >>> states = torch.tensor([[[1.0], [2.0], [3.0]]])
    >>> last_state(states, torch.tensor([[1, 1, 0]])).tolist()
    [[2.0]]
    """
    # shape, not len(): an exported graph would keep the number of captions
    rows = torch.arange(states.shape[0], device=states.device)
    return states[rows, mask.sum(1) - 1]
