"""BERT and RoBERTa of our own: the same as transformers', to the bit."""

from __future__ import annotations

import json

import pytest
import torch
from builders import amplify

from clap_sb.encoders.bert import Bert
from clap_sb.encoders.bert_config import CONFIG_FILE, BertConfig

NUMBERS = {
    "vocab_size": 90,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "max_position_embeddings": 40,
}
KINDS = ["bert", "roberta"]


def drawn(kind: str, with_pooler: bool) -> tuple[Bert, torch.nn.Module, torch.Tensor]:
    """Ours and theirs, each from the same seed, and what either draws next."""
    from transformers import AutoConfig, AutoModel

    theirs_config = AutoConfig.for_model(kind, **NUMBERS)
    torch.manual_seed(3)
    theirs = AutoModel.from_config(theirs_config, add_pooling_layer=with_pooler)
    next_of_theirs = torch.rand(3)
    torch.manual_seed(3)
    ours = Bert(BertConfig.of({"model_type": kind, **NUMBERS}), with_pooler)
    return ours, theirs, torch.stack([torch.rand(3), next_of_theirs])


def tokens(kind: str, padded: bool) -> dict[str, torch.Tensor]:
    ids = torch.randint(3, 90, (4, 12))
    mask = torch.ones_like(ids)
    if padded:
        mask[1, 7:] = 0
        mask[3, 2:] = 0
    ids[mask == 0] = BertConfig.of({"model_type": kind}).pad_token_id
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("with_pooler", [False, True])
def test_what_is_drawn_is_what_transformers_draws(kind, with_pooler):
    ours, theirs, drawn_next = drawn(kind, with_pooler)
    assert torch.equal(*drawn_next)
    found, expected = ours.state_dict(), theirs.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    # buffers that are not saved count in a model's fingerprint
    found, expected = dict(ours.named_buffers()), dict(theirs.named_buffers())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("mode", ["eval", "train", "checkpointed"])
def test_every_bit_is_that_of_transformers(kind, padded, mode):
    """Values, dropout and gradients."""
    ours, theirs, _ = drawn(kind, True)
    amplify(ours)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    given = tokens(kind, padded)
    outputs = []
    for model in (ours.train(mode != "eval"), theirs.train(mode != "eval")):
        torch.manual_seed(4)
        if mode == "checkpointed" and model is ours:
            model.gradient_checkpointing = True
        output = model(**given)
        outputs.append((output.last_hidden_state, output.pooler_output))
        (outputs[-1][0].square().sum() + outputs[-1][1].square().sum()).backward()
    for found, expected in zip(*outputs, strict=True):
        assert torch.equal(found, expected)
    for (name, one), other in zip(
        ours.named_parameters(), theirs.parameters(), strict=True
    ):
        assert torch.equal(one.grad, other.grad), name


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_it_compiles_as_one_graph(kind):
    bert = Bert(BertConfig.of({"model_type": kind, **NUMBERS})).eval()
    compiled = torch.compile(bert, fullgraph=True, backend="eager")
    for padded in (False, True):
        words = tokens(kind, padded)
        found, expected = compiled(**words), bert(**words)
        torch.testing.assert_close(found.pooler_output, expected.pooler_output)


def test_kinds_of_tokens_are_heard():
    ours, theirs, _ = drawn("bert", False)
    given = tokens("bert", True)
    given["token_type_ids"] = torch.randint(0, 2, given["input_ids"].shape)
    ours.eval(), theirs.eval()
    assert torch.equal(ours(**given)[0], theirs(**given).last_hidden_state)
    del given["token_type_ids"]
    assert torch.equal(ours(**given)[0], theirs(**given).last_hidden_state)


@pytest.mark.parametrize(
    "values",
    [
        {"model_type": "gpt2"},
        {},
        {"model_type": "bert", "hidden_act": "relu"},
        {"model_type": "bert", "is_decoder": True},
        {"model_type": "roberta", "dtype": "float16"},
        {"model_type": "roberta", "torch_dtype": "bfloat16"},
    ],
    ids=str,
)
def test_what_is_more_or_else_is_left_to_transformers(values):
    assert BertConfig.of(values) is None


def test_what_transformers_writes_is_read(tmp_path):
    from transformers import AutoConfig

    written = AutoConfig.for_model("roberta", **NUMBERS)
    written.save_pretrained(tmp_path)
    config = BertConfig.read(tmp_path)
    for name in (*NUMBERS, "pad_token_id", "layer_norm_eps", "type_vocab_size"):
        assert getattr(config, name) == getattr(written, name), name
    config.save_pretrained(tmp_path)
    assert BertConfig.read(tmp_path) == config
    assert json.loads((tmp_path / CONFIG_FILE).read_text()) == config.values


def test_all_numbers_are_spelled_out_in_what_is_written(tmp_path):
    """Other classes have other defaults: transformers' CLAP has one kind of token."""
    BertConfig.of({"model_type": "roberta", "note": "kept"}).save_pretrained(tmp_path)
    values = json.loads((tmp_path / CONFIG_FILE).read_text())
    assert (values["type_vocab_size"], values["pad_token_id"]) == (2, 1)
    assert values["note"] == "kept"


def test_heads_share_the_width():
    with pytest.raises(ValueError, match=r"\(50\) is no multiple .* \(12\)"):
        BertConfig.of({"model_type": "bert", "hidden_size": 50})
