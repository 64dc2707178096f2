"""Whether a tokenizer is the one that a text tower's weights go with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clap_sb.checkpoints.architecture import TextTower
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.missing_tokenizer import MissingTokenizer
from clap_sb.encoders.sentencepiece_tokenizer import SentencePieceTokenizer

# Their configurations tell the ids as they are; old ones of CLIP's do not.
_KINDS = ("bart", "bert", "gpt2", "roberta")
# A table may have some rows for tokens to come, or be filled up to a round number.
_SPARE_ROWS, _ROUND = 128, 64
# transformers' names for how a caption begins, is filled up, and ends
_SPECIAL = {
    "bos_token_id": ("bos_token_id", "cls_token_id"),
    "pad_token_id": ("pad_token_id",),
    "eos_token_id": ("eos_token_id", "sep_token_id"),
}


def check_tokenizer(
    tokenize: CaptionTokenizer, text: TextTower, what: str | Path
) -> None:
    """Makes sure that a tokenizer's ids are a text tower's.

    The ids of another vocabulary are words too, and other ones. A tokenizer that is
    ours (SentencePiece) has to have no more ids than the tower has rows; one of
    transformers nearly as many, and the special tokens' ids that the tower's
    configuration has.

    Arguments
    ---------
    tokenize : CaptionTokenizer
        With the tokenizer.
    text : TextTower
        The tower.
    what : str or Path
        The checkpoint, for the message.

    Raises
    ------
    CheckpointError
        If the tokenizer is another model's.

    Example
    -------
    >>> from clap_sb.checkpoints.architecture import Part
    >>> part = Part("clap_sb.encoders.text.TransformersText")
    >>> tower = TextTower(part, {"model_type": "bert", "vocab_size": 4}, "")
    >>> check_tokenizer(CaptionTokenizer(range(5), 77), tower, "x.pt")
    Traceback (most recent call last):
    ...
    clap_sb.checkpoints.errors.CheckpointError: the tokenizer given for x.pt is of \
another model (it has 5 tokens, and the text tower 4): name the right one
    """
    tokenizer = tokenize.tokenizer
    if isinstance(tokenizer, MissingTokenizer):
        return
    config, differences = text.config, []
    num_rows = config.get("vocab_size", text.part.arguments.get("vocab_size"))
    if num_rows is None:
        return
    num, ours = len(tokenize), isinstance(tokenizer, SentencePieceTokenizer)
    has_spare_rows = num_rows - num < _SPARE_ROWS or num_rows % _ROUND == 0
    if num > num_rows or not (ours or has_spare_rows):
        differences.append(f"it has {num} tokens, and the text tower {num_rows}")
    elif not ours and config.get("model_type") in _KINDS:
        differences += _special_differences(tokenizer, config)
    if differences:
        raise CheckpointError(
            f"the tokenizer given for {what} is of another model "
            f"({'; '.join(differences)}): name the right one"
        )


def _special_differences(tokenizer: Any, config: Mapping[str, Any]) -> list[str]:
    found = []
    for name, theirs in _SPECIAL.items():
        expected = config.get(name)
        if not isinstance(expected, int):
            continue
        ids = {getattr(tokenizer, attribute) for attribute in theirs} - {None}
        if expected not in ids:
            said = " or ".join(map(str, sorted(ids))) or "none"
            found.append(f"its {name} is {said}, and the text tower's {expected}")
    return found
