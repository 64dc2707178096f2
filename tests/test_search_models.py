"""An index and its model: where it is, and that its words are the same words."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from builders import tiny_clap
from indexes import updater, write_sound

from clap_sb.encoders.missing_tokenizer import MissingTokenizer
from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
from clap_sb.inference import CLAP
from clap_sb.inference.model_fingerprint import fingerprint, tokenizer_fingerprint
from clap_sb.search import SearchIndex
from clap_sb.search.errors import SearchError
from clap_sb.search.matching import check_model, describe_model, located, sources
from clap_sb.search.searcher import Searcher
from clap_sb.search.store import Store

OTHER_WORDS = ["somebody whispers", "an engine idles", "glass shatters on a floor"]


@pytest.fixture
def make(tmp_path_factory):
    """The same small model on every call, but for what is asked for."""

    def build(**text) -> CLAP:
        return CLAP(tiny_clap(tmp_path_factory.mktemp("text"), **text), "tiny")

    return build


@pytest.fixture
def with_other_words(make, tmp_path):
    train_sentencepiece(OTHER_WORDS, tmp_path / "words", 60)
    clap = make()
    clap.model.text_encoder.load_tokenizer(tmp_path / "words")
    return clap


@pytest.fixture
def without_words(make):
    clap = make()
    tower = clap.model.text_encoder
    tower.tokenize = replace(tower.tokenize, tokenizer=MissingTokenizer())
    return clap


@pytest.fixture
def sounds(tmp_path):
    return write_sound(tmp_path / "sounds" / "0.wav", 0).parent


# --- the tokenizer ---


def test_another_tokenizer_is_another_model(make, with_other_words, sounds, tmp_path):
    out = tmp_path / "sounds.index"
    updater(out, make()).run([sounds], "model.pt")
    Searcher(SearchIndex(out), make())
    with pytest.raises(SearchError, match="another tokenizer.*--tokenizer"):
        Searcher(SearchIndex(out), with_other_words)
    with pytest.raises(SearchError, match="another tokenizer"):
        updater(out, with_other_words).run()


def test_an_index_that_was_made_without_a_tokenizer_learns_of_it(
    make, with_other_words, without_words, sounds, tmp_path
):
    out = tmp_path / "sounds.index"
    updater(out, without_words).run([sounds], "model.pt")
    assert Store(out).model.tokenizer_fingerprint == ""
    for clap in (make(), with_other_words):
        check_model(Store(out), clap)
    updater(out, make()).run()
    check_model(Store(out), without_words)  # who only adds sounds needs none
    with pytest.raises(SearchError, match="another tokenizer"):
        check_model(Store(out), with_other_words)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"max_tokens": 20}, {"max_tokens": 30}),
        ({"pooling": "mean"}, {"pooling": "cls"}),
        ({"suffix": " ."}, {"suffix": ""}),
    ],
)
def test_what_decides_embeddings_of_words_is_in_the_fingerprint(one, other, make):
    assert fingerprint(make(**one)) == fingerprint(make(**one))
    assert fingerprint(make(**one)) != fingerprint(make(**other))


def test_a_tokenizer_of_transformers_is_known_by_what_it_does(make, tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    def named(vocabulary, lowercase=False):
        words = {"[UNK]": 0, **{word: 1 + i for i, word in enumerate(vocabulary)}}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        if lowercase:
            from tokenizers.normalizers import Lowercase

            tokenizer.normalizer = Lowercase()
        clap = make()
        tower = clap.model.text_encoder
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
        tower.tokenize = replace(tower.tokenize, tokenizer=fast)
        return tokenizer_fingerprint(clap)

    words = ["a", "dog", "rain"]
    assert named(words) == named(words)
    others = {named(words), named(words[::-1]), named(words, lowercase=True)}
    assert len(others) == 3 and tokenizer_fingerprint(make()) not in others


# --- where it is ---


def test_a_checkpoint_of_the_hub_is_not_loaded_again(
    make, sounds, tmp_path, monkeypatch
):
    """It is signed by the files in the cache, like any other."""
    cached = tmp_path / "cache" / "snapshot"
    cached.mkdir(parents=True)
    (cached / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(
        "clap_sb.checkpoints.find_checkpoint.find_checkpoint", lambda source: cached
    )
    out = tmp_path / "sounds.index"
    updater(out, make()).run([sounds], "someone/model")
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert updater(out, None).run().unchanged == 1
    assert updater(out, None).run([sounds], "someone/model").unchanged == 1
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    # a new revision is looked at, and written down once
    (cached / "model.safetensors").write_bytes(b"the same weights, saved again")
    assert updater(out, make()).run().unchanged == 1
    assert updater(out, None).run().unchanged == 1


def test_a_tokenizer_is_remembered_and_signed(make, sounds, tmp_path):
    out, words = tmp_path / "sounds.index", tmp_path / "words"
    (tmp_path / "model.pt").write_bytes(b"weights")
    words.mkdir()
    (words / "sentencepiece.model").write_bytes(b"words")
    updater(out, make()).run([sounds], str(tmp_path / "model.pt"))
    updater(out, make()).run(tokenizer=str(words))
    assert Store(out).model.tokenizer == str(words)
    assert updater(out, None).run().unchanged == 1
    (words / "sentencepiece.model").write_bytes(b"other words")
    loaded = []
    again = updater(out, make())
    give = again.load
    again.load = lambda *given: loaded.append(given) or give(*given)
    again.run()
    assert loaded == [(str(tmp_path / "model.pt"), str(words))]


def test_a_tokenizer_goes_with_the_checkpoint_that_it_was_noted_with(make, tmp_path):
    """What was moved may have its tokenizer beside it, and the old one be gone."""
    for name in ("old.pt", "new.pt"):
        (tmp_path / name).write_bytes(b"weights")
    old, new = str(tmp_path / "old.pt"), str(tmp_path / "new.pt")
    facts = describe_model(make(), old, "someone/words")
    assert sources(facts, None, None) == (old, "someone/words")
    assert sources(facts, old, "others/words") == (old, "others/words")
    assert sources(facts, new, None) == (new, None)
    assert located(facts, make(), new, None).tokenizer is None


def test_nothing_is_written_where_nothing_is_new(make, tmp_path):
    clap = make()
    (tmp_path / "model.pt").write_bytes(b"weights")
    facts = describe_model(clap, str(tmp_path / "model.pt"), None)
    assert asdict(located(facts, clap, facts.checkpoint, None)) == asdict(facts)
