"""A tokenizer of another model is refused: its ids are other words."""

from __future__ import annotations

import pytest
import torch
from small_checkpoints import clap_model, laion_state, write_tokenizer
from small_tokenizers import word_tokenizer

from clap_sb.checkpoints.architecture import Part, TextTower
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.speechbrain_folder import write_speechbrain_folder
from clap_sb.checkpoints.tokenizer_fit import check_tokenizer
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.inference import CLAP


@pytest.fixture(scope="module")
def laion(tmp_path_factory):
    path = tmp_path_factory.mktemp("laion") / "epoch_1.pt"
    torch.save({"state_dict": laion_state()}, path)
    return path


def test_bert_s_beside_roberta_is_refused(tmp_path):
    clap_model().save_pretrained(tmp_path)
    word_tokenizer(tmp_path, "bert")
    with pytest.raises(CheckpointError, match="bos_token_id is 2, and .* tower's 0"):
        CLAP.from_checkpoint(tmp_path)
    word_tokenizer(tmp_path, "roberta")
    assert CLAP.from_checkpoint(tmp_path).encode_text("a dog").shape == (1, 12)


@pytest.mark.parametrize(
    ("kind", "size", "said"),
    [
        ("bert", 60, "pad_token_id is 0, and the text tower's 1"),
        ("roberta", 61, "it has 61 tokens, and the text tower 60"),
    ],
)
def test_another_one_that_is_named_is_refused(laion, tmp_path, kind, size, said):
    with pytest.raises(CheckpointError, match=said):
        CLAP.from_checkpoint(laion, tokenizer=word_tokenizer(tmp_path, kind, size))


def test_one_that_is_named_for_an_export_is_looked_at(laion, tmp_path):
    own = write_tokenizer(tmp_path / "own")
    out = tmp_path / "out"
    write_speechbrain_folder(open_checkpoint(laion, own), out)
    assert CLAP.from_checkpoint(out).encode_text("a dog").shape == (1, 12)
    wrong = word_tokenizer(tmp_path / "wrong", "bert")
    with pytest.raises(CheckpointError, match="is of another model"):
        CLAP.from_checkpoint(out, tokenizer=wrong)


def test_a_table_may_have_a_few_rows_more(laion, tmp_path):
    few = word_tokenizer(tmp_path, "roberta", 50)
    assert CLAP.from_checkpoint(laion, tokenizer=few).encode_text("a dog").shape[0] == 1


@pytest.mark.parametrize(
    ("rows", "fits"), [(28996, True), (29056, True), (30522, False), (30720, True)]
)
def test_bert_s_cased_vocabulary_is_not_the_uncased_one(tmp_path, rows, fits):
    """28,996 tokens against 30,522; a table may be filled up to a multiple of 64."""
    folder = word_tokenizer(tmp_path, "bert", 28996)
    tokenize = CaptionTokenizer.from_folder(folder, 77)
    config = {"model_type": "bert", "vocab_size": rows, "pad_token_id": 0}
    tower = TextTower(Part("clap_sb.encoders.text.TransformersText"), config, "")
    if fits:
        check_tokenizer(tokenize, tower, "x.pt")
    else:
        with pytest.raises(CheckpointError, match="28996 tokens, and .* 30522"):
            check_tokenizer(tokenize, tower, "x.pt")
