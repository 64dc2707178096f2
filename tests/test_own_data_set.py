"""Data sets of a user's own: those of docs/extending.md are trained and scored with."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
from builders import CAPTIONS, SAMPLE_RATE, tiny_clap
from scripts import ROOT
from speechbrain.dataio.dataset import DynamicItemDataset
from test_brain import BATCH, make_brain

from clap_sb.data.manifest import Clip
from clap_sb.data.pairs import PairDataset
from clap_sb.data.whole_clips import WholeClipDataset

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
    assert brain.optimizer_step == 0
