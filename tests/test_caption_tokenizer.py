"""Captions to tokens by any tokenizer, and the towers that need a special way."""

from __future__ import annotations

import json
import pickle
from threading import Thread
from types import SimpleNamespace

import pytest
import torch
from builders import tiny_text
from small_tokenizers import word_tokenizer

from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import Pair
from clap_sb.encoders.caption_tokenizer import CaptionTokenizer
from clap_sb.encoders.cut_captions import CutCaptions, counting, report
from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
from clap_sb.encoders.text import TransformersText
from clap_sb.experiment.training_run import _tell_of_cut_captions
from clap_sb.training.loaders import dataio_prep

CAPTIONS = ["a dog barks!", "rain", "a dog barks at rain and at a dog"]
END = " <|endoftext|>"


@pytest.fixture(scope="module")
def gpt2_folder(tmp_path_factory):
    """A byte-level BPE in GPT-2's manner: ``!`` is token 0, and none is for padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("gpt2")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CAPTIONS, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    assert tokenizer.token_to_id("!") == 0
    size = tokenizer.get_vocab_size()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|endoftext|>"
    ).save_pretrained(folder)
    config = {"model_type": "gpt2", "vocab_size": size, "n_embd": 16, "n_layer": 2}
    config |= {"n_head": 2, "bos_token_id": 0, "eos_token_id": size - 1}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def rows(tokens: dict[str, torch.Tensor]) -> list[list[int]]:
    """Ids of each caption, without padding."""
    pairs = zip(tokens["input_ids"], tokens["attention_mask"].bool(), strict=True)
    return [ids[shown].tolist() for ids, shown in pairs]


def test_the_suffix_ends_each_caption(gpt2_folder):
    tokenize = CaptionTokenizer.from_folder(gpt2_folder, 77, END)
    plain = tokenize.tokenizer
    found = rows(tokenize(CAPTIONS))
    assert found == [plain(caption + END)["input_ids"] for caption in CAPTIONS]
    assert len({len(row) for row in found}) == 3


def test_a_cut_caption_keeps_its_end(gpt2_folder):
    end = rows(CaptionTokenizer.from_folder(gpt2_folder, 77, END)(["rain"]))[0][-2:]
    tokenize = CaptionTokenizer.from_folder(gpt2_folder, 6, END)
    cut = rows(tokenize([CAPTIONS[2], "rain"]))
    assert len(cut[0]) == 6 and cut[0][-2:] == end


@torch.no_grad()
def test_the_padding_token_may_stand_in_a_caption(gpt2_folder):
    """MS-CLAP counts the ids that are not 0, and misses its end by each ``!``."""
    tower = TransformersText(
        gpt2_folder, pretrained=False, pooling="last", suffix=END
    ).eval()
    together = tower(CAPTIONS)
    for index, row in enumerate(rows(tower.tokenize(CAPTIONS))):
        states = tower.model(torch.tensor([row])).last_hidden_state
        torch.testing.assert_close(together[index], states[0, -1], atol=1e-5, rtol=0)


def test_what_a_worker_is_sent_is_small(gpt2_folder):
    tower = TransformersText(gpt2_folder, pretrained=False, pooling="last", suffix=END)
    again = pickle.loads(pickle.dumps(tower.tokenize))
    assert rows(again(CAPTIONS)) == rows(tower.tokenize(CAPTIONS))


@pytest.mark.parametrize("pieces", [True, False])
def test_padding_to_the_most_tokens(gpt2_folder, tmp_path, pieces):
    folder = tmp_path if pieces else gpt2_folder
    if pieces:
        train_sentencepiece(CAPTIONS, folder, 40)
    padded = CaptionTokenizer.from_folder(folder, 50, pad_to_max=True)(CAPTIONS)
    longest = CaptionTokenizer.from_folder(folder, 50)(CAPTIONS)
    assert padded["input_ids"].shape == padded["attention_mask"].shape == (3, 50)
    assert rows(padded) == rows(longest)
    beyond = padded["input_ids"][:, longest["input_ids"].shape[1] :]
    assert (beyond == (1 if pieces else 0)).all()


# ---------------------------------------------------------------- towers by family


def write_source(folder, **config):
    train_sentencepiece(CAPTIONS, folder, 40)
    ids = {"vocab_size": 40, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    (folder / "config.json").write_text(json.dumps({**ids, **config}))
    return folder


BART = {"model_type": "bart", "d_model": 16, "encoder_layers": 2, "decoder_layers": 1}
BART |= {"encoder_attention_heads": 2, "encoder_ffn_dim": 32}
CLIP = {"model_type": "clip_text_model", "hidden_size": 16, "num_hidden_layers": 2}
CLIP |= {"num_attention_heads": 2, "intermediate_size": 32}


@torch.no_grad()
def test_barts_mean_goes_over_the_padding(tmp_path):
    source = write_source(tmp_path, **BART)
    tower = TransformersText(source, False, pooling="mean_padded", max_tokens=30).eval()
    tokens = tower.tokenize(CAPTIONS)
    assert tokens["input_ids"].shape == (3, 30)
    expected = tower.model(**tokens).last_hidden_state.sum(1) / 30
    torch.testing.assert_close(tower(CAPTIONS), expected)
    for index, caption in enumerate(CAPTIONS):
        torch.testing.assert_close(tower([caption])[0], expected[index])
    assert not any("decoder" in name for name in tower.state_dict())


@torch.no_grad()
def test_clips_last_token_is_its_own_pooling(tmp_path):
    """transformers looks for the end-of-text id; the mask says the same."""
    tower = TransformersText(
        write_source(tmp_path, **CLIP, eos_token_id=7), False, pooling="last"
    ).eval()
    ids = torch.tensor([[0, 9, 11, 7, 1, 1], [0, 30, 12, 13, 14, 7]])
    tokens = {"input_ids": ids, "attention_mask": (ids != 1).long()}
    torch.testing.assert_close(tower(tokens), tower.model(**tokens).pooler_output)


@torch.no_grad()
def test_the_text_tower_of_a_whole_clip_is_taken(tmp_path):
    from transformers import CLIPConfig, CLIPModel

    sizes = {key: value for key, value in CLIP.items() if key != "model_type"}
    vision = {**sizes, "image_size": 8, "patch_size": 4}
    text = {**sizes, "vocab_size": 40, "bos_token_id": 0, "eos_token_id": 2}
    peer = CLIPModel(CLIPConfig(text_config=text, vision_config=vision)).eval()
    peer.save_pretrained(tmp_path)
    train_sentencepiece(CAPTIONS, tmp_path, 40)
    tower = TransformersText(tmp_path, pretrained=True, pooling="last").eval()
    assert tower.embedding_dim == 16
    tokens = tower.tokenize(CAPTIONS)
    states = peer.text_model(**tokens).last_hidden_state
    last = tokens["attention_mask"].sum(1) - 1
    torch.testing.assert_close(tower(CAPTIONS), states[torch.arange(3), last])
    tower.save_source(tmp_path / "saved")
    again = TransformersText(tmp_path / "saved", pretrained=False, pooling="last")
    again.load_state_dict(tower.state_dict(), strict=True)
    assert torch.equal(again.eval()(CAPTIONS), tower(CAPTIONS))


@pytest.mark.parametrize(
    ("config", "pooling"), [(BART, "mean_padded"), (CLIP, "last")], ids=["bart", "clip"]
)
def test_every_trained_parameter_gets_a_gradient(tmp_path, config, pooling):
    tower = TransformersText(write_source(tmp_path, **config), False, pooling=pooling)
    tower.train()(CAPTIONS).square().sum().backward()
    for name, parameter in tower.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize("kind", ["roberta", "bert", "gpt2", "sentencepiece"])
def test_it_is_told_how_many_captions_were_cut(kind, gpt2_folder, tmp_path, caplog):
    """At the limit nothing is cut, and one token beyond it something is."""
    if kind == "gpt2":
        folder, suffix = gpt2_folder, END
    elif kind == "sentencepiece":
        folder, suffix = tmp_path, ""
        train_sentencepiece(CAPTIONS, folder, 40)
    else:
        folder, suffix = word_tokenizer(tmp_path, kind), ""
    caption = CAPTIONS[2]
    whole = len(rows(CaptionTokenizer.from_folder(folder, 99, suffix)([caption]))[0])
    fits = CaptionTokenizer.from_folder(folder, whole, suffix)
    assert len(rows(fits([caption, "rain"]))[0]) == whole
    assert fits.cut([caption, "rain"]) == CutCaptions(0, 2, whole)
    assert not caplog.records
    cuts = CaptionTokenizer.from_folder(folder, whole - 1, suffix)
    tokens = cuts([caption, "rain", caption])
    assert len(rows(tokens)[0]) == whole - 1
    said = f"2 of 3 captions have more than the {whole - 1} tokens"
    assert said in caplog.text and len(caplog.records) == 1
    again = cuts.silently([caption, "rain", caption])
    assert len(caplog.records) == 1 and torch.equal(
        again["input_ids"], tokens["input_ids"]
    )
    assert cuts.cut([caption, "rain", caption]) == CutCaptions(2, 3, whole - 1)


def test_counting_is_each_thread_s_own():
    with counting() as outer:
        with counting() as inner:
            report(CutCaptions(1, 2, 7))
        thread = Thread(target=report, args=[CutCaptions(5, 5, 7)])
        thread.start()
        thread.join()
        report(CutCaptions(2, 3, 7))
    assert (inner.num, inner.of) == (1, 2) and (outer.num, outer.of) == (2, 3)


def test_training_tells_once_before_it_begins(tmp_path, caplog):
    """Of each caption once, however many clips have it; its workers say nothing."""
    train_sentencepiece(CAPTIONS, tmp_path, 40)
    tokenize = CaptionTokenizer.from_folder(tmp_path, 5)
    clap = SimpleNamespace(sample_rate=1, clip_samples=4, takes_whole_clips=False)
    hparams = {
        "text_encoder": SimpleNamespace(tokenize=tokenize, parameters=list),
        "clap": clap,
    }
    hparams |= dict.fromkeys(("train_dataset", "valid_dataset"), _no_set)
    hparams |= {"train_dataloader_opts": {}, "valid_dataloader_opts": {}}
    long = CAPTIONS[2]
    told = [("rain", long), (long,), ("rain",)]
    clips = [
        Clip(f"c{i}", "x.wav", 1.0, captions=texts) for i, texts in enumerate(told)
    ]
    _tell_of_cut_captions(hparams, clips)
    said = "1 of 2 captions has more than the 5 tokens"
    assert said in caplog.text and len(caplog.records) == 1
    dataio_prep(hparams, {"train": clips, "valid": [], "test": []})
    collate = hparams["train_dataloader_opts"]["collate_fn"]
    batch = collate(
        [Pair("c0", torch.ones(4), long), Pair("c2", torch.ones(2), "rain")]
    )
    assert batch.tokens["input_ids"].shape == (2, 5) and len(caplog.records) == 1


def test_a_frozen_tower_gives_a_caption_the_same_bits(tmp_path):
    """Whatever captions are beside it; a tower that is trained is not padded for."""
    text = {frozen: tiny_text(tmp_path, freeze=frozen) for frozen in (True, False)}
    clips = [Clip(f"c{i}", "x.wav", 1.0, captions=(c,)) for i, c in enumerate(CAPTIONS)]
    short, long = CAPTIONS[0], max(CAPTIONS, key=len)
    widths = {}
    for frozen, tower in text.items():
        clap = SimpleNamespace(sample_rate=1, clip_samples=4, takes_whole_clips=False)
        hparams = {"text_encoder": tower, "clap": clap}
        hparams |= dict.fromkeys(("train_dataset", "valid_dataset"), _no_set)
        hparams |= {"train_dataloader_opts": {}, "valid_dataloader_opts": {}}
        dataio_prep(hparams, {"train": clips})
        tokenize = hparams["train_dataloader_opts"]["collate_fn"].tokenize
        batches = [tokenize([short, other]) for other in (short, long)]
        widths[frozen] = [batch["input_ids"].shape[1] for batch in batches]
        if frozen:
            alone, beside = (tower.eval()(batch)[0] for batch in batches)
            assert torch.equal(alone, beside)
    assert widths[True][0] == widths[True][1] == widths[False][1] > widths[False][0]


def _no_set(*args: object, **kwargs: object) -> None:
    """Stands in for a data set that is not looked at."""
