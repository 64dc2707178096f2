"""Sounds found by pictures, where the model's space is a CLIP's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from builders import CAPTIONS, tiny_clap, tiny_htsat
from indexes import updater, write_sound
from PIL import Image
from small_clip import JOINT_DIM, pictures, write_clip

from clap_sb.encoders.clip_joint_text import ClipJointText
from clap_sb.encoders.projection import MLPProjection
from clap_sb.inference import CLAP
from clap_sb.model import CLAP as Model
from clap_sb.objectives.logit_scale import LogitScale
from clap_sb.search import SearchIndex
from clap_sb.search.searcher import Searcher
from clap_sb.serve.examples import Sent
from clap_sb.serve.service import Service
from clap_sb.serve.wanted import Wanted

NUM = 6


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures")
    audio = tiny_htsat()
    folder = write_clip(place / "clip")
    tower = ClipJointText(folder, folder, JOINT_DIM)
    head = MLPProjection(audio.embedding_dim, JOINT_DIM)
    clap = CLAP(Model(audio, tower, head, torch.nn.Identity(), LogitScale()))
    for seed in range(NUM):
        write_sound(place / "sounds" / f"{seed}.wav", seed)
    updater(place / "sounds.index", clap).run([place / "sounds"], "model.pt")
    return Searcher(SearchIndex(place / "sounds.index"), clap)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(pictures(1)[0]).save(path)
    return path


def scores(searcher, query):
    rows = list(searcher.index.windows())
    values = searcher.index.embeddings(np.array([row[3] for row in rows]))
    return {
        row[0]: float(value @ query) for row, value in zip(rows, values, strict=True)
    }


def test_a_picture_finds_what_is_nearest_to_it(searcher, picture):
    query = searcher.clap.encode_image(picture)[0].numpy()
    expected = scores(searcher, query)
    hits = searcher.find(pictures=[picture])
    assert [hit.path for hit in hits] == sorted(expected, key=expected.get)[::-1]
    for hit in hits:
        assert hit.score == pytest.approx(expected[hit.path], abs=1e-6)


def test_words_sounds_and_pictures_add_up_in_this_order(searcher, picture):
    clap = searcher.clap
    sound = searcher.find(CAPTIONS[:1])[0].path
    parts = [clap.encode_text(CAPTIONS[0]), clap.embed_files([sound])]
    parts.append(clap.encode_image(picture))
    weights = [0.5, 0.2, 2.0]
    query = sum(w * p[0].numpy() for w, p in zip(weights, parts, strict=True))
    hits = searcher.find(CAPTIONS[:1], [sound], weights, [picture])
    expected = scores(searcher, query / np.linalg.norm(query))
    for hit in hits:
        assert hit.score == pytest.approx(expected[hit.path], abs=1e-6)


def test_the_page_takes_pictures(searcher, picture, tmp_path):
    service = Service(searcher, tmp_path)
    assert service.about()["pictures"]
    sent = Sent(picture.read_bytes(), is_picture=True)
    found = service.search(Wanted(), sent)["hits"]
    expected = searcher.find(pictures=[picture])
    assert [hit["sound"] for hit in found] == [hit.sound for hit in expected]
    tags = service.tags(sent, CAPTIONS)["tags"]
    prompts = [f"This is a sound of {caption}." for caption in CAPTIONS]
    clap = searcher.clap
    cosines = clap.encode_text(prompts) @ clap.encode_image(picture)[0]
    assert tags[0]["label"] == CAPTIONS[cosines.argmax()]


def test_another_space_takes_no_pictures(picture, tmp_path):
    clap = CLAP(tiny_clap(tmp_path))
    write_sound(tmp_path / "sounds" / "a.wav", 1)
    updater(tmp_path / "i", clap).run([tmp_path / "sounds"], "model.pt")
    searcher = Searcher(SearchIndex(tmp_path / "i"), clap)
    with pytest.raises(ValueError, match="cannot take pictures"):
        searcher.find(pictures=[picture])
    assert not Service(searcher, tmp_path).about()["pictures"]
