"""Data sets of a user's own: those of docs/extending.md are trained and scored with."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import CAPTIONS, SAMPLE_RATE, tiny_clap
from scripts import ROOT
from speechbrain.dataio.dataset import DynamicItemDataset
from test_brain import BATCH, make_brain

from clap_sb.data.item_contract import ItemError
from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import Pair, PairDataset
from clap_sb.data.whole_clips import WholeClipDataset
from clap_sb.training.set_contract import tell_of_other_draws

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## A data set of your own\n")[2].partition("\n## ")[0]


@pytest.fixture(scope="module")
def page() -> dict:
    """What the code of the page defines."""
    names: dict = {}
    for block in re.findall(r"```py\n(.*?)```", SECTION, re.DOTALL):
        exec(block, names)
    return names


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_clap(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def sounds() -> list[tuple[str, np.ndarray, str]]:
    rng = np.random.default_rng(0)
    return [
        (
            str(index),
            (0.1 * rng.normal(size=SAMPLE_RATE // 2 + 100 * index)).astype("float32"),
            f"{CAPTIONS[index % len(CAPTIONS)]} {index}",
        )
        for index in range(2 * BATCH)
    ]


def trained(page, model, folder, train_set, valid_set, **run_opts):
    rates = dict.fromkeys(("lr", "audio_lr", "text_lr"), 0.01)
    brain = make_brain(copy.deepcopy(model), folder, run_opts=run_opts, **rates)
    page["fit"](brain, train_set, valid_set, BATCH)
    assert brain.optimizer_step == 2
    return brain, {k: v.clone() for k, v in brain.clap.state_dict().items()}


def same(first: dict, second: dict) -> bool:
    return all(torch.equal(first[key], second[key]) for key in first)


def test_arrays_in_memory_are_as_good_as_files(page, model, sounds, tmp_path):
    """To the same bits as our own data sets on the same sounds, uncut."""
    import soundfile

    clips = []
    for name, array, caption in sounds:
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, array, SAMPLE_RATE, subtype="FLOAT")
        clips.append(Clip(name, str(path), len(array) / SAMPLE_RATE, (caption,)))
    pairs = page["ArrayPairs"](sounds, seed=7, samples=SAMPLE_RATE)
    whole = page["WholeArrays"](sounds, SAMPLE_RATE)
    brain, weights = trained(page, model, tmp_path / "arrays", pairs, whole)
    ours = PairDataset(clips, SAMPLE_RATE, SAMPLE_RATE, seed=7, whole_clips=True)
    files = WholeClipDataset(clips, SAMPLE_RATE)
    other, expected = trained(page, model, tmp_path / "files", ours, files)
    assert same(weights, expected)
    assert not same(weights, model.state_dict())
    assert brain.hparams.history.rows == other.hparams.history.rows
    loader = {"batch_size": 3, "collate_fn": page["WindowCollate"](SAMPLE_RATE)}
    scores = brain.evaluate(whole, test_loader_kwargs=loader)
    assert scores == other.evaluate(files, test_loader_kwargs=loader)
    assert [clip.id for clip in brain.embedded.clips] == [name for name, *_ in sounds]


def test_what_is_drawn_follows_from_seed_epoch_and_clip(page, sounds):
    first, second = (page["ArrayPairs"](sounds, seed=7, samples=100) for _ in range(2))
    torch.manual_seed(1)
    drawn = [first[3, index].wav for index in range(len(sounds))]
    torch.manual_seed(2)
    for index in reversed(range(len(sounds))):
        assert torch.equal(second[3, index].wav, drawn[index])
    assert not torch.equal(first[4, 0].wav, drawn[0])


def test_a_dynamic_item_dataset_is_wrapped(page, model, sounds, tmp_path):
    items = {name: {"array": array, "caption": text} for name, array, text in sounds}
    dynamic = DynamicItemDataset(items)
    dynamic.add_dynamic_item(torch.as_tensor, takes="array", provides="sig")
    whole = page["WholeArrays"](sounds, SAMPLE_RATE)
    pairs = page["DynamicPairs"](dynamic)
    _, weights = trained(page, model, tmp_path / "dynamic", pairs, whole)
    plain = page["ArrayPairs"](sounds, seed=7, samples=SAMPLE_RATE)
    _, expected = trained(page, model, tmp_path / "arrays", plain, whole)
    assert same(weights, expected)


def test_what_lacks_something_is_told_before_training(page, model, sounds, tmp_path):
    pairs, whole = page["ArrayPairs"](sounds, seed=7), page["WholeArrays"](sounds)
    brain = make_brain(copy.deepcopy(model), tmp_path)
    dynamic = DynamicItemDataset({name: {"caption": text} for name, _, text in sounds})
    message = "a DynamicItemDataset is no TrainingSet: it lacks captions_an_item"
    with pytest.raises(ValueError, match=message):
        page["fit"](brain, dynamic, whole, BATCH)
    with pytest.raises(ValueError, match="a ArrayPairs is no WholeSet: it lacks clips"):
        page["fit"](brain, pairs, pairs, BATCH)
    short = page["WholeArrays"](sounds)
    short.clips = short.clips[1:]
    with pytest.raises(ValueError, match="has 8 items and tells of 7 clips"):
        page["fit"](brain, pairs, short, BATCH)
    short.clips = [clip.id for clip in whole.clips]
    with pytest.raises(ValueError, match="clips has items that are no Clip but a str"):
        page["fit"](brain, pairs, short, BATCH)
    short.clips = iter(whole.clips)
    with pytest.raises(ValueError, match="clips is a list_iterator, and no list"):
        page["fit"](brain, pairs, short, BATCH)
    pairs.captions_an_item = None
    with pytest.raises(ValueError, match="captions_an_item is None, and no whole"):
        page["fit"](brain, pairs, whole, BATCH)
    with pytest.raises(ValueError, match="a ArrayPairs is no TrainingSet: it has no"):
        page["fit"](brain, page["ArrayPairs"]([], seed=7), whole, BATCH)
    assert brain.optimizer_step == 0


class Changed:
    """A data set with another item, of which something is changed, in a place."""

    def __init__(self, dataset, place, **changes):
        self.dataset, self.place, self.changes = dataset, place, changes
        self.captions_an_item = 1
        self.clips = getattr(dataset, "clips", None)

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, key):
        item = self.dataset[key]
        index = key if isinstance(key, int) else key[1]
        if index != self.place:
            return item
        return self.changes if "sig" in self.changes else replace(item, **self.changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"wav": torch.zeros(2, 900)}, r"the wav of '5' is \[2, 900\], .* one channel"),
        ({"wav": np.zeros(900)}, "the wav of '5' is a ndarray, and is to be a tensor"),
        ({"wav": torch.ones(900).short()}, "'5' is of torch.int16, .*wav / 32768"),
        ({"wav": torch.zeros(0)}, "the wav of '5' is empty"),
        ({"caption": ["a", "b"]}, "caption of '5' is a list, .* goes into others"),
        ({"others": "a dog"}, "others of '5' is a str, .* a tuple of texts"),
        ({"others": ("a dog", None)}, "others of '5' has a NoneType in it"),
        ({"id": None}, "a pair has no id"),
    ],
)
def test_a_pair_that_is_none_is_told(changes, told, page, model, sounds, tmp_path):
    pairs = Changed(page["ArrayPairs"](sounds, 7, SAMPLE_RATE), 5, **changes)
    whole = page["WholeArrays"](sounds, SAMPLE_RATE)
    brain = make_brain(copy.deepcopy(model), tmp_path)
    with pytest.raises(ItemError, match=f"^[^\n]*{told}[^\n]*$"):
        page["fit"](brain, pairs, whole, BATCH)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"wav": torch.zeros(2, 900)}, r"the wav of '0' is \[2, 900\], .* one channel"),
        ({"captions": "a dog"}, "captions of '0' is a str, .* a tuple of texts"),
    ],
)
def test_a_whole_clip_that_is_none_is_told_before_training(
    changes, told, page, model, sounds, tmp_path
):
    pairs = page["ArrayPairs"](sounds, 7, SAMPLE_RATE)
    whole = Changed(page["WholeArrays"](sounds, SAMPLE_RATE), 0, **changes)
    brain = make_brain(copy.deepcopy(model), tmp_path)
    with pytest.raises(ItemError, match=told):
        page["fit"](brain, pairs, whole, BATCH)
    assert brain.optimizer_step == 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"index": 4}, "index is 4 for a clip, .* or that of another one"),
        ({"index": 6}, "clip '6' has the captions .* and .* in its item 6"),
        ({"index": 8}, "index is 8 for a clip, which is no place in a set of 8"),
        ({"index": "5"}, "index is '5' for a clip"),
        ({"captions": ("another",)}, "clip '5' has the captions .*'another'"),
    ],
    ids=str,
)
def test_a_score_is_of_the_clips_that_it_names(
    changes, told, page, model, sounds, tmp_path
):
    whole = page["WholeArrays"](sounds, SAMPLE_RATE)
    brain, _ = trained(
        page, model, tmp_path, page["ArrayPairs"](sounds, 7, SAMPLE_RATE), whole
    )
    options = {"batch_size": 1, "collate_fn": page["WindowCollate"](SAMPLE_RATE)}
    with pytest.raises(ItemError, match=told):
        brain.evaluate(Changed(whole, 5, **changes), test_loader_kwargs=options)


def test_clips_without_a_sample_are_counted(page, model, sounds, tmp_path):
    whole = page["WholeArrays"](sounds, SAMPLE_RATE)
    pairs = page["ArrayPairs"](sounds, 7, SAMPLE_RATE)
    brain, _ = trained(page, model, tmp_path, pairs, whole)
    options = {"batch_size": 3, "collate_fn": page["WindowCollate"](SAMPLE_RATE)}
    for changes, told in (
        ({"wav": torch.zeros(0)}, "5: its wav is empty"),
        ({"wav": None}, "5: no reason is given"),
    ):
        changed = Changed(whole, 5, **changes)
        brain.evaluate(changed, test_loader_kwargs=options)
        assert brain.embedded.unreadable == {"5": told}


def test_items_of_another_kind_and_workers(page, model, sounds, tmp_path):
    """A worker's error is told as one of the main process is: in one line."""
    pairs = Changed(page["ArrayPairs"](sounds, 7, SAMPLE_RATE), 5, sig=torch.zeros(9))
    brain = make_brain(copy.deepcopy(model), tmp_path)
    collate = page["PairCollate"](brain.clap.text_encoder.tokenize)
    options = {"batch_size": BATCH, "collate_fn": collate, "num_workers": 1}
    told = r"^a data set gave a dict .* give a Pair[^\n]*$"
    with pytest.raises(ItemError, match=told):
        brain.fit([1], pairs, train_loader_kwargs=options)


