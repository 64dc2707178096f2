"""A checkpoint is the same model, whatever kind it is of and through whatever way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from small_checkpoints import clap_model, laion_state, write_tokenizer
from small_run import write_run
from small_tokenizers import word_tokenizer
from test_families import htsat_state, prefixed, wavcaps
from test_initial import joined

from clap_sb.checkpoints.audio_weights import load_audio_weights
from clap_sb.checkpoints.checkpoint import UNKNOWN
from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import describe_checkpoint, open_checkpoint
from clap_sb.checkpoints.run_export import export_run
from clap_sb.checkpoints.run_folder import PARTS
from clap_sb.checkpoints.speechbrain_folder import hyperparams
from clap_sb.cli import main
from clap_sb.config import Config
from clap_sb.encoders.sentencepiece_tokenizer import train_sentencepiece
from clap_sb.evaluation.embedding import embed_captions
from clap_sb.experiment.initial import read_initial
from clap_sb.experiment.testing import open_evaluation
from clap_sb.inference import CLAP
from clap_sb.inference.conversion import convert, inform
from clap_sb.inference.model_fingerprint import fingerprint, tokenizer_fingerprint
from clap_sb.model import CLAP as Model

FAMILIES = {"LAION-CLAP": laion_state, "WavCaps": wavcaps}
# signs, of which WavCaps makes spaces
CAPTIONS = ["A dog, barks twice!", "rain falls (on a roof); a siren.", "a dog"]
KINDS = ["file", "export", "run", "one of a run", "export in a run", "hub"]
SAID = "tells sentences hardly apart"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The same model as a checkpoint of each kind, with what each must be given."""
    return {name: _kinds(tmp_path_factory, name, FAMILIES[name]) for name in FAMILIES}


def _kinds(factory, family: str, state: Callable) -> dict[str, tuple]:
    folder = factory.mktemp(family)
    words = write_tokenizer(folder / "words")
    torch.save({"model": state()}, folder / "file.pt")
    convert(folder / "file.pt", folder / "export", "speechbrain", str(words))
    run = run_of(folder / "export", folder / "run")
    return {
        "file": (folder / "file.pt", words),
        "export": (folder / "export", None),
        "run": (run, None),
        "one of a run": (run / "save" / "CKPT+1", None),
        "export in a run": (export_run(run), None),
        "hub": ("somebody/clap", None),
        "embedded": embedded(CLAP.from_checkpoint(folder / "file.pt", words).model),
    }


def run_of(export: Path, run: Path) -> Path:
    """A training run whose best checkpoint has the weights of an export."""
    kept = run / "save" / "CKPT+1"
    kept.mkdir(parents=True)
    shutil.copytree(export / "text", run / "text")
    for name in PARTS:
        shutil.copy(export / f"{name}.ckpt", kept)
    (kept / "CKPT.yaml").write_text("{epoch: 1, map: 0.5, unixtime: 1.0}")
    about = {"system": "small", "trained_on": "noise", "text_tower_origin": "none"}
    lines = [f"{key}: {value}" for key, value in about.items()]
    what = describe_checkpoint(export).architecture
    lines = [*lines, "best_metric: map", hyperparams(what, False)]
    described = Config("\n".join(lines)).extract([*PARTS, *about, "best_metric"])
    (run / "model.yaml").write_text(described.replace("<text_source>", "text"))
    text = (run / "model.yaml").read_text().replace("!ref text", "text")
    (run / "model.yaml").write_text(text)
    return run


def with_hub(ways: dict[str, tuple], monkeypatch) -> dict[str, tuple]:
    """The same kinds, where the hub is the folder of the export."""
    monkeypatch.setattr(
        "clap_sb.checkpoints.find_checkpoint.fetch_snapshot",
        lambda name, patterns, required="*": ways["export"][0],
    )
    return ways


@pytest.fixture(params=FAMILIES)
def family(request, kinds, monkeypatch):
    """All kinds of one family."""
    return with_hub(kinds[request.param], monkeypatch)


@pytest.fixture
def wavcaps_kinds(kinds, monkeypatch):
    """Of the family that has a rule of its own for captions."""
    return with_hub(kinds["WavCaps"], monkeypatch)


