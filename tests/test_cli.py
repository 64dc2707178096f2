"""``clap-sb info`` and ``clap-sb convert``, and what SpeechBrain makes of an export."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_checkpoints import (
    CAPTIONS,
    clap_model,
    feature_extractor,
    laion_state,
    write_tokenizer,
)

from clap_sb.checkpoints.errors import CheckpointError
from clap_sb.checkpoints.open_checkpoint import open_checkpoint
from clap_sb.checkpoints.run_folder import PARTS
from clap_sb.checkpoints.speechbrain_folder import hyperparams
from clap_sb.cli import main
from clap_sb.config import Config
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT
from clap_sb.inference import CLAP
from clap_sb.inference.tag_options import TagOptions
from clap_sb.search.updating import EXACT_UP_TO

RATE = 48000
WAV = 0.1 * torch.randn(60000, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("laion") / "model.pt"
    torch.save({"state_dict": laion_state()}, path)
    return path


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def export(file, tokenizer, tmp_path_factory):
    """The file as a SpeechBrain folder."""
    out = tmp_path_factory.mktemp("export") / "out"
    assert main(["convert", str(file), str(out), "--tokenizer", str(tokenizer)]) == 0
    return out


def test_info_tells_what_a_file_is(file, capsys):
    assert main(["info", str(file)]) == 0
    said = capsys.readouterr().out
    for fact in ("LAION-CLAP", "HTSAT-8 + RoBERTa", "12", "48000 Hz", "10 s"):
        assert fact in said


def test_info_of_an_export_tells_the_same(file, tokenizer, export, capsys):
    main(["info", str(file), "--tokenizer", str(tokenizer)])
    of_file = capsys.readouterr().out.splitlines()
    main(["info", str(export)])
    of_export = capsys.readouterr().out.splitlines()
    assert of_export[1:] == of_file[1 : len(of_export)]


def test_errors_are_one_line(tmp_path, capsys):
    (tmp_path / "bad.pt").write_bytes(b"<html>")
    assert main(["info", str(tmp_path / "bad.pt")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("clap-sb: ") and error.count("\n") == 1


@pytest.mark.parametrize("command", ["tag", "calibrate", "caption", "index"])
def test_help_tells_what_holds_unless_it_is_given(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    defaults = {
        "caption": {"top": 3},
        "index": {"batch-size": 16, "exact-up-to": EXACT_UP_TO},
    }
    names = ("window", "hop", "silence_db", "threshold", "min_duration", "max_gap")
    listening = {n.replace("_", "-"): getattr(TagOptions(), n) for n in names}
    listening["template"] = DEFAULT_PROMPT
    for name, value in defaults.get(command, listening).items():
        value = f"{value:g}" if isinstance(value, float) else value
        _, _, after = told.partition(f" --{name} {name.replace('-', '_').upper()} ")
        after = after or told.partition(f" --{name} N ")[2]
        assert f"(default: {value}" in after.partition(" --")[0], name


def test_the_command_starts_without_loading_torch():
    code = "import sys, clap_sb.cli; assert 'torch' not in sys.modules"
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_a_folder_in_use_is_not_written_to(file, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["convert", str(file), str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_export_is_the_same_model(file, export, tokenizer):
    before = CLAP.from_checkpoint(file, tokenizer=tokenizer)
    after = CLAP.from_checkpoint(export)
    assert torch.equal(after.encode_audio(WAV, RATE), before.encode_audio(WAV, RATE))
    assert torch.equal(after.encode_text(CAPTIONS), before.encode_text(CAPTIONS))
    assert after.logit_scale == before.logit_scale
    card = (export / "README.md").read_text(encoding="utf-8")
    assert "LAION-CLAP" in card and "2211.06687" in card and "CC0" in card


def test_speechbrain_loads_an_export_wherever_it_lies(
    file, export, tokenizer, tmp_path, monkeypatch
):
    """Nothing but the folder is given; its own ``text/`` is not looked at."""
    import shutil

    from speechbrain.inference.interfaces import Pretrained

    moved = tmp_path / "moved"
    shutil.copytree(export, moved)
    shutil.rmtree(moved / "text")
    monkeypatch.chdir(tmp_path)
    model = Pretrained.from_hparams(
        source=str(moved), savedir=str(tmp_path / "collected")
    )
    expected = CLAP.from_checkpoint(file, tokenizer=tokenizer)
    with torch.no_grad():
        audio, text = model.mods.clap(WAV[None], None, CAPTIONS[:1])
    assert torch.equal(audio, expected.encode_audio(WAV, RATE))
    assert torch.equal(text, expected.encode_text(CAPTIONS[0]))
    assert model.hparams.sample_rate == RATE


def test_the_audio_tower_alone_goes_into_another_recipe(file, export, tmp_path):
    from hyperpyyaml import load_hyperpyyaml
    from speechbrain.utils.parameter_transfer import Pretrainer

    text = (export / "hyperparams.yaml").read_text(encoding="utf-8")
    start = text.index("audio_encoder: !new")
    tower = text[start : text.index("text_encoder:")]
    encoder = load_hyperpyyaml(tower)["audio_encoder"].eval()
    pretrainer = Pretrainer(
        collect_in=tmp_path,
        loadables={"encoder": encoder},
        paths={"encoder": str(export / "audio_encoder.ckpt")},
    )
    pretrainer.collect_files()
    pretrainer.load_collected()
    expected = CLAP.from_checkpoint(file).model.audio_encoder
    with torch.no_grad():
        assert torch.equal(encoder(WAV[None]), expected(WAV[None]))


def test_to_transformers_and_back(file, tokenizer, tmp_path):
    out, again = tmp_path / "hf", tmp_path / "again"
    arguments = ["--tokenizer", str(tokenizer)]
    assert (
        main(["convert", str(file), str(out), "--to", "transformers", *arguments]) == 0
    )
    assert main(["convert", str(out), str(again), *arguments]) == 0
    first = CLAP.from_checkpoint(file).model.state_dict()
    last = CLAP.from_checkpoint(again).model.state_dict()
    assert first.keys() == last.keys()
    filters = "audio_encoder.log_mel.mel_filters"
    torch.testing.assert_close(last.pop(filters), first.pop(filters))
    assert all(torch.equal(last[key], first[key]) for key in first)


def test_a_foreign_filterbank_cannot_go_to_transformers(tmp_path, capsys):
    state = laion_state()
    state["audio_branch.logmel_extractor.melW"] *= 2
    torch.save(state, tmp_path / "model.pt")
    out = str(tmp_path / "out")
    code = main(["convert", str(tmp_path / "model.pt"), out, "--to", "transformers"])
    assert code == 1
    assert "filterbank" in capsys.readouterr().err


def test_a_converted_model_says_when_its_tokenizer_is_missing(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    clap_model().save_pretrained(tmp_path / "hf")
    feature_extractor().save_pretrained(tmp_path / "hf")
    assert main(["convert", str(tmp_path / "hf"), str(tmp_path / "out")]) == 0
    assert "roberta-base could not be fetched" in capsys.readouterr().out
    tokens = {"input_ids": torch.tensor([[0, 5, 2]])}
    tokens["attention_mask"] = torch.ones_like(tokens["input_ids"])
    clap = CLAP.from_checkpoint(tmp_path / "out")
    assert clap.encode_text(tokens).isfinite().all()


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "clap_sb.cli.main",
        "clap_sb.encoders.text_source.fetch",
        "clap_sb.encoders.text.Path",
        "clap_sb.encoders.nothing.Here",
    ],
)
def test_a_description_cannot_name_other_code(export, tmp_path, name):
    text = (export / "architecture.json").read_text(encoding="utf-8")
    changed = text.replace("clap_sb.encoders.htsat.HTSAT", name)
    assert changed != text
    (tmp_path / "architecture.json").write_text(changed)
    with pytest.raises(CheckpointError, match=name):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", '{"family": "x"}', "null", "{}"])
def test_a_damaged_description_is_an_error(tmp_path, text):
    (tmp_path / "architecture.json").write_text(text)
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path)


def test_an_export_that_lacks_a_file_names_it(export, tmp_path):
    import shutil

    shutil.copytree(export, tmp_path / "copy")
    (tmp_path / "copy" / "audio_projection.ckpt").unlink()
    with pytest.raises(CheckpointError, match="audio_projection.ckpt"):
        CLAP.from_checkpoint(tmp_path / "copy")


# ---------------------------------------------------------------- runs of our own


@pytest.fixture(scope="module")
def run(file, tokenizer, tmp_path_factory):
    """What training leaves: a description, the text tower's files, a checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    loaded = open_checkpoint(file, tokenizer)
    loaded.clap.text_encoder.save_source(folder / "text")
    about = ["system: small", "trained_on: noise", "text_tower_origin: none"]
    lines = [*about, "best_metric: map", hyperparams(loaded.architecture, False)]
    keys = ("system", *PARTS, "trained_on", "text_tower_origin", "best_metric")
    (folder / "model.yaml").write_text(Config("\n".join(lines)).extract(keys))
    kept = folder / "save" / "CKPT+1"
    kept.mkdir(parents=True)
    (kept / "CKPT.yaml").write_text("{epoch: 3, map: 0.5, unixtime: 1.0}")
    for name in PARTS:
        state = getattr(loaded.clap, name).state_dict()
        torch.save(state, kept / f"{name}.ckpt")
    return folder


