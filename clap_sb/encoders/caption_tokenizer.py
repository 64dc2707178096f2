"""Captions to token tensors: the same for all tokenizers, and safe in a worker."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F

from clap_sb.encoders.cut_captions import CutCaptions, counting, report
from clap_sb.encoders.missing_tokenizer import MissingTokenizer, has_tokenizer
from clap_sb.encoders.readable import is_blank, why_unreadable
from clap_sb.encoders.sentencepiece_tokenizer import (
    MODEL_FILE,
    SentencePieceTokenizer,
)

_PUNCTUATION = re.compile(r'[(),.!?;:|*"]')


def without_punctuation(caption: str) -> str:
    """Takes the punctuation out: lower case, a space a sign, doubled spaces once.

    Arguments
    ---------
    caption : str
        A caption.

    Returns
    -------
    str

    Example
    -------
    >>> without_punctuation("A dog barks; rain.")
    'a dog barks rain '
    """
    return _PUNCTUATION.sub(" ", caption.lower()).replace("  ", " ")


# tokens that begin and end a caption, and a space that SentencePiece puts before it
_SPECIAL = 3
_AT_ONCE = 256


@dataclass(frozen=True)
class CaptionTokenizer:
    """Tokenises captions with a SentencePiece or a transformers tokenizer.

    It holds no part of the tower, so that a loader's workers are sent little.

    Arguments
    ---------
    tokenizer : callable
        :class:`SentencePieceTokenizer`, or one of transformers.
    max_tokens : int
        Longer captions are cut to this, and a warning tells how many; how a caption
        ends is kept. See :mod:`clap_sb.encoders.cut_captions`.
    suffix : str
        What a transformers tokenizer is to end each caption with, where it does not
        do that by itself: MS-CLAP 2023 has ``" <|endoftext|>"`` after GPT-2's.
    pad_to_max : bool
        Pad to ``max_tokens`` instead of to the longest caption.
    strip_punctuation : bool
        Take lower case and a space for each sign of punctuation, as WavCaps does.
    min_tokens : int
        Pad to this many at least.

    Example
    -------
    >>> from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
    >>> folder = getfixture("tmp_path")
    >>> train_sentencepiece(["a dog barks", "rain on a roof"], folder, 50)
    >>> tokenize = CaptionTokenizer.from_folder(folder, max_tokens=30, pad_to_max=True)
    >>> tokenize(["a dog", "rain"])["input_ids"].shape
    torch.Size([2, 30])
    """

    tokenizer: Callable
    max_tokens: int
    suffix: str = ""
    pad_to_max: bool = False
    strip_punctuation: bool = False
    min_tokens: int = 0

    @classmethod
    def from_folder(
        cls, folder: Path, max_tokens: int, suffix: str = "", pad_to_max: bool = False
    ) -> CaptionTokenizer:
        """Loads the tokenizer that lies in a folder.

        Arguments
        ---------
        folder : Path
            With ``sentencepiece.model`` or transformers' files.
        max_tokens : int
            Longer captions are cut to this.
        suffix : str
            What a transformers tokenizer is to end each caption with.
        pad_to_max : bool
            Pad to ``max_tokens`` instead of to the longest caption.

        Returns
        -------
        CaptionTokenizer
        """
        if (folder / MODEL_FILE).is_file():
            tokenizer = SentencePieceTokenizer(folder)
        elif not has_tokenizer(folder):
            tokenizer = MissingTokenizer()
        else:
            from transformers import AutoTokenizer

            # never the code that a folder may bring along
            tokenizer = AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
        return cls(tokenizer, max_tokens, suffix, pad_to_max)

    def __len__(self) -> int:
        """Number of tokens in the vocabulary."""
        return len(self.tokenizer)

    def __call__(self, captions: list[str]) -> dict[str, torch.Tensor]:
        """Tokenises captions.

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
            If there is no caption, or one is empty, or no text.
        """
        check_captions(captions)
        if self.strip_punctuation:
            captions = [without_punctuation(caption) for caption in captions]
            check_captions(captions)
        if isinstance(self.tokenizer, SentencePieceTokenizer):
            tokens, num_cut = self.tokenizer.counted(captions, self.max_tokens)
        else:
            tokens, num_cut = self._by_transformers(captions)
        report(CutCaptions(num_cut, len(captions), self.max_tokens))
        width = self.max_tokens if self.pad_to_max else self.min_tokens
        missing = width - tokens["input_ids"].shape[1]
        if missing <= 0:
            return tokens
        return {
            name: F.pad(value, (0, missing), value=self._padding(name))
            for name, value in tokens.items()
        }

    def _by_transformers(
        self, captions: list[str]
    ) -> tuple[dict[str, torch.Tensor], int]:
        end = self.tokenizer(self.suffix, add_special_tokens=False)["input_ids"]
        most, captions = self.max_tokens - len(end), list(captions)
        # whole at first, to see which are too long; it would warn of its own limit
        rows = self.tokenizer(captions, verbose=False)
        num_cut = sum(len(row) > most for row in rows["input_ids"])
        if num_cut:
            rows = self.tokenizer(captions, truncation=True, max_length=most)
        ends = {"input_ids": end, "attention_mask": [1] * len(end)}
        # padded here: GPT-2 has no padding token, and a mask is all that is needed
        tokens = {
            name: torch.nn.utils.rnn.pad_sequence(
                [
                    torch.tensor([*row, *ends.get(name, [0] * len(end))])
                    for row in value
                ],
                batch_first=True,
                padding_value=self._padding(name),
            )
            for name, value in rows.items()
        }
        return tokens, num_cut

    def silently(self, captions: list[str]) -> dict[str, torch.Tensor]:
        """Tokenises captions without telling of long ones, as a loader's workers do.

        Arguments
        ---------
        captions : list of str
            As in a call.

        Returns
        -------
        dict
            As in a call.
        """
        with counting():
            return self(captions)

    def cut(self, captions: Sequence[str]) -> CutCaptions:
        """Counts captions that are too long; those that cannot be are not tokenised.

        Arguments
        ---------
        captions : sequence of str
            Captions.

        Returns
        -------
        CutCaptions

        Example
        -------
        >>> CaptionTokenizer(None, max_tokens=30).cut(["a dog", "rain"])
        CutCaptions(num=0, of=2, max_tokens=30)
        """
        # a token is a byte at least, or how a caption begins and ends
        short = self.max_tokens - len(self.suffix) - _SPECIAL
        longer = [
            text for text in captions if len(text.encode(errors="replace")) > short
        ]
        found = CutCaptions(0, len(captions), self.max_tokens)
        with counting() as cut:
            for start in range(0, len(longer), _AT_ONCE):
                self(longer[start : start + _AT_ONCE])
        found.num = cut.num
        return found

    def padded_for(self, captions: Sequence[str]) -> CaptionTokenizer:
        """Pads each caption to the longest of all, whatever batch it comes in.

        A tower that stays as it is then gives the same bits for a caption each time;
        else what it rounds depends on the captions beside it.

        Arguments
        ---------
        captions : sequence of str
            All that there will be.

        Returns
        -------
        CaptionTokenizer

        Example
        -------
        >>> from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
        >>> folder, captions = getfixture("tmp_path"), ["a dog barks", "rain on a roof"]
        >>> train_sentencepiece(captions, folder, 50)
        >>> tokenize = CaptionTokenizer.from_folder(folder, 30)
        >>> short, whole = tokenize(["a dog"]), tokenize(captions)
        >>> padded = tokenize.padded_for(captions)(["a dog"])
        >>> short["input_ids"].shape[1] < padded["input_ids"].shape[1]
        True
        >>> padded["input_ids"].shape[1] == whole["input_ids"].shape[1]
        True
        """
        with counting():
            longest = max(
                self(list(captions[start : start + _AT_ONCE]))["input_ids"].shape[1]
                for start in range(0, len(captions), _AT_ONCE)
            )
        return replace(self, min_tokens=longest)

    def _padding(self, name: str) -> int:
        if name != "input_ids":
            return 0
        if isinstance(self.tokenizer, SentencePieceTokenizer):
            return self.tokenizer.model.pad_id()
        return self.tokenizer.pad_token_id or 0

    def save(self, folder: Path) -> None:
        """Writes the tokenizer's files.

        Arguments
        ---------
        folder : Path
            What :meth:`from_folder` can load.
        """
        if isinstance(self.tokenizer, SentencePieceTokenizer):
            model = self.tokenizer.model.serialized_model_proto()
            (folder / MODEL_FILE).write_bytes(model)
        else:
            self.tokenizer.save_pretrained(folder)


def check_captions(captions: list[str]) -> None:
    """Makes sure that captions can be embedded; all of them, before they are divided.

    Arguments
    ---------
    captions : list of str
        What is to be embedded.

    Raises
    ------
    ValueError
        If there is no caption, or some are empty, or one is no text, or none in
        Unicode; their places in the list are named.

    Example
    -------
    >>> try:
    ...     check_captions(["a dog"] * 100 + [""])
    ... except ValueError as error:
    ...     print(error)
    captions [100] are empty: leave them out
    """
    if isinstance(captions, str):
        raise ValueError(f"captions are a list: write [{captions!r}]")
    for index, text in enumerate(captions):
        if (reason := why_unreadable(text)) is not None:
            raise ValueError(f"captions [{index}] {reason}")
    empty = [index for index, text in enumerate(captions) if is_blank(text)]
    if empty or not captions:
        raise ValueError(
            f"captions {empty} are empty: leave them out"
            if captions
            else "there is no caption to embed"
        )
