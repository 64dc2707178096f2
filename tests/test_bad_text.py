"""Texts of any kind: each has a finite embedding, or one error that names it."""

from __future__ import annotations

import os

import numpy as np
import pytest
from builders import tiny_clap
from indexes import store_of, unit
from small_tokenizers import word_tokenizer

from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
from clap_sb.inference import CLAP
from clap_sb.inference.labels import Labels
from clap_sb.search import SearchIndex
from clap_sb.search.errors import SearchError
from clap_sb.search.searcher import Searcher

STRANGE = {
    "ten thousand words": "a dog barks " * 3334,
    "one word of 100,000 letters": "wuff" * 25_000,
    "right to left": "كلب ينبح في المطر",
    "emoji": "🐕‍🦺 🎵🎶 👩🏽‍🚒",
    "controls among letters": "a\x00dog\x07\x1b[31mbarks\x7f\r\n\t",
    "punctuation": "?!... --- ;;; \"'",
    "a script without words here": "ᚠᚢᚦᚨᚱᚲ 狗在叫 ꦱꦸꦮꦫ",
    "combining marks": "e" + "\u0301" * 500,
    "beyond the first plane": "\U00020000\U0001f300\U000e0041",
    "a special token": "</s><s><pad>",
    "one letter": "a",
    "format": "{label} %s $HOME `ls` \\n",
}
EMPTY = ["", " ", "\t\n", "\u200b\u200e", "\x00\x01\x02", "\ufeff"]
NO_TEXT = [None, 7, 7.5, float("nan"), b"a dog", ["a dog"], True]
NO_UNICODE = ["\ud83d", "a dog \udcff barks", os.fsdecode(b"Pi\xe8ce")]


@pytest.fixture(scope="module", params=["sentencepiece", "words"])
def clap(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = tiny_clap(folder).eval()
    if request.param == "sentencepiece":
        train_sentencepiece(["a dog barks", "rain on a roof"], folder / "sp", 50)
        tokenize = CaptionTokenizer.from_folder(folder / "sp", max_tokens=20)
    else:
        words = word_tokenizer(folder / "words", "roberta", 40)
        tokenize = CaptionTokenizer.from_folder(words, max_tokens=20)
    model.text_encoder.tokenize = tokenize
    return CLAP(model, "tiny")


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.filterwarnings("ignore:.* longer than")
def test_strange_texts_have_embeddings(clap, name):
    rows = clap.encode_text(["a dog", STRANGE[name], "rain"])
    assert rows.isfinite().all()
    np.testing.assert_allclose(rows.norm(dim=1), 1, rtol=1e-4)
    # and what stands beside them has no part in it
    alone = clap.encode_text(["a dog"])
    np.testing.assert_allclose(rows[:1], alone, atol=1e-4)


@pytest.mark.parametrize("text", EMPTY)
def test_texts_of_nothing_are_named(clap, text):
    with pytest.raises(ValueError, match=r"captions \[1\] are empty"):
        clap.encode_text(["a dog", text])


@pytest.mark.parametrize("text", NO_TEXT)
def test_what_is_no_text_is_named(clap, text):
    with pytest.raises(ValueError, match=r"captions \[1\] is .*and captions are texts"):
        clap.encode_text(["a dog", text])
    with pytest.raises(ValueError, match=r"is .*and captions are texts"):
        Labels.of({"dog": ["a dog", text]})


@pytest.mark.parametrize("text", NO_UNICODE)
def test_what_is_no_unicode_is_named(clap, text):
    for use in (
        lambda: clap.encode_text(["a dog", text]),
        lambda: clap.model.text_encoder.tokenize(["a dog", text]),
        lambda: clap.model.text_encoder.tokenize.cut(["a dog " * 50, "b" * 50 + text]),
    ):
        with pytest.raises(ValueError, match=r"captions \[1\] is .*no UTF-8"):
            use()
    with pytest.raises(ValueError, match=r"a label, or its description, is .*no UTF-8"):
        Labels.of(["dog", text])


@pytest.mark.parametrize("text", [*NO_TEXT, *NO_UNICODE])
def test_a_tokenizer_is_trained_on_texts_alone(tmp_path, text):
    with pytest.raises(ValueError, match=r"captions \[1\] is "):
        train_sentencepiece(["a dog barks", text], tmp_path, 50)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        *[([text], "a query is empty") for text in EMPTY],
        *[(["a dog", text], "a query is .*captions are texts") for text in NO_TEXT],
        *[([text], "a query is .*no UTF-8") for text in NO_UNICODE],
    ],
)
def test_queries_of_nothing_are_told(clap, tmp_path, texts, message):
    dim = clap.encode_text(["a"]).shape[1]
    store = store_of(tmp_path / "sounds.index", [unit(1, dim)])
    searcher = Searcher.__new__(Searcher)
    searcher.index, searcher.clap = SearchIndex(store.folder), clap
    with pytest.raises(SearchError, match=message):
        searcher.find(texts)
    assert len(searcher.find([STRANGE["emoji"]])) == 1


@pytest.mark.parametrize("labels", [["dog", ""], ["\u200b"], ["dog", "dog"]])
def test_labels_of_nothing_and_labels_that_are_there_twice_are_told(labels):
    with pytest.raises(ValueError, match="a label is empty|is there twice"):
        Labels.of(labels)
