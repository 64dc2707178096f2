"""A SentencePiece tokenizer that is trained on the captions at hand.

What a text tower uses that starts from random weights: no vocabulary has to be
fetched.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path

import torch

from clap_sb.encoders.readable import is_blank, why_unreadable
from clap_sb.whole_file import write_whole

MODEL_FILE = "sentencepiece.model"
STAMP_FILE = "sentencepiece.json"


class SentencePieceTokenizer:
    """Captions to padded token tensors.

    Ids follow RoBERTa: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2, ``<unk>`` 3.

    Arguments
    ---------
    folder : str or Path
        Folder with ``sentencepiece.model``, as :func:`train_sentencepiece` writes it.

    Raises
    ------
    FileNotFoundError
        If there is no model in the folder.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> train_sentencepiece(["a dog barks", "rain falls on a roof"], folder, 50)
    >>> tokenizer = SentencePieceTokenizer(folder)
    >>> tokens = tokenizer(["a dog", "a dog barks on a roof"], max_tokens=8)
    >>> tokens["input_ids"].shape == tokens["attention_mask"].shape
    True
    """

    def __init__(self, folder: str | Path):
        import sentencepiece

        path = Path(folder) / MODEL_FILE
        if not path.is_file():
            raise FileNotFoundError(
                f"no tokenizer at {path}: train one first "
                "(clap_sb.encoders.sentencepiece_tokenizer.train_sentencepiece)"
            )
        self.model = sentencepiece.SentencePieceProcessor(model_file=str(path))

    def __len__(self) -> int:
        """Number of tokens in the vocabulary."""
        return self.model.vocab_size()

    def __call__(self, captions: list[str], max_tokens: int) -> dict[str, torch.Tensor]:
        """Tokenises captions, padded to the longest of them.

        Arguments
        ---------
        captions : list of str
            Captions.
        max_tokens : int
            Longer captions are cut to this, ``</s>`` kept.

        Returns
        -------
        dict
            ``input_ids`` and ``attention_mask``, each ``[batch, tokens]``, int64.
        """
        return self.counted(captions, max_tokens)[0]

    def counted(
        self, captions: list[str], max_tokens: int
    ) -> tuple[dict[str, torch.Tensor], int]:
        """Does the same, and counts.

        Arguments
        ---------
        captions : list of str
            Captions.
        max_tokens : int
            Longer captions are cut to this.

        Returns
        -------
        tokens : dict
            As a call gives them.
        num_cut : int
            Captions that were cut.
        """
        model, most = self.model, max_tokens - 2
        pieces = [model.encode(caption.lower()) for caption in captions]
        num_cut = sum(len(row) > most for row in pieces)
        rows = [[model.bos_id(), *row[:most], model.eos_id()] for row in pieces]
        size = max(len(row) for row in rows)
        ids = torch.full((len(rows), size), model.pad_id(), dtype=torch.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
        mask = (ids != model.pad_id()).long()
        return {"input_ids": ids, "attention_mask": mask}, num_cut


def train_sentencepiece(
    captions: Iterable[str], folder: str | Path, vocab_size: int
) -> None:
    """Trains a BPE model on captions; the same captions give the same model.

    BPE keeps the words of a small vocabulary whole, where a unigram model prunes even
    frequent ones into letters (measured: "car" and "and" among 2,000 captions).

    A folder that holds the model of these captions already is left as it is.

    Arguments
    ---------
    captions : iterable of str
        Training captions.
    folder : str or Path
        Receives ``sentencepiece.model`` and, last, ``sentencepiece.json``, which tells
        what the model was trained on.
    vocab_size : int
        Upper limit of the vocabulary; few captions give a smaller one.

    Raises
    ------
    ValueError
        If there is no caption to learn from, or one is no text, or the folder holds the
        model of other captions: whatever was trained with it could no longer be used.

    Example
    -------
    >>> train_sentencepiece(["a dog barks"], getfixture("tmp_path"), 30)
    """
    captions = list(captions)
    for index, caption in enumerate(captions):
        if (reason := why_unreadable(caption)) is not None:
            raise ValueError(f"captions [{index}] {reason}")
    lines = [caption.lower() for caption in captions if not is_blank(caption)]
    if not lines:
        raise ValueError("no caption to train a tokenizer on: all of them are empty")
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    stamp = json.dumps({"captions": digest, "vocab_size": vocab_size})
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / STAMP_FILE).is_file():
        if (folder / STAMP_FILE).read_text(encoding="utf-8") == stamp:
            return
        raise ValueError(
            f"{folder} holds a tokenizer that was trained on other captions: choose "
            "another output folder, or delete it to start afresh"
        )
    write_whole(folder / MODEL_FILE, _train(lines, vocab_size))
    write_whole(folder / STAMP_FILE, stamp.encode())


def _train(lines: list[str], vocab_size: int) -> bytes:
    """The serialised model; one thread, since several would give one of several."""
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=written,
        model_type="bpe",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        bos_id=0,
        pad_id=1,
        eos_id=2,
        unk_id=3,
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()
