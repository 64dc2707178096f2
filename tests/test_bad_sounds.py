"""Bad sounds, from end to end: each is told and left out, and nothing else suffers."""

# ruff: noqa: F811  (fixtures that come from another module)

from __future__ import annotations

import copy
import csv
import json
import os
import re

import numpy as np
import pytest
import torch
from bad_sounds import NO_FILES, write_bad_sounds
from builders import CAPTIONS, SAMPLE_RATE
from indexes import updater
from test_brain import loader_options, make_brain, model  # noqa: F401
from torch.utils.data import DataLoader

from clap_sb.data.audio import AudioError, AudioFile, probe_to_end, read_wav
from clap_sb.data.entries import Entry
from clap_sb.data.manifest import Clip, read_manifest
from clap_sb.data.pairs import PairDataset
from clap_sb.data.prepare import prepare_manifest
from clap_sb.data.printable import printable
from clap_sb.data.whole_clips import WholeClipDataset, WindowCollate
from clap_sb.evaluation.embedding import Embedder
from clap_sb.inference import CLAP
from clap_sb.search import SearchIndex
from clap_sb.search.scan import Stamp
from clap_sb.search.searcher import Searcher
from clap_sb.serve.examples import Sent
from clap_sb.serve.playback import Playback
from clap_sb.serve.service import Service
from clap_sb.serve.wanted import Wanted


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bad") / "sounds"


@pytest.fixture(scope="module")
def told(folder):
    """What is to be said of each file, by its name."""
    return write_bad_sounds(folder)


@pytest.fixture(scope="module")
def clips(folder, told):
    """As if all of them had been good when they were prepared."""
    return [
        Clip(f"c{place}", str(folder / name), 1.0, (f"{CAPTIONS[place % 3]} {place}",))
        for place, name in enumerate(sorted(told))
    ]


def test_each_is_read_or_refused_by_name(folder, told):
    assert sum(reason is None for reason in told.values()) >= 15
    for name, reason in told.items():
        path = folder / name
        if reason is None:
            assert read_wav(path, SAMPLE_RATE).isfinite().all()
            assert probe_to_end(path).duration > 0
            continue
        for use in (probe_to_end, lambda source: read_wav(source, 48000)):
            with pytest.raises(AudioError, match=reason) as caught:
                use(path)
            assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("kind", ["a folder", "a link to nothing", "a link to itself"])
def test_what_is_no_file_is_told(tmp_path, kind):
    path = tmp_path / "x.wav"
    if kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(path if "itself" in kind else tmp_path / "nowhere.wav")
    with pytest.raises(AudioError, match=r"x\.wav: "):
        AudioFile(path, SAMPLE_RATE)


def test_preparation_lists_what_it_leaves_out(folder, told, tmp_path):
    entries = [
        Entry(str(place), (name.rpartition(".")[0],), ("a dog barks",))
        for place, name in enumerate(sorted(told))
    ]
    path = prepare_manifest(tmp_path / "train.json", entries, [folder])
    kept = {int(clip.id) for clip in read_manifest(path)}
    with open(tmp_path / "train_missing.csv", encoding="utf-8", newline="") as file:
        left_out = {int(row["id"]): row["reason"] for row in csv.DictReader(file)}
    for place, name in enumerate(sorted(told)):
        if told[name] is None:
            assert place in kept
        else:
            assert re.search(told[name], left_out[place]), name


def test_indexing_survives_all_of_them(folder, told, model, tmp_path):
    clap = CLAP(copy.deepcopy(model).eval(), "tiny")
    update = updater(tmp_path / "index", clap, batch_size=4).run([folder], "model.pt")
    files = {name: reason for name, reason in told.items() if name not in NO_FILES}
    bad = {name: reason for name, reason in files.items() if reason is not None}
    assert update.failed == len(bad)
    assert update.embedded + update.recognised == len(files) - len(bad)
    assert update.passed_by == {str(folder): {"links to nothing": 1}}
    for name, reason in bad.items():
        assert re.search(reason, update.errors[str(folder / name)])
    index = SearchIndex(tmp_path / "index")
    rows = index.embeddings(np.arange(index.num_windows))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    page_survives_all_of_them(folder, files, Searcher(index, clap), tmp_path / "copies")


def page_survives_all_of_them(folder, files, searcher, copies):
    """What is sent to it, what it plays and draws: a finite answer, or a sentence."""
    copies.mkdir()
    service, playback = Service(searcher, copies, [str(folder)]), Playback(copies)
    good = {printable(name) for name, reason in files.items() if reason is None}
    for hit in service.search(Wanted(text="a dog", k=100))["hits"]:
        assert hit["name"] in good and hit["plays"]
        assert service.sounds.header(hit["sound"]) is not None
        assert service.sounds.overview(hit["sound"]).startswith(b"\x89PNG")
    for name, reason in files.items():
        path = folder / name
        content = path.read_bytes()
        sent = Sent(content, name)
        stamps = {str(path): Stamp.of(path)}
        if reason is None:
            found = service.search(Wanted(), sent)["hits"]
            assert found and all(np.isfinite(hit["score"]) for hit in found)
            assert playback.of(os.fsencode(name).hex()[:40], stamps).path.exists()
            continue
        with pytest.raises(AudioError, match=reason) as caught:
            service.search(Wanted(), sent)
        assert str(caught.value).startswith(printable(name))


def test_training_goes_on_past_all_of_them(clips, told, model, tmp_path):
    """With batches that are full, and weights that are finite."""
    rates = {"lr": 0.1, "audio_lr": 0.1, "text_lr": 0.1}
    brain = make_brain(copy.deepcopy(model), tmp_path, **rates)
    dataset = PairDataset(clips, SAMPLE_RATE, brain.clap.clip_samples, 1)
    sizes, collate = [], loader_options(brain)["collate_fn"]

    def noted(pairs):
        sizes.append(len(pairs))
        return collate(pairs)

    brain.fit(
        brain.hparams.epoch_counter,
        dataset,
        WholeClipDataset(clips, SAMPLE_RATE),
        train_loader_kwargs={**loader_options(brain), "collate_fn": noted},
        valid_loader_kwargs=_valid(brain),
    )
    assert set(sizes) == {4} and len(sizes) == len(clips) // 4
    assert all(value.isfinite().all() for value in brain.clap.state_dict().values())
    bad = sum(reason is not None for reason in told.values())
    assert len(dataset._unreadable) <= bad and dataset._unreadable
    assert len(brain.embedded.unreadable) == bad
    (row,) = brain.hparams.history.rows
    json.dumps(row, allow_nan=False)
    assert len(list((tmp_path / "save").glob("CKPT*"))) == 1


def _valid(brain):
    return {"batch_size": 3, "collate_fn": WindowCollate(brain.clap.clip_samples)}


def test_evaluation_counts_what_it_goes_without(clips, told, model):
    clap = copy.deepcopy(model).eval()
    embedder = Embedder(clips, "cpu")
    collate = WindowCollate(clap.clip_samples)
    whole = WholeClipDataset(clips, SAMPLE_RATE)
    for batch in DataLoader(whole, batch_size=5, collate_fn=collate):
        with torch.no_grad():
            embedder.add(clap, batch)
    found = embedder.result()
    bad = [name for name, reason in sorted(told.items()) if reason is not None]
    assert len(found.unreadable) == len(bad)
    assert len(found.audio) == len(clips) - len(bad)
    assert found.audio.isfinite().all()
    for clip, reason in found.unreadable.items():
        place = int(clip.removeprefix("c"))
        assert re.search(told[sorted(told)[place]], reason)
