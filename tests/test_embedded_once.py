"""What was embedded once is found again, and is what embedding it would give."""

from __future__ import annotations

from dataclasses import replace

import pytest
import soundfile
import torch
from builders import SAMPLE_RATE, tiny_clap

from clap_sb.data.manifest import Clip
from clap_sb.evaluation.embedded_once import EmbeddedOnce
from clap_sb.evaluation.embedding import Embedded, embed_clips


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Clip]:
    """Four clips with three captions each, one silent, and one that is not there."""
    folder = tmp_path_factory.mktemp("sounds")
    generator = torch.Generator().manual_seed(0)
    found = []
    for name in "abcd":
        wav = 0.1 * torch.randn(SAMPLE_RATE, generator=generator) * (name != "c")
        soundfile.write(folder / f"{name}.wav", wav.numpy(), SAMPLE_RATE)
        captions = (f"sound {name}", "the same", f"{name} again")
        found.append(Clip(name, str(folder / f"{name}.wav"), 1.0, captions))
    return [*found, Clip("e", str(folder / "e.wav"), 1.0, ("not there",))]


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return tiny_clap(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def once(clap, clips) -> EmbeddedOnce:
    once = EmbeddedOnce()
    once.keep(clips, "whole", embed_clips(clap, clips))
    return once


@pytest.mark.parametrize(
    ("chosen", "captions"), [("abcde", 3), ("db", 3), ("ce", 1), ("bce", 2)]
)
def test_a_part_is_what_embedding_it_gives(once, clap, clips, chosen, captions):
    part = [
        replace(clip, captions=clip.captions[:captions])
        for name in chosen
        for clip in clips
        if clip.id == name
    ]
    found, expected = once.find(part, "whole"), embed_clips(clap, part)
    torch.testing.assert_close(found.audio, expected.audio, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.text, expected.text, atol=1e-5, rtol=0)
    assert found.caption_clip.tolist() == expected.caption_clip.tolist()
    for name in ("clips", "captions", "silent", "crop_rule"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.unreadable.keys() == expected.unreadable.keys()


def test_what_is_not_known_is_not_found(once, clips):
    assert once.find(clips, "first") is None
    assert once.find([replace(clips[0], captions=("new",))], "whole") is None
    namesake = replace(clips[0], path="elsewhere/a.wav")
    assert once.find([namesake], "whole") is None
    assert once.find([*clips, replace(clips[0], id="f")], "whole") is None


def test_without_captions_there_are_none(clips):
    once = EmbeddedOnce()
    once.keep(clips[:2], "whole", Embedded(clips[:2], torch.eye(2)))
    found = once.find(clips[1:2], "whole")
    assert found.audio.tolist() == [[0.0, 1.0]]
    assert found.captions == [] and len(found.text) == 0