def by_the_interface(source, words, tmp_path) -> Model:
    return CLAP.from_checkpoint(source, words).model


def by_an_evaluation(source, words, tmp_path) -> Model:
    values = {"checkpoint": source, "tokenizer": words, "trust": False}
    options = SimpleNamespace(device="cpu")
    values |= {"system": "small", "seed": 0, "num_resamples": 9}
    experiment = SimpleNamespace(
        values=values, run_opts=options, dataset_name="", folder=tmp_path
    )
    return open_evaluation(experiment).clap


def by_fine_tuning(source, words, tmp_path) -> Model:
    initial = read_initial(source, words)
    initial.write_text(tmp_path / "text")
    clap = initial.adopt(joined(), tmp_path / "text").build()["clap"]
    initial.load_into(clap)
    return clap.eval()


def by_a_conversion(source, words, tmp_path) -> Model:
    convert(source, tmp_path / "out", "speechbrain", words)
    return CLAP.from_hparams(tmp_path / "out", run_opts={"device": "cpu"}).model


WAYS = [by_the_interface, by_an_evaluation, by_fine_tuning, by_a_conversion]


@torch.no_grad()
def embedded(clap: Model) -> tuple[torch.Tensor, torch.Tensor]:
    rate = clap.sample_rate
    wav = torch.randn(2, rate, generator=torch.Generator().manual_seed(3))
    return clap.encode_audio(wav), embed_captions(clap, CAPTIONS)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_by_each_way(kind, way, family, tmp_path):
    """In captions with signs, WavCaps has spaces for them, and others do not."""
    found = way(*family[kind], tmp_path)
    assert not found.training
    for one, other in zip(embedded(found), family["embedded"], strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    signs, none = embed_captions(found, ["A dog, barks!", "a dog  barks "])
    assert ((signs - none).abs().max() < 1e-6) == ("WavCaps" in str(family["file"][0]))


def test_an_export_of_wavcaps_from_before(wavcaps_kinds, tmp_path):
    """Its rule was the model's own; SpeechBrain's interface takes the export, too."""
    from speechbrain.inference.interfaces import Pretrained

    export = shutil.copytree(wavcaps_kinds["export"][0], tmp_path / "export")
    model = Pretrained.from_hparams(str(export), savedir=str(tmp_path / "kept"))
    text = embed_captions(model.mods.clap, CAPTIONS)
    torch.testing.assert_close(text, wavcaps_kinds["embedded"][1])
    told = json.loads((export / "architecture.json").read_text())
    assert told["text"]["part"]["arguments"].pop("strip_punctuation")
    told["strip_punctuation"] = True
    (export / "architecture.json").write_text(json.dumps(told))
    text = embed_captions(open_checkpoint(export).clap, CAPTIONS)
    torch.testing.assert_close(text, wavcaps_kinds["embedded"][1])


@pytest.mark.parametrize("kind", ["file", "one of a run", "export"])
def test_commands_see_the_same(kind, wavcaps_kinds, tmp_path, capsys):
    source, words = wavcaps_kinds[kind]
    given = [] if words is None else ["--tokenizer", str(words)]
    clap = CLAP.from_checkpoint(*wavcaps_kinds["file"])
    wav = np.random.default_rng(1).normal(0, 0.1, clap.sample_rate)
    soundfile.write(tmp_path / "a.wav", wav, clap.sample_rate)
    expected = {
        "--text": (CAPTIONS, clap.encode_text(CAPTIONS)),
        "--json": ([str(tmp_path / "a.wav")], clap.embed_files(tmp_path / "a.wav")),
    }
    for option, (names, rows) in expected.items():
        command = ["embed", "--checkpoint", str(source), "--json", option, *names]
        assert main([*command, *given]) == 0
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        found = torch.tensor([entry["embedding"] for entry in told])
        torch.testing.assert_close(found, rows, atol=1e-6, rtol=0)
    assert main(["info", str(source), "--json", *given]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["towers"] == inform(*wavcaps_kinds[kind]).towers
    assert told["joint_dim"] == 12 and told["text_cosine"] is not None


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_knows_the_model_again(kind, wavcaps_kinds):
    prints = [
        (fingerprint(clap), tokenizer_fingerprint(clap))
        for clap in (
            CLAP.from_checkpoint(*wavcaps_kinds[name]) for name in ("file", kind)
        )
    ]
    assert prints[0] == prints[1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["run", "export"])
def test_a_tokenizer_that_is_given_is_the_one(kind, way, wavcaps_kinds, tmp_path):
    """Of a run as well, which has one of its own."""
    other = tmp_path / "other"
    train_sentencepiece(["a siren wails", "A dog, barks twice!", *"bcfg"], other, 40)
    file = CLAP.from_checkpoint(wavcaps_kinds["file"][0], other).model
    expected = embed_captions(file, CAPTIONS)
    assert not torch.allclose(expected, wavcaps_kinds["embedded"][1], atol=1e-3)
    found = embed_captions(way(wavcaps_kinds[kind][0], str(other), tmp_path), CAPTIONS)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["file", "export", "run", "one of a run"])
def test_a_tokenizer_of_another_model_is_refused(kind, wavcaps_kinds, tmp_path):
    wrong = word_tokenizer(tmp_path / "wrong", "roberta", 61)
    with pytest.raises(CheckpointError, match="of another model"):
        open_checkpoint(wavcaps_kinds[kind][0], wrong)


def test_a_tokenizer_for_nothing_is_refused(tmp_path):
    state = prefixed("sed_model.", htsat_state(classes=5))
    torch.save({"state_dict": state}, tmp_path / "htsat.ckpt")
    words = write_tokenizer(tmp_path / "words")
    with pytest.raises(CheckpointError, match="no text tower: leave the tokenizer"):
        open_checkpoint(tmp_path / "htsat.ckpt", words)
    assert open_checkpoint(tmp_path / "htsat.ckpt").tokenizer is None


# ------------------------------------------------------------- what is told of it


def test_origin_is_told_by_a_run_and_by_its_exports(wavcaps_kinds, tmp_path):
    run = open_checkpoint(wavcaps_kinds["run"][0])
    convert(wavcaps_kinds["export in a run"][0], tmp_path / "again", "speechbrain")
    names = ("system", "trained_on", "text_tower_origin", "selection", "facts")
    for source in (wavcaps_kinds["export in a run"][0], tmp_path / "again"):
        export = open_checkpoint(source)
        for name in (*names, "description"):
            assert getattr(export, name) == getattr(run, name)
        assert export.run is None and export.place == source.as_posix()
        assert read_initial(source).trained_on == "noise"
    assert run.trained_on == "noise" and "0.50 in epoch 1" in run.selection
    assert run.run == wavcaps_kinds["run"][0].resolve()
    assert run.place == str(run.path)
    assert run.path.name == "CKPT+1"
    file = open_checkpoint(*wavcaps_kinds["file"])
    assert (file.trained_on, file.run, file.facts) == (UNKNOWN, None, {})
    assert file.architecture.family in file.system


def test_no_export_tells_of_this_machines_folders(wavcaps_kinds, tmp_path):
    run = shutil.copytree(wavcaps_kinds["run"][0], tmp_path / "run")
    text = (run / "model.yaml").read_text()
    places = {
        "trained_on: noise": "trained_on: the data of /some/place/a.pt, then b/c.csv",
        "text_tower_origin: none": "text_tower_origin: that of /some/place/d (e, /f/g)",
    }
    for old, new in places.items():
        assert old in text
        text = text.replace(old, new)
    (run / "model.yaml").write_text(text)
    convert(run, tmp_path / "out", "speechbrain")
    told = open_checkpoint(tmp_path / "out")
    assert told.trained_on == "the data of a.pt, then b/c.csv"
    assert told.text_tower_origin == "that of d (e, g)"
    card = (tmp_path / "out" / "README.md").read_text()
    assert "that of d (e, g)" in card and "/some/place" not in card.split("```")[0]


def test_what_is_on_the_hub_is_called_by_its_name_there(wavcaps_kinds):
    """And not by a place in this machine's cache."""
    found = open_checkpoint("somebody/clap")
    assert (found.source, found.place) == ("somebody/clap", "somebody/clap")
    assert read_initial("somebody/clap").trained_on == "the data of somebody/clap"


@pytest.mark.parametrize("text", ["[]", "{", '{"system": 1}', "é".encode("latin-1")])
def test_an_origin_that_is_none(wavcaps_kinds, tmp_path, text):
    export = shutil.copytree(wavcaps_kinds["export"][0], tmp_path / "export")
    content = text if isinstance(text, bytes) else text.encode()
    (export / "origin.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"origin\.json"):
        open_checkpoint(export)


# ------------------------------------------------------------------ what is a run


def test_an_export_deep_in_a_run_is_no_checkpoint_of_it(wavcaps_kinds, tmp_path):
    """Its parts have the same names: it would be taken for one of the run's."""
    run = tmp_path / "run"
    (tmp_path / "run").mkdir()
    write_run(run, tmp_path / "source", {1: 5.0})
    inside = shutil.copytree(wavcaps_kinds["export"][0], run / "exports" / "other")
    found = open_checkpoint(inside)
    assert found.run is None and found.system != "tiny"
    assert inform(inside).family == found.architecture.family
    assert open_checkpoint(run).system == "tiny"


def test_a_checkpoint_is_named_from_within_its_folder(wavcaps_kinds, monkeypatch):
    run = wavcaps_kinds["run"][0]
    monkeypatch.chdir(run / "save")
    assert CLAP.from_checkpoint("CKPT+1").description == "small, trained on noise"
    assert open_checkpoint("CKPT+1").run == run.resolve()


def test_folders_that_hold_none(wavcaps_kinds, tmp_path):
    run = shutil.copytree(wavcaps_kinds["run"][0], tmp_path / "run")
    for source, said in (
        (tmp_path / "nowhere", "no file or folder"),
        (tmp_path, "model.yaml of a training run.*export.*model.safetensors"),
        (run / "save", "holds no checkpoint"),
        (run / "text", "holds no checkpoint"),
        (shutil.copytree(run / "save" / "CKPT+1", tmp_path / "alone"), "without the r"),
    ):
        for way in (*WAYS, lambda source, *_: inform(source)):
            with pytest.raises(CheckpointError, match=said):
                way(source, None, tmp_path / "out")


@pytest.mark.parametrize("kind", ["run", "export"])
def test_a_part_that_is_missing(kind, wavcaps_kinds, tmp_path):
    source = shutil.copytree(wavcaps_kinds[kind][0], tmp_path / "copy")
    next(source.glob("**/text_encoder.ckpt")).unlink()
    if kind == "run":
        (source / "export" / "text_encoder.ckpt").unlink(missing_ok=True)
        (source / "save" / "CKPT+1" / "text_encoder.ckpt").unlink(missing_ok=True)
    with pytest.raises(CheckpointError, match="not complete: there is no .*text_enc"):
        open_checkpoint(source)


@pytest.mark.parametrize("way", WAYS)
def test_texts_that_are_alike_are_told_of_once(way, tmp_path, caplog):
    model = clap_model()
    with torch.no_grad():
        model.text_model.pooler.dense.weight *= 0.01
    model.save_pretrained(tmp_path / "clap")
    write_tokenizer(tmp_path / "clap")
    way(tmp_path / "clap", None, tmp_path)
    once = 2 if way is by_a_conversion else 1  # what was written is opened, too
    assert caplog.text.count(SAID) == once
    caplog.clear()
    inform(tmp_path / "clap")  # tells it in its table
    assert SAID not in caplog.text


def test_there_is_no_such_device(wavcaps_kinds):
    with pytest.raises(ValueError, match="cannot be used"):
        open_checkpoint("nowhere", device="cuda:99")


# --------------------------------------------------------------- the audio tower alone


@pytest.mark.parametrize("kind", KINDS)
def test_an_audio_tower_starts_from_any_kind(kind, wavcaps_kinds):
    source, words = wavcaps_kinds[kind]
    whole = CLAP.from_checkpoint(*wavcaps_kinds["file"]).model.audio_encoder
    tower = open_checkpoint(*wavcaps_kinds["file"]).clap.audio_encoder
    with torch.no_grad():
        for parameter in tower.parameters():
            parameter.zero_()
    assert "trained on" in load_audio_weights(tower, source) or kind != "run"
    for one, other in zip(tower.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, other)
