"""A text tower that gives one embedding for all texts is told of."""

from __future__ import annotations

import json

import pytest
import torch
from small_checkpoints import clap_model, feature_extractor, write_tokenizer
from small_run import write_run

from clap_sb.checkpoints.alike_texts import ALIKE, SENTENCES, least_cosine
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.cli import main
from clap_sb.encoders.fingerprint import (
    text_settings,
    tokens_fingerprint,
    tower_fingerprint,
)
from clap_sb.encoders.text_tower import TextTower
from clap_sb.inference import CLAP
from clap_sb.model import CLAP as Model
from clap_sb.objectives.logit_scale import LogitScale

SAID = "tells sentences hardly apart"


@pytest.fixture(scope="module", params=[False, True], ids=["whole", "collapsed"])
def folder(request, tmp_path_factory):
    """A transformers folder; a collapsed pooler gives its bias, and little else."""
    path = tmp_path_factory.mktemp("clap")
    model = clap_model()
    if request.param:
        with torch.no_grad():
            model.text_model.pooler.dense.weight *= 0.01
    model.save_pretrained(path)
    feature_extractor().save_pretrained(path)
    write_tokenizer(path)
    return path, request.param


def test_loading_tells(folder, caplog):
    path, collapsed = folder
    clap = CLAP.from_checkpoint(path)
    text = clap.encode_text(list(SENTENCES))
    least = min((a @ b).item() for a in text for b in text)
    assert least_cosine(clap.model) == pytest.approx(least, abs=1e-6)
    assert (least > ALIKE) == collapsed == (SAID in caplog.text)
    assert len(caplog.records) == collapsed
    open_checkpoint(path)
    assert len(caplog.records) == 2 * collapsed


def test_info_tells(folder, capsys):
    path, collapsed = folder
    assert main(["info", str(path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert ("texts WARNING: the text tower" in told) == collapsed
    assert ("texts told apart (least cosine" in told) != collapsed
    assert main(["info", str(path), "--json"]) == 0
    cosine = json.loads(capsys.readouterr().out)["text_cosine"]
    assert (cosine > ALIKE) == collapsed


def test_a_run_is_looked_at_too(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    write_run(tmp_path / "run", tmp_path / "source", {1: 20.0})
    assert main(["info", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().out
    assert "texts" in told and "not compared" not in told


def test_without_a_tokenizer_nothing_is_compared(tmp_path, capsys, caplog):
    clap_model().save_pretrained(tmp_path)
    assert least_cosine(CLAP.from_checkpoint(tmp_path).model) is None
    assert main(["info", str(tmp_path)]) == 0
    assert "not compared" in capsys.readouterr().out
    assert not caplog.records


def test_what_cannot_be_loaded_is_described_all_the_same(folder, tmp_path, capsys):
    from safetensors.torch import load_file, save_file

    path, _ = folder
    state = load_file(path / "model.safetensors")
    state.pop("text_projection.linear2.bias")
    save_file(state, tmp_path / "model.safetensors")
    assert main(["info", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "HTSAT" in told.out and "not compared" in told.out


def test_nan_is_refused(tmp_path):
    model = clap_model()
    with torch.no_grad():
        model.text_projection.linear2.bias.fill_(float("nan"))
    model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="text_projection.2.bias holds NaN"):
        CLAP.from_checkpoint(write_tokenizer(tmp_path))


class Length(TextTower):
    """As the base's own example: its tokens come from a function."""

    def __init__(self):
        super().__init__(tokenize, freeze=False)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def encode(self, tokens):
        length = self.scale * tokens["length"]
        return torch.cat([length, 1.0 / length], dim=1)


def tokenize(captions):
    return {"length": torch.tensor([[float(len(text))] for text in captions])}


def test_a_tower_whose_tokens_come_from_a_function_is_looked_at_too():
    head = torch.nn.Identity()
    model = Model(torch.nn.Linear(1, 2), Length(), head, head, LogitScale())
    assert least_cosine(model) < 1.0
    settings, tokens = text_settings(model.text_encoder), tokens_fingerprint(Length())
    assert settings["class"] == "Length" and len(tokens) == 32
    assert tower_fingerprint(Length()) == tower_fingerprint(Length())