@pytest.mark.parametrize("part", [".", "save/CKPT+1"])
def test_info_of_a_run(run, part, capsys):
    assert main(["info", str(run / part)]) == 0
    said = capsys.readouterr().out
    for fact in ("small, trained on noise", "48000 Hz", "10 s", "our own", "none"):
        assert fact in said
    assert ("best of the run" in said) == (part == ".")


def test_info_tells_whose_weights_a_model_started_from(run, tmp_path, capsys):
    import json
    import shutil

    shutil.copytree(run, tmp_path / "run")
    with open(tmp_path / "run" / "model.yaml", "a") as file:
        file.write("weights_of:\n- 'aisfx 0.1.2: Ma and Lerch, AGPL-3.0'\n- a second\n")
    assert main(["info", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "weights of       aisfx 0.1.2: Ma and Lerch, AGPL-3.0; a second\n" in said
    assert main(["info", str(tmp_path / "run"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["weights_of"]
    assert told == ["aisfx 0.1.2: Ma and Lerch, AGPL-3.0", "a second"]


def test_info_loads_no_model(run):
    """What describes it is enough: transformers takes seconds."""
    code = f"""
import sys
from clap_sb.cli import main
assert main(["info", {str(run)!r}]) == 0
slow = {{"transformers", "speechbrain", "scipy", "matplotlib"}}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


@pytest.mark.parametrize("to", ["speechbrain", "transformers"])
def test_a_run_is_converted(run, to, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["convert", str(run), str(out), "--to", to]) == 0
    before, after = CLAP.from_checkpoint(run), CLAP.from_checkpoint(out)
    close = torch.testing.assert_close
    close(after.encode_audio(WAV, RATE), before.encode_audio(WAV, RATE))
    close(after.encode_text(CAPTIONS), before.encode_text(CAPTIONS))
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "trained on | noise" in card and "best of the run by validation map" in card
    again = tmp_path / "again"
    assert main(["convert", str(out), str(again)]) == 0, "an export is converted too"
    last = CLAP.from_checkpoint(again)
    close(last.encode_text(CAPTIONS), after.encode_text(CAPTIONS))


def test_what_clap_model_has_no_place_for_is_named(run, tmp_path, capsys):
    import shutil

    shutil.copytree(run, tmp_path / "run")
    path = tmp_path / "run" / "model.yaml"
    text = path.read_text()
    assert "pooling: pooler" in text
    path.write_text(text.replace("pooling: pooler", "pooling: mean"))
    out = str(tmp_path / "out")
    assert main(["convert", str(tmp_path / "run"), out, "--to", "transformers"]) == 1
    assert "pooler" in capsys.readouterr().err
