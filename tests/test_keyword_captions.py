"""Captions made of keywords: by templates, and by a tiny T5 that the test writes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clap_sb.data.keyword_captions import add_keyword_captions
from clap_sb.data.keyword_model import KeywordModel
from clap_sb.data.manifest import Clip, read_manifest, read_note
from clap_sb.data.templates import TEMPLATES, listed, sentences
from clap_sb.hub import HubError

WORDS = "a the dog barks rain falls man woman wind and in".split()


def clip(name: str, **values) -> Clip:
    return Clip(name, f"/audio/{name}.wav", **{"duration": 5.0, **values})


CLIPS = [
    clip("both", captions=("A human wrote this.",), keywords=("dog", "rain")),
    clip("keywords", keywords=("wind",)),
    clip("label", label="sea_waves"),
    clip("label and keywords", label="sea_waves", keywords=("rain", "dog")),
    clip("plain", captions=("Rain.",)),
    clip("nothing"),
    clip("short", keywords=("dog",), duration=1.99),
    clip("short with caption", captions=("Bark.",), keywords=("dog",), duration=0.5),
    clip("two seconds", keywords=("dog",), duration=2.0),
]


@pytest.fixture(scope="module")
def t5(tmp_path_factory) -> Path:
    """A T5 of random weights over a dozen words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import (
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    folder = tmp_path_factory.mktemp("t5")
    pieces = ["<pad>", "</s>", "<unk>", *WORDS]
    ids = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    ).save_pretrained(folder)
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=len(pieces),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_decoder_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    model = T5ForConditionalGeneration(config)
    for (
        parameter
    ) in model.parameters():  # fresh ones are so small that all say one word
        parameter.data.normal_()
    model.save_pretrained(folder)
    return folder


# ---------------------------------------------------------------- templates


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (["dog"], "dog"),
        (["sea_waves", "wind"], "sea waves and wind"),
        (["a", "b_c", " d  e "], "a, b c and d e"),
    ],
)
def test_labels_put_into_words(labels, text):
    assert listed(labels) == text


def test_sentences_are_distinct_hold_all_labels_and_follow_the_seed():
    made = sentences(["sea_waves", "wind {x}"], len(TEMPLATES), seed=(1, "clip"))
    assert len(set(made)) == len(TEMPLATES)
    lower = [text.lower() for text in made]
    assert all("sea waves" in text and "wind {x}" in text for text in lower)
    assert all(text[0].isupper() and text.endswith(".") for text in made)
    orders = {text.index("sea waves") < text.index("wind {x}") for text in lower}
    assert orders == {True, False}
    again = sentences(["sea_waves", "wind {x}"], len(TEMPLATES), seed=(1, "clip"))
    assert again == made
    drawn = [sentences(["dog"], seed=(1, number))[0] for number in range(300)]
    counts = [drawn.count(text) for text in set(drawn)]
    assert len(counts) == len(TEMPLATES) and min(counts) > 10


@pytest.mark.parametrize(
    ("labels", "count", "message"),
    [
        ([], 1, "needs a label"),
        (["dog"], len(TEMPLATES) + 1, f"there are {len(TEMPLATES)}"),
        (["dog"], 0, "0 sentences"),
    ],
)
def test_what_cannot_be_said(labels, count, message):
    with pytest.raises(ValueError, match=message):
        sentences(labels, count)


# ---------------------------------------------------------------- the manifest


def test_templates_in_the_manifest(tmp_path):
    manifest = add_keyword_captions(CLIPS, tmp_path / "k.json", count=2, seed=4)
    made = {clip.id: clip for clip in read_manifest(manifest)}
    assert list(made) == [
        clip.id for clip in CLIPS if clip.id not in ("short", "nothing")
    ]
    assert made["both"].captions[0] == "A human wrote this."
    assert len(made["both"].captions) == 3
    assert all("sea waves" in text.lower() for text in made["label"].captions)
    assert all("dog" in t.lower() for t in made["label and keywords"].captions)
    assert len(made["two seconds"].captions) == 2
    for name in ("plain", "short with caption"):
        assert made[name] == next(clip for clip in CLIPS if clip.id == name)
    assert read_note(manifest)["left_out"] == 2


