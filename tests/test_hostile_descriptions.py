"""What tells of a model, damaged or made to do harm: one line, and nothing is run."""

from __future__ import annotations

import json
import shutil
import time
import zipfile

import pytest
import torch
from small_run import write_run

from clap_sb.checkpoints.run_export import export_run
from clap_sb.cli.main import main
from clap_sb.inference import CLAP


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "run"
    folder.mkdir()
    write_run(folder, folder.parent / "source", {1: 1.0})
    export_run(folder)
    return folder


@pytest.fixture
def model_yaml(run):
    path = run / "model.yaml"
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


@pytest.fixture(params=["architecture.json", "text/config.json"])
def described(run, request):
    path = run / "export" / request.param
    content = path.read_bytes()
    yield path
    path.write_bytes(content)


def one_line(capsys, *words):
    """Status 1 and a line within two seconds, where there is an error at all."""
    begin = time.monotonic()
    status = main([str(word) for word in words])
    assert time.monotonic() - begin < 5
    said = capsys.readouterr().err
    assert status == 1 and said.count("\n") == 1 and len(said) < 1000
    return said


def aliases(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels + 1):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: aliases(7) + t.replace("tiny", "*a7", 1), "more than 100000 values"),
        (lambda t: t.replace("tiny", "[" * 5000 + "]" * 5000, 1), "nested more than"),
        (lambda t: t.replace("tiny", "{a: " * 5000 + "}" * 5000, 1), "nested more"),
        (lambda t: t.replace("tiny", "&s [*s]", 1), "holds itself"),
        (lambda t: t.replace("tiny", "[1, 2]", 1), "describes no system"),
        (
            lambda t: t.replace("audio_encoder: ", "audio_encoder: null\nx: ", 1),
            "no aud",
        ),
        (lambda t: "7", "no description"),
        (lambda t: "", "no description"),
        (lambda t: "- 1\n- 2\n", "describes no"),
        (lambda t: t + "\x00\x01", "no description"),
        (lambda t: t.replace("tiny", "2020-01-01", 1), "write it as a text"),
    ],
)
def test_a_model_yaml_of_any_kind_is_an_error_of_one_line(
    model_yaml, capsys, change, told
):
    text = change(model_yaml.read_text(encoding="utf-8"))
    model_yaml.write_text(text, encoding="utf-8")
    assert told in one_line(capsys, "info", model_yaml.parent)


def test_a_model_yaml_that_would_run_a_command_runs_none(model_yaml, capsys, tmp_path):
    trace, text = tmp_path / "trace", model_yaml.read_text(encoding="utf-8")
    for tag in (
        "!apply:os.system",
        "!new:os.system",
        "!!python/object/apply:os.system",
    ):
        for key in ("system", "audio_encoder", "logit_scale"):
            old = next(line for line in text.splitlines() if line.startswith(f"{key}:"))
            harm = text.replace(old, f'{key}: {tag} ["touch {trace}"]\nx:', 1)
            model_yaml.write_text(harm, encoding="utf-8")
            one_line(capsys, "info", model_yaml.parent)
            words = ("embed", "--text", "--json", "a", "--checkpoint")
            one_line(capsys, *words, model_yaml.parent)
    assert not trace.exists()


def test_the_yaml_of_an_export_is_not_run(run, tmp_path):
    path, trace = run / "export" / "hyperparams.yaml", tmp_path / "trace"
    path.write_text(f'x: !apply:os.system ["touch {trace}"]\n')
    CLAP.from_hparams(run / "export", savedir=tmp_path / "saved")
    CLAP.from_checkpoint(run / "export")
    assert not trace.exists()


@pytest.mark.parametrize(
    "content",
    [bytes(range(256)) * 10, b"[" * 100_000, b"null", b"[]", b"7", b"", b'"x"', b"{}"],
)
def test_json_of_any_kind_is_an_error_of_one_line(described, run, capsys, content):
    described.write_bytes(content)
    if described.name == "architecture.json":
        one_line(capsys, "info", run / "export")
    else:  # the description has all that is in it
        main(["info", str(run / "export")])


