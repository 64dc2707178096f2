"""The tokenizer that is trained on the captions at hand."""

from __future__ import annotations

import pickle

import pytest
import torch
from builders import CAPTIONS

from clap_sb.encoders.sentencepiece_tokenizer import (
    MODEL_FILE,
    STAMP_FILE,
    SentencePieceTokenizer,
    train_sentencepiece,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces")
    train_sentencepiece(CAPTIONS, folder, 60)
    return SentencePieceTokenizer(folder)


def test_rows_are_padded_to_the_longest(tokenizer):
    tokens = tokenizer(CAPTIONS, max_tokens=77)
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    assert ids.dtype == mask.dtype == torch.int64
    for row, shown, caption in zip(ids, mask, CAPTIONS, strict=True):
        pieces = tokenizer.model.encode(caption)
        length = len(pieces) + 2
        assert row[:length].tolist() == [0, *pieces, 2]
        assert (row[length:] == 1).all()
        assert shown.tolist() == [1] * length + [0] * (len(row) - length)
    assert mask[:, -1].any(), "nothing is longer than the longest caption"


def test_what_was_tokenised_can_be_read_again(tokenizer):
    row = tokenizer(["Rain falls on a TIN roof"], max_tokens=77)["input_ids"][0]
    assert tokenizer.model.decode(row[1:-1].tolist()) == "rain falls on a tin roof"


def test_long_captions_are_cut_and_keep_their_end(tokenizer):
    whole = tokenizer([CAPTIONS[2]], max_tokens=77)["input_ids"][0]
    cut = tokenizer([CAPTIONS[2]], max_tokens=6)["input_ids"][0]
    assert len(whole) > 6
    assert cut.tolist() == [*whole[:5].tolist(), 2]


def test_unknown_characters_are_one_token_and_no_error(tokenizer):
    known = tokenizer(["a dog"], max_tokens=77)["input_ids"][0].tolist()
    strange = tokenizer(["a dog 鳥"], max_tokens=77)["input_ids"][0].tolist()
    assert 3 not in known and 3 in strange
    assert strange[: len(known) - 1] == known[:-1]
    assert max(strange) < len(tokenizer)


@pytest.mark.parametrize("caption", ["<pad>", "</s> a dog <s>", "{x} $y"])
def test_special_names_in_a_caption_are_text(tokenizer, caption):
    tokens = tokenizer([caption, CAPTIONS[2]], max_tokens=77)
    row = tokens["input_ids"][0][tokens["attention_mask"][0].bool()].tolist()
    assert not {0, 1, 2} & set(row[1:-1])


def test_same_captions_give_the_same_file(tmp_path):
    for name in ("one", "two"):
        train_sentencepiece(CAPTIONS, tmp_path / name, 60)
    train_sentencepiece([*CAPTIONS, "wind howls"], tmp_path / "other", 60)
    files = {
        name: (tmp_path / name / MODEL_FILE).read_bytes()
        for name in ("one", "two", "other")
    }
    assert files["one"] == files["two"] != files["other"]
    left = {path.name for path in (tmp_path / "one").iterdir()}
    assert left == {MODEL_FILE, STAMP_FILE}


def test_a_folder_with_these_captions_is_left_as_it_is(tmp_path):
    train_sentencepiece(CAPTIONS, tmp_path, 60)
    (tmp_path / MODEL_FILE).write_bytes(b"untouched")
    train_sentencepiece(CAPTIONS, tmp_path, 60)
    assert (tmp_path / MODEL_FILE).read_bytes() == b"untouched"


@pytest.mark.parametrize(("captions", "size"), [(CAPTIONS[1:], 60), (CAPTIONS, 50)])
def test_a_folder_with_another_model_is_not_overwritten(tmp_path, captions, size):
    train_sentencepiece(CAPTIONS, tmp_path, 60)
    before = (tmp_path / MODEL_FILE).read_bytes()
    with pytest.raises(ValueError, match="choose another output folder"):
        train_sentencepiece(captions, tmp_path, size)
    assert (tmp_path / MODEL_FILE).read_bytes() == before


def test_a_run_that_was_killed_before_the_stamp_trains_anew(tmp_path):
    train_sentencepiece(CAPTIONS, tmp_path, 60)
    whole = (tmp_path / MODEL_FILE).read_bytes()
    (tmp_path / STAMP_FILE).unlink()
    (tmp_path / MODEL_FILE).write_bytes(whole[:100])
    train_sentencepiece(CAPTIONS, tmp_path, 60)
    assert (tmp_path / MODEL_FILE).read_bytes() == whole


def test_the_vocabulary_is_as_large_as_the_captions_allow(tmp_path):
    train_sentencepiece(["a dog barks"], tmp_path, 5000)
    assert 4 < len(SentencePieceTokenizer(tmp_path)) < 50


def test_no_caption_to_learn_from(tmp_path):
    with pytest.raises(ValueError, match="all of them are empty"):
        train_sentencepiece(["", "  "], tmp_path, 60)


def test_no_model_to_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="train one first"):
        SentencePieceTokenizer(tmp_path)


def test_workers_can_be_sent_a_tokenizer(tokenizer):
    again = pickle.loads(pickle.dumps(tokenizer))
    expected = tokenizer(CAPTIONS, max_tokens=20)["input_ids"]
    assert torch.equal(again(CAPTIONS, max_tokens=20)["input_ids"], expected)