@pytest.mark.parametrize(
    "change", [{"seed": 5}, {"count": 1}, {"clips": CLIPS[:4]}], ids=str
)
def test_the_manifest_is_kept_until_something_changes(tmp_path, change):
    path = tmp_path / "k.json"
    settings = {"clips": CLIPS, "manifest": path, "count": 2, "seed": 4}
    first = add_keyword_captions(**settings).read_bytes()
    stat = path.stat()
    add_keyword_captions(**settings)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (
        stat.st_mtime_ns,
        stat.st_ino,
    )
    add_keyword_captions(**{**settings, **change})
    assert path.read_bytes() != first


def test_nothing_to_make_captions_of(tmp_path):
    with pytest.raises(ValueError, match="not one training clip"):
        add_keyword_captions([CLIPS[4], CLIPS[6]], tmp_path / "k.json")


# ---------------------------------------------------------------- the model


def test_the_model_says_the_same_whatever_else_is_asked(t5):
    model = KeywordModel(t5, max_tokens=8)
    alone = [model([words])[0] for words in (["dog"], ["rain", "wind"])]
    both = model([["rain", "wind"], ["dog"], ["rain", "wind"]])
    assert both == [alone[1], alone[0], alone[1]]
    assert alone[0] != alone[1]
    several = model([["dog"]], count=3)[0]
    assert 1 < len(several) <= 3 and len(set(several)) == len(several)


def test_what_the_model_says_goes_through_debias(t5, monkeypatch):
    model = KeywordModel(t5, max_tokens=4)
    monkeypatch.setattr(
        model.tokenizer,
        "batch_decode",
        lambda *a, **k: ["a man  barks", "", "a man barks"],
    )
    assert model([["dog"]], count=3) == [("a person barks",)]


def test_the_model_runs_once_for_a_manifest(t5, tmp_path, monkeypatch):
    first = add_keyword_captions(CLIPS, tmp_path / "k.json", generator=str(t5))
    made = {clip.id: clip.captions for clip in read_manifest(first)}
    assert made["keywords"] == KeywordModel(t5)([["wind"]])[0]
    assert "short" not in made and made["plain"] == ("Rain.",)
    monkeypatch.setattr("clap_sb.data.keyword_captions.KeywordModel", None)
    add_keyword_captions(CLIPS, tmp_path / "k.json", generator=str(t5))


def test_an_interrupted_model_goes_on_where_it_was(t5, tmp_path, monkeypatch):
    monkeypatch.setattr("clap_sb.data.keyword_model._BATCH", 1)
    generate, asked = KeywordModel._generate, []

    def interrupted(self, texts, count):
        asked.extend(texts)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return generate(self, texts, count)

    monkeypatch.setattr(KeywordModel, "_generate", interrupted)
    settings = {"clips": CLIPS, "generator": str(t5)}
    with pytest.raises(KeyboardInterrupt):
        add_keyword_captions(manifest=tmp_path / "k.json", **settings)
    cache = tmp_path / "k_model.jsonl"
    assert len(cache.read_text().splitlines()) == 2
    with open(cache, "a") as file:
        file.write('{"maker": "cut sh')  # as a kill in the middle of writing leaves it
    add_keyword_captions(manifest=tmp_path / "k.json", **settings)
    assert len(asked) == len(set(asked)) + 1  # the one that was interrupted
    monkeypatch.setattr(KeywordModel, "_generate", generate)
    add_keyword_captions(manifest=tmp_path / "whole.json", **settings)
    assert read_manifest(tmp_path / "k.json") == read_manifest(tmp_path / "whole.json")
    # other settings are not answered by what is kept
    said = KeywordModel(t5)([["dog"]], count=2, cache=cache)
    assert said == KeywordModel(t5)([["dog"]], count=2)


def test_the_model_runs_where_it_is_told(t5, monkeypatch):
    model = KeywordModel(t5, device="meta")
    assert model.model.device.type == "meta"
    given = {}

    def generate(**options):
        given.update(options)
        return torch.zeros(1, 1, dtype=torch.int64)

    monkeypatch.setattr(model.model, "generate", generate)
    model([["dog"]])
    assert given["input_ids"].device.type == "meta"
    assert given["attention_mask"].device.type == "meta"


def test_a_model_that_is_not_there(tmp_path, monkeypatch):
    def no_hub(*arguments):
        raise HubError("no network")

    monkeypatch.setattr("clap_sb.data.keyword_model.fetch_snapshot", no_hub)
    with pytest.raises(HubError, match="neither a folder.*no network.*templates"):
        KeywordModel(tmp_path / "nowhere")