class Drawing:
    """Pairs whose level is drawn from somewhere."""

    captions_an_item = 1

    def __init__(self, drawn):
        self.drawn = drawn

    def __len__(self):
        return BATCH

    def __getitem__(self, key):
        return Pair(str(key[1]), self.drawn(*key) * torch.ones(900), f"sound {key[1]}")


@pytest.mark.parametrize(
    ("drawn", "repeats"),
    [
        (lambda epoch, index: torch.rand(1), False),
        (lambda epoch, index: float(np.random.rand()), False),
        (lambda epoch, index: float(np.random.default_rng().random()), False),
        (lambda epoch, index: 1.0 + epoch + index, True),
    ],
    ids=["torch", "numpy", "generator", "epoch and index"],
)
def test_draws_that_cannot_be_repeated_are_told(drawn, repeats, caplog):
    state, others = torch.get_rng_state(), np.random.get_state()[1].copy()
    tell_of_other_draws(Drawing(drawn))
    assert ("Drawing gives another item" in caplog.text) is not repeats
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == others).all()


def test_an_epoch_without_a_negative_is_told(page, model, sounds, tmp_path, caplog):
    alike = [("one", array, caption) for _, array, caption in sounds]
    whole = page["WholeArrays"](sounds, SAMPLE_RATE)
    pairs = page["ArrayPairs"](sounds, 7, SAMPLE_RATE)
    trained(page, model, tmp_path / "each", pairs, whole)
    assert "no pair had a negative" not in caplog.text
    pairs = page["ArrayPairs"](alike, 7, SAMPLE_RATE)
    trained(page, model, tmp_path / "alike", pairs, whole)
    assert "epoch 1: no pair had a negative" in caplog.text