def test_each_value_of_a_description_may_be_of_any_kind(run, capsys):
    path = run / "export" / "architecture.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    refused = 0
    for key in whole:
        for value in (None, 7, -1, 1e9, "x", "../../etc", [], {}, [1, 2], True):
            path.write_text(json.dumps({**whole, key: value}), encoding="utf-8")
            for command in (
                ["info"],
                ["embed", "--text", "--json", "a", "--checkpoint"],
            ):
                status = main([*command, str(run / "export")])
                said = capsys.readouterr().err
                assert status in (0, 1) and "Traceback" not in said
                refused += status
    path.write_text(json.dumps(whole), encoding="utf-8")
    assert refused > 100


def test_the_configuration_of_a_run_is_named_where_it_is_damaged(run, capsys):
    path = run / "text" / "config.json"
    content = path.read_bytes()
    for damaged in (content[:20], b"\xff\xfe", b"[1, 2]", b"7"):
        path.write_bytes(damaged)
        assert "config.json" in one_line(capsys, "info", run)
    path.write_bytes(content)


def test_a_checkpoint_in_laions_format_runs_nothing(tmp_path, capsys):
    """With its pickle inside, as `torch.save` writes it: whatever a pickle may name."""
    trace = tmp_path / "trace"

    class Harm:
        def __reduce__(self):
            import os

            return os.system, (f"touch {trace}",)

    state = {"module.logit_scale_a": torch.ones(()), "epoch": Harm()}
    for number, content in enumerate(
        ({"epoch": 1, "name": "x", "state_dict": state}, {"state_dict": Harm()}, Harm())
    ):
        path = tmp_path / f"630k-audioset-best-{number}.pt"
        torch.save(content, path)
        for words in commands(path, tmp_path / "out"):
            assert path.name in one_line(capsys, *words)
    assert not trace.exists() and not (tmp_path / "out").exists()


def commands(source, out):
    """What a user does first with a model from someone else."""
    text = ("--text", "--json", "a")
    return (
        ["info", source],
        ["convert", source, out],
        ["embed", *text, "--checkpoint", source],
    )


@pytest.mark.parametrize("name", ["hyperparams.yaml", "model.yaml"])
def test_a_model_of_the_hub_that_would_run_a_command_runs_none(
    name, run, tmp_path, monkeypatch, capsys
):
    """Of a kind that is not ours, it is refused; of ours, the file is none of ours."""
    trace, folder = tmp_path / "trace", tmp_path / "snapshot"
    folder.mkdir()
    harm = f'x: !apply:os.system ["touch {trace}"]\nmodules: {{a: !ref <x>}}\n'
    (folder / name).write_text(harm)
    code = f"open({str(trace)!r}, 'w')\n"
    for other in ("custom.py", "custom_interface.py", "modeling_clap.py"):
        (folder / other).write_text(code)
    monkeypatch.setattr(
        "clap_sb.checkpoints.find_checkpoint.fetch_snapshot",
        lambda name, patterns, required="*": folder,
    )
    for words in commands("somebody/clap", tmp_path / "out"):
        one_line(capsys, *words)
    for file in (run / "export").iterdir():
        if file.is_file() and file.name != name:
            shutil.copy(file, folder)
    shutil.copytree(run / "export" / "text", folder / "text")
    main(["embed", "--text", "--json", "a", "--checkpoint", "somebody/clap"])
    assert not trace.exists() and not (tmp_path / "out").exists()


def test_an_archive_that_would_write_elsewhere_writes_nothing(tmp_path, capsys):
    """As checkpoints are archives: one of other things, and a whole one with more."""
    folder, whole = tmp_path / "deep", tmp_path / "whole.pt"
    folder.mkdir()
    torch.save({"state_dict": {"logit_scale_a": torch.ones(())}}, whole)
    for name in ("evil.zip", "evil.pt", "more.pt"):
        if name == "more.pt":
            shutil.copy(whole, folder / name)
        with zipfile.ZipFile(folder / name, "a") as archive:
            for entry in ("../escaped", "../../escaped", "/escaped", "..\\escaped"):
                archive.writestr(entry, "x")
        for words in commands(folder / name, folder / "out"):
            assert name in one_line(capsys, *words)
    assert not list(tmp_path.parent.rglob("*escaped*"))
    assert {path.name for path in folder.iterdir()} == {
        "evil.zip",
        "evil.pt",
        "more.pt",
    }
