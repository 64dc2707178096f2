"""Text towers: equal to transformers' model on the bare caption, whatever the batch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from builders import CAPTIONS, amplify, tiny_text, write_text_source
from safetensors.torch import load_file, save_file

from clap_sb.encoders.sentencepiece_tokenizer import MODEL_FILE
from clap_sb.encoders.text import TransformersText


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    return amplify(tiny_text(tmp_path_factory.mktemp("text"))).eval()


def near(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def transformers_peer(tower: TransformersText, folder: Path) -> torch.nn.Module:
    """The tower's weights in transformers' own class."""
    from transformers import RobertaConfig, RobertaModel

    tower.save_source(folder)
    peer = RobertaModel(RobertaConfig.from_pretrained(folder)).eval()
    peer.load_state_dict(tower.model.state_dict(), strict=True)
    return peer


@torch.no_grad()
def test_pooler_equals_transformers_caption_by_caption(tower, tmp_path):
    peer = transformers_peer(tower, tmp_path)
    bare = [tower.tokenize([caption])["input_ids"] for caption in CAPTIONS]
    assert len({ids.shape[1] for ids in bare}) > 2, "lengths must differ"
    expected = torch.cat([peer(ids).pooler_output for ids in bare])
    assert torch.pdist(expected).min() > 1e-2
    near(tower(CAPTIONS), expected)


@torch.no_grad()
def test_padding_to_the_longest_equals_padding_to_77(tower):
    tokens = tower.tokenize(CAPTIONS)
    assert tokens["input_ids"].shape[1] < 77
    extra = 77 - tokens["input_ids"].shape[1]
    padded = {
        "input_ids": torch.nn.functional.pad(tokens["input_ids"], (0, extra), value=1),
        "attention_mask": torch.nn.functional.pad(tokens["attention_mask"], (0, extra)),
    }
    near(tower(padded), tower(tokens))
    unmasked = {**padded, "attention_mask": torch.ones_like(padded["attention_mask"])}
    assert (tower(unmasked) - tower(tokens)).abs().max() > 1e-3, "masks must matter"


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["cls", "mean", "last"])
def test_poolings_equal_a_loop(tmp_path, pooling):
    tower = amplify(tiny_text(tmp_path, pooling=pooling)).eval()
    rows = []
    for caption in CAPTIONS:
        states = tower.model(**tower.tokenize([caption])).last_hidden_state[0]
        rows.append({"cls": states[0], "mean": states.mean(0), "last": states[-1]})
    found = tower(CAPTIONS)
    near(found, torch.stack([row[pooling] for row in rows]))
    for other in {"cls", "mean", "last"} - {pooling}:
        expected = torch.stack([row[other] for row in rows])
        assert (found - expected).abs().max() > 1e-2


@torch.no_grad()
def test_a_caption_does_not_depend_on_the_batch(tower):
    together = tower(CAPTIONS)
    for index, caption in enumerate(CAPTIONS):
        near(tower([caption])[0], together[index])
    near(tower(CAPTIONS[::-1]), together.flip(0))


@torch.no_grad()
def test_garbage_under_the_padding_does_not_matter(tmp_path):
    tower = amplify(tiny_text(tmp_path, pooling="mean")).eval()
    tokens = tower.tokenize(CAPTIONS)
    ids, shown = tokens["input_ids"].clone(), tokens["attention_mask"].bool()
    # RoBERTa counts positions by the ids that are no padding: those of the caption
    # stay as they are, since the garbage comes after them
    ids[~shown] = 5
    near(tower({**tokens, "input_ids": ids}), tower(tokens))


def test_long_captions_are_cut_at_max_tokens(tmp_path):
    tower = tiny_text(tmp_path, max_tokens=9)
    tokens = tower.tokenize(["a dog barks " * 30, "rain"])
    assert tokens["input_ids"].shape == (2, 9)
    assert tokens["input_ids"][0, -1] == 2
    assert tower(tokens).shape == (2, 16)


def test_as_many_tokens_as_there_are_positions(tmp_path):
    """RoBERTa's first two position embeddings are the padding's."""
    source = write_text_source(tmp_path, max_position_embeddings=34)
    tower = TransformersText(source, pretrained=False, max_tokens=32)
    assert tower(["a dog barks " * 30]).shape == (1, 16)
    with pytest.raises(ValueError, match="max_tokens 33 is more than the 32 positions"):
        TransformersText(source, pretrained=False, max_tokens=33)


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ([], "no caption to embed"),
        (["a dog", " \t", "rain", ""], r"captions \[1, 3\] are empty"),
        ("a dog", r"write \['a dog'\]"),
    ],
)
def test_captions_that_cannot_be_embedded_are_named(tower, captions, message):
    with pytest.raises(ValueError, match=message):
        tower(captions)


def test_an_unknown_pooling_is_named(tmp_path):
    with pytest.raises(ValueError, match="one of.*'cls'.*not 'max'"):
        TransformersText(tmp_path, pooling="max")


@pytest.mark.parametrize("pooling", ["pooler", "mean"])
def test_every_trained_parameter_gets_a_gradient(tmp_path, pooling):
    """A pooler that nothing reads would stop DDP."""
    tower = tiny_text(tmp_path, pooling=pooling).train()
    tower(CAPTIONS).square().mean(0)[::2].sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None, name


def test_a_trained_tower_has_dropout(tmp_path):
    tower = tiny_text(tmp_path).train()
    assert (tower(CAPTIONS) - tower(CAPTIONS)).abs().max() > 1e-4
    tower.eval()
    assert torch.equal(tower(CAPTIONS), tower(CAPTIONS))


@pytest.mark.parametrize("ask", ["nothing", "train", "eval"])
def test_a_frozen_tower_has_neither_dropout_nor_gradients(tmp_path, ask):
    tower = tiny_text(tmp_path, freeze=True)
    parent = torch.nn.ModuleList([tower])
    if ask != "nothing":
        getattr(parent, ask)()
    first, second = tower(CAPTIONS), tower(CAPTIONS)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert not any(parameter.requires_grad for parameter in tower.parameters())


def test_gradient_checkpointing_changes_no_gradient(tmp_path):
    plain = amplify(tiny_text(tmp_path)).train()
    saving = tiny_text(tmp_path, gradient_checkpointing=True).train()
    saving.load_state_dict(plain.state_dict())
    calls = {plain: 0, saving: 0}
    for tower in calls:

        def count(*_, tower=tower):
            calls[tower] += 1

        tower.model.encoder.layer[0].attention.register_forward_hook(count)
        torch.manual_seed(3)
        tower(CAPTIONS).square().mean(0)[::2].sum().backward()
    assert calls == {plain: 1, saving: 2}, "the layer runs again in the backward pass"
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-7, rtol=1e-5)


@torch.no_grad()
def test_a_saved_source_builds_the_same_tower(tower, tmp_path):
    tower.save_source(tmp_path / "saved")
    again = TransformersText(tmp_path / "saved", pretrained=False).eval()
    again.load_state_dict(tower.state_dict(), strict=True)
    assert torch.equal(again(CAPTIONS), tower(CAPTIONS))


@torch.no_grad()
def test_pretrained_weights_are_loaded(tower, tmp_path):
    transformers_peer(tower, tmp_path).save_pretrained(tmp_path)
    torch.manual_seed(3)
    again = TransformersText(tmp_path, pretrained=True).eval()
    drawn_next = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(drawn_next, torch.rand(2)), "what was loaded was not drawn"
    assert torch.equal(again(CAPTIONS), tower(CAPTIONS))
    fresh = TransformersText(tmp_path, pretrained=False).eval()
    assert not torch.equal(fresh(CAPTIONS), tower(CAPTIONS))


# ------------------------------------------------------- transformers' own tokenizers


@pytest.fixture
def word_source(tmp_path):
    """A source with a tokenizer of transformers' own: one id a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for text in CAPTIONS for word in text.split()})
    vocabulary = {name: i for i, name in enumerate(["<s>", "<pad>", "</s>", "<unk>"])}
    vocabulary |= {word: len(vocabulary) + i for i, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    source = write_text_source(tmp_path / "words", vocab_size=len(vocabulary))
    (source / MODEL_FILE).unlink()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(source)
    return source


@torch.no_grad()
def test_a_tokenizer_of_transformers(word_source, tmp_path):
    tower = amplify(TransformersText(word_source, pretrained=False, max_tokens=5))
    tower.eval()
    tokens = tower.tokenize(["a dog barks", CAPTIONS[2]])
    assert tokens["input_ids"].shape == (2, 5)
    assert tokens["input_ids"][:, 0].tolist() == [0, 0]
    assert tokens["input_ids"][:, -1].tolist() == [2, 2], "a cut caption keeps its end"
    together = tower(["birds sing", CAPTIONS[2]])
    near(tower(["birds sing"])[0], together[0])
    tower.save_source(tmp_path / "saved")
    again = TransformersText(tmp_path / "saved", pretrained=False, max_tokens=5).eval()
    again.load_state_dict(tower.state_dict())
    assert torch.equal(again(CAPTIONS), tower(CAPTIONS))


@torch.no_grad()
def test_bert(word_source):
    config = json.loads((word_source / "config.json").read_text())
    config |= {"model_type": "bert", "pad_token_id": 1, "max_position_embeddings": 20}
    (word_source / "config.json").write_text(json.dumps(config))
    tower = TransformersText(word_source, pretrained=False, max_tokens=20)
    amplify(tower).eval()
    together = tower(CAPTIONS)
    near(torch.cat([tower([caption]) for caption in CAPTIONS]), together)
    with pytest.raises(ValueError, match="21 is more than the 20 positions"):
        TransformersText(word_source, pretrained=False, max_tokens=21)


@torch.no_grad()
def test_weights_under_our_own_names_need_no_import(tower, tmp_path, monkeypatch):
    """Those of a class with a head, or in half precision, are transformers' to read."""
    transformers_peer(tower, tmp_path).save_pretrained(tmp_path)
    refused = []

    def pretrained(folder, **options):
        refused.append(folder)
        raise OSError("transformers was asked")

    monkeypatch.setattr("clap_sb.encoders.text._pretrained", pretrained)
    again = TransformersText(tmp_path, pretrained=True).eval()
    assert torch.equal(again(CAPTIONS), tower(CAPTIONS)) and not refused
    state = load_file(tmp_path / "model.safetensors")
    for other in (
        {f"roberta.{name}": value for name, value in state.items()},
        {name: value.half() for name, value in state.items()},
        {name: value for name, value in state.items() if "layer.1.output" not in name},
    ):
        save_file(other, tmp_path / "model.safetensors")
        with pytest.raises(OSError, match="transformers was asked"):
            TransformersText(tmp_path, pretrained=True)
