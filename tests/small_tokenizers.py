"""Small tokenizers of transformers: the special tokens are those of the real ones."""

from __future__ import annotations

from pathlib import Path

# in the order of their ids
_SPECIAL = {
    "roberta": ["<s>", "<pad>", "</s>", "<unk>"],
    "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]"],
}
_WORDS = "a dog barks twice at and rain falls on tin roof siren in the distance".split()


def word_tokenizer(folder: Path, kind: str, size: int = 60) -> Path:
    """Writes a tokenizer with an id a word, and ``size`` ids in all."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [*_SPECIAL[kind], *_WORDS]
    words += [f"word{index}" for index in range(size - len(words))]
    ids = {word: index for index, word in enumerate(words)}
    is_bert = kind == "bert"
    begin, end = ("[CLS]", "[SEP]") if is_bert else ("<s>", "</s>")
    unknown, padding = ("[UNK]", "[PAD]") if is_bert else ("<unk>", "<pad>")
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        special_tokens=[(begin, ids[begin]), (end, ids[end])],
    )
    names = {"cls_token": begin, "sep_token": end}
    if not is_bert:
        names |= {"bos_token": begin, "eos_token": end}
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=unknown, pad_token=padding, **names
    ).save_pretrained(folder)
    return folder
