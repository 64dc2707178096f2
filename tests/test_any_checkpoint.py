"""Whatever a checkpoint is, an evaluation loads the same model from it."""

from __future__ import annotations

import pytest
import torch
from small_checkpoints import CAPTIONS, laion_state, write_tokenizer
from small_run import write_run
from test_families import wavcaps

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.evaluation.embedding import embed_captions
from clap_sb.inference import CLAP
from clap_sb.inference.any_checkpoint import UNKNOWN, load_any
from clap_sb.inference.conversion import convert


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.mark.parametrize("kind", ["laion", "wavcaps"])
@torch.no_grad()
def test_a_public_file_and_its_export(kind, tokenizer, tmp_path):
    state = {"laion": laion_state, "wavcaps": wavcaps}[kind]()
    path = tmp_path / "file.pt"
    torch.save({"model": state} if kind == "wavcaps" else {"state_dict": state}, path)
    convert(path, tmp_path / "export", "speechbrain", tokenizer)
    # what the interface gives; captions with signs, which WavCaps drops
    captions = [*CAPTIONS, "A dog, barks!"]
    clap = CLAP.from_checkpoint(path, tokenizer=tokenizer)
    expected = clap.encode_text(captions)
    for source in (path, tmp_path / "export"):
        given = None if source.is_dir() else tokenizer
        model = load_any(source, tokenizer=given)
        torch.testing.assert_close(embed_captions(model.clap, captions), expected)
        assert not model.clap.training
        assert (model.run, model.path) == (None, source)
        assert model.trained_on == UNKNOWN
        assert kind in model.system.lower()
    plain = embed_captions(model.clap, ["a dog  barks "])
    same = (plain - expected[-1:]).abs().max() < 1e-5
    assert same == (kind == "wavcaps")


def test_a_run_and_one_checkpoint_of_it(tmp_path):
    names = {}
    run = tmp_path / "run"

    def note(epoch: int, name: str, clap: object) -> None:
        names[epoch] = name

    (tmp_path / "text").mkdir()
    run.mkdir()
    write_run(run, tmp_path / "text", {1: 5.0, 2: 9.0, 3: 7.0}, note)
    best = load_any(run)
    assert best.clap.logit_scale.log_scale.item() == 2
    assert (best.run, best.system) == (run.resolve(), "tiny")
    last = load_any(run / "save" / names[3])
    assert last.clap.logit_scale.log_scale.item() == 3
    assert last.run == run.resolve()


def test_what_is_none_is_told(tmp_path):
    for source in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CheckpointError, match=tmp_path.name):
            load_any(source)
