"""Stands in for a tokenizer that is not at hand.

A checkpoint holds weights and no tokenizer. Its text tower takes tokens all the same,
and its audio tower needs none.
"""

from __future__ import annotations

from pathlib import Path

# one of these lies in every folder that a tokenizer was saved to
TOKENIZER_FILES = (
    "sentencepiece.model",
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)


class MissingTokenizer:
    """Raises when it is to tokenise.

    Example
    -------
    >>> MissingTokenizer()(["a dog"])
    Traceback (most recent call last):
    ...
    ValueError: this text tower came without its tokenizer, so that it takes token \
tensors only: name a folder with the tokenizer, or one on the Hugging Face hub
    """

    def __call__(self, *args: object, **kwargs: object) -> None:
        """Raises, and says what to do."""
        raise ValueError(
            "this text tower came without its tokenizer, so that it takes token "
            "tensors only: name a folder with the tokenizer, or one on the Hugging "
            "Face hub"
        )

    def save_pretrained(self, folder: Path) -> None:
        """Writes nothing: there is none."""


def has_tokenizer(folder: str | Path) -> bool:
    """Whether a folder holds a tokenizer's files.

    Arguments
    ---------
    folder : str or Path
        A folder.

    Returns
    -------
    bool

    Example
    -------
    >>> has_tokenizer(getfixture("tmp_path"))
    False
    """
    return any((Path(folder) / name).is_file() for name in TOKENIZER_FILES)
