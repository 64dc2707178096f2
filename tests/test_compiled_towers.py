"""Towers that are compiled: the same numbers, and graphs that hold over an epoch."""

from __future__ import annotations

import copy
import logging

import pytest
import torch
from builders import (
    CAPTIONS,
    CLIP_SAMPLES,
    amplify,
    tiny_clap,
    tiny_htsat,
    write_text_source,
)
from test_brain import clips, fit, make_brain  # noqa: F401
from torch._dynamo.testing import CompileCounter

from clap_sb import brain as brain_module
from clap_sb.compiled_towers import CompiledTowers
from clap_sb.encoders.spec_augment import SpecAugment
from clap_sb.encoders.text import TransformersText


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """As little as has drop-path, dropout, SpecAugment and a second size of maps."""
    folder = tmp_path_factory.mktemp("model")
    augment = SpecAugment(32, 1, 4, 1)
    audio = tiny_htsat(depths=[1, 1], drop_path=0.3, spec_augment=augment)
    clap = tiny_clap(folder, audio=audio)
    write_text_source(folder, num_hidden_layers=1)
    clap.text_encoder = TransformersText(folder, pretrained=False)
    return amplify(clap).eval()


def loss_of(clap, captions: list[str], size: int) -> torch.Tensor:
    torch.manual_seed(len(captions) + size)
    wavs = 0.1 * torch.randn(len(captions), size)
    tokens = clap.text_encoder.tokenize(captions)
    audio, text = clap(wavs, None, tokens)
    return (audio * text).sum()


def epoch(clap) -> list[torch.Tensor]:
    """Batches of captions and clips of several lengths, and smaller ones at the end."""
    losses = []
    clap.train()
    for first in (0, 1, 2):
        captions = CAPTIONS[first : first + 3]
        losses.append(loss_of(clap, captions, CLIP_SAMPLES - 1000 * first))
        losses[-1].backward()
    clap.eval()
    with torch.no_grad():
        for count in (3, 2):
            losses.append(loss_of(clap, CAPTIONS[:count], CLIP_SAMPLES))
    return losses


def test_numbers_are_those_without_and_a_second_epoch_compiles_nothing(
    model, monkeypatch
):
    # pytest takes down all that the compiler tells of itself
    monkeypatch.setattr(logging.getLogger("torch.__trace"), "disabled", True)
    plain, fast = copy.deepcopy(model), copy.deepcopy(model)
    torch._dynamo.reset()
    counter = CompileCounter()
    towers = CompiledTowers(fast, backend=counter)
    expected, found = epoch(plain), epoch(fast)
    torch.testing.assert_close(torch.stack(found), torch.stack(expected))
    for one, other in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-5, rtol=1e-4)
    # each tower for training and for validation, and the audio tower once more for
    # batches of another size
    graphs = counter.frame_count
    assert 4 <= graphs <= 5
    epoch(fast)
    assert counter.frame_count == graphs
    towers.release()
    for tower in (fast.audio_encoder, fast.text_encoder):
        assert not {"embed_log_mel", "encode"} & {*vars(tower)}


def test_a_brain_compiles_its_towers_while_it_trains(
    model,
    clips,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    told = []

    class Told:
        def __init__(self, clap):
            told.append(clap)

        def release(self):
            told.append("released")

    monkeypatch.setattr(brain_module, "CompiledTowers", Told)
    for compiled in (False, True):
        clap, folder = copy.deepcopy(model), tmp_path / str(compiled)
        brain = make_brain(clap, folder, lr=0.01, compile_towers=compiled)
        assert not told
        fit(brain, clips)
    assert told == [clap, "released"]
