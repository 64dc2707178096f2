"""``clap-sb embed``, ``tag``, ``calibrate`` and ``caption``, and their mistakes."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from builders import CAPTIONS, SAMPLE_RATE
from small_run import write_run

from clap_sb import __version__
from clap_sb.checkpoints.run_export import export_run
from clap_sb.cli import main
from clap_sb.cli.main import COMMANDS, parse
from clap_sb.inference import CLAP
from clap_sb.inference.captions import everyday_captions


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    write_run(run, tmp_path_factory.mktemp("source"), {1: 20.0})
    return str(export_run(run))


@pytest.fixture(scope="module")
def clap(export):
    return CLAP.from_hparams(export, run_opts={"device": "cpu"})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    generator = torch.Generator().manual_seed(0)
    for name in ("a", "b"):
        wav = 0.1 * torch.randn(20000, generator=generator)
        soundfile.write(folder / f"{name}.wav", wav.numpy(), SAMPLE_RATE)
    return [str(folder / "a.wav"), str(folder / "b.wav")]


@pytest.fixture
def stdin(monkeypatch):
    def give(content: bytes) -> None:
        stream = io.TextIOWrapper(io.BytesIO(content))
        monkeypatch.setattr("sys.stdin", stream)

    return give


def run(capsys, *words: str) -> list[dict]:
    """The JSON that a command prints, an object a line."""
    assert main([*words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_embed_writes_what_the_interface_gives(clap, export, files, tmp_path, capsys):
    out = tmp_path / "out.npz"
    assert main(["embed", "--checkpoint", export, *files, "--out", str(out)]) == 0
    assert "2 embeddings of 12 numbers" in capsys.readouterr().out
    with np.load(out) as found:
        assert found["name"].tolist() == files
        np.testing.assert_allclose(
            found["embedding"], clap.embed_files(files).numpy(), atol=1e-6
        )
    printed = run(capsys, "embed", "--checkpoint", export, *files)
    assert {entry["model"] for entry in printed} == {clap.description}
    assert [entry["path"] for entry in printed] == files
    printed = run(capsys, "embed", "--checkpoint", export, "--text", *CAPTIONS)
    rows = torch.tensor([entry["embedding"] for entry in printed])
    torch.testing.assert_close(rows, clap.encode_text(CAPTIONS))


def test_the_standard_input_is_a_list_or_a_sound(clap, export, files, stdin, capsys):
    expected = clap.embed_files(files)
    stdin("\n".join([*files, ""]).encode())
    listed = run(capsys, "embed", "--checkpoint", export, "-")
    assert [entry["path"] for entry in listed] == files
    with open(files[1], "rb") as file:
        stdin(file.read())
    sound = run(capsys, "embed", "--checkpoint", export, "-")
    assert [entry["path"] for entry in sound] == ["-"]
    rows = torch.tensor([entry["embedding"] for entry in [*listed, *sound]])
    torch.testing.assert_close(rows, expected[[0, 1, 1]], atol=1e-6, rtol=0)
    for content, said in (
        (b"\xff\xfe\x00", "nor is the standard input a list"),
        (b"", "is empty"),
    ):
        stdin(content)
        assert main(["embed", "--checkpoint", export, "-", "--json"]) == 1
        assert said in capsys.readouterr().err


def test_the_standard_input_is_a_list_of_sentences(clap, export, stdin, capsys):
    words = ["embed", "--checkpoint", export, "--text"]
    stdin(f"\ufeff{CAPTIONS[1]}\r\n\n{CAPTIONS[2]}\n".encode())
    found = run(capsys, *words, CAPTIONS[0], "-")
    assert [entry["text"] for entry in found] == CAPTIONS[:3]
    rows = torch.tensor([entry["embedding"] for entry in found])
    torch.testing.assert_close(rows, clap.encode_text(CAPTIONS[:3]))
    stdin(b"\n")
    assert main([*words, "-", "--json"]) == 1
    assert "no sentence" in capsys.readouterr().err
    stdin(CAPTIONS[1].encode("utf-16"))
    assert main([*words, "-", "--json"]) == 1
    assert "UTF-16: save it as UTF-8" in capsys.readouterr().err


def test_a_list_of_files_is_not_drawn_over_and_over(
    export, files, stdin, tmp_path, capsys
):
    plot = tmp_path / "plot.png"
    words = ["tag", "-", "--checkpoint", export, "--label", "dog", "--plot", str(plot)]
    stdin("\n".join(files).encode())
    assert main(words) == 2
    assert "one file, and there are 2" in capsys.readouterr().err
    assert not plot.exists()
    with open(files[0], "rb") as file:
        stdin(file.read())
    assert main(words) == 0 and plot.exists()


def test_a_file_that_cannot_be_read_does_not_stop_the_others(
    export, files, tmp_path, capsys
):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    words = ["--checkpoint", export, str(bad), *files, "--json"]
    for command in ("embed", "caption"):
        assert main([command, *words]) == 1
        said = capsys.readouterr()
        entries = [json.loads(line) for line in said.out.splitlines()]
        assert [entry["path"] for entry in entries] == files
        assert said.err.startswith("clap-sb: ") and "bad.wav" in said.err


def test_caption_prints_the_nearest_sentences(clap, export, files, tmp_path, capsys):
    words = ["caption", "--checkpoint", export, files[0]]
    [told] = run(capsys, *words, "--top", "2")
    found = told["captions"]
    expected = clap.caption_file(files[0], top=2)
    assert [row["text"] for row in found] == [row.caption for row in expected]
    assert [row["cosine"] for row in found] == [row.similarity for row in expected]
    assert found[0]["text"] in everyday_captions()
    bank = tmp_path / "bank.txt"
    bank.write_text("one\n\ntwo\n")
    assert main([*words, "--captions", str(bank)]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == files[0] and "two" in printed
    bank.write_text("\n")
    assert main([*words, "--captions", str(bank)]) == 1
    assert "no sentence" in capsys.readouterr().err


def test_calibrate_then_tag(export, files, tmp_path, capsys):
    labels = tmp_path / "labels.csv"
    labels.write_text("dog,a dog barks\nrain,rain falls\n")
    table = tmp_path / "annotations.csv"
    rows = [f"{files[0]},0,1,dog", f"{files[1]},0.5,2,rain"]
    table.write_text("\n".join(["file,start,end,label", *rows]))
    out = str(tmp_path / "c.json")
    words = ["--checkpoint", export, "--labels", str(labels)]
    listening = ["--window", "0.5", "--hop", "0.25"]
    [learned] = run(capsys, "calibrate", str(table), *words, *listening, "--out", out)
    assert learned["path"] == out
    assert set(learned["thresholds"]) == {"dog", "rain"}

    plot = tmp_path / "plot.png"
    [found] = run(
        capsys, "tag", files[0], *words, "--calibration", out, "--plot", str(plot)
    )
    curves = found["curves"]
    assert curves["edges"][1] == 0.25  # as it was calibrated
    assert set(curves["probability"]) == {"dog", "rain", "none of these"}
    assert plot.read_bytes().startswith(b"\x89PNG")
    other = [*words, "--calibration", out, "--threshold", "1.0"]
    assert main(["tag", *files, *other]) == 0
    assert capsys.readouterr().out.count("none of these") == 2
    assert main(["tag", files[0], *other, "--window", "0.75"]) == 1
    assert "not for window 0.75" in capsys.readouterr().err
    other_model = json.loads((tmp_path / "c.json").read_text())
    other_model["fingerprint"] = "0" * 32
    (tmp_path / "c.json").write_text(json.dumps(other_model))
    assert main(["tag", files[0], *other]) == 1
    assert "another model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tag", "a.wav", "--label", "x", "--window", "99"], "at most"),
        (["tag", "a.wav", "--labels", "nowhere.txt"], "nowhere.txt"),
        (["tag", "a.wav", "--label", "x", "--calibration", "none.json"], "none.json"),
        (["embed", "a.wav", "--json", "--device", "gpu"], "device gpu cannot be used"),
        (["embed", "a.wav", "--json", "--device", "cuda:99"], "device cuda:99 cannot"),
    ],
)
def test_mistakes_are_told_in_one_line(export, words, said, files, capsys):
    words = [files[0] if word == "a.wav" else word for word in words]
    assert main([*words, "--checkpoint", export]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed", "a.wav"], "needs --out"),
        (["embed", "a.wav", "--out", "x.csv"], ".npz"),
        (["tag", "a.wav"], "--label LABEL"),
        (["tag", "a.wav", "--label", "x", "--labels", "y.txt"], "--label LABEL"),
        (["tag", "a.wav", "b.wav", "--label", "x", "--plot", "p.png"], "one file"),
        (["tag", "a.wav", "--label", "x", "--frames", "--window", "1"], "--frames"),
        (["tag", "a.wav", "--label", "x", "--frames-hop", "1"], "--frames"),
        (["info", "other"], "one checkpoint"),
        (["convert", "other", "out"], "one checkpoint"),
        (["export", "--onnx", "other", "out"], "one checkpoint"),
        (["index", "--out", "x", "--export", "x.csv"], ".parquet or .npz"),
    ],
)
def test_a_wrong_command_line_ends_with_2(export, words, said, capsys):
    assert main([*words, "--checkpoint", export]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_every_command_names_a_model_in_the_same_words(capsys):
    """`--checkpoint`, `--tokenizer`, `--trust`; `--device` where it computes much."""
    helps: dict[str, set[str]] = {}
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command.__name__.rpartition(".")[2], "--help"])
        said = " ".join(capsys.readouterr().out.split()).replace("[-", "")
        for option in ("--checkpoint CHECKPOINT", "--tokenizer TOKENIZER", "--trust"):
            assert f" {option} " in said, (command.__name__, option)
        for option in ("--device DEVICE", "--tokenizer TOKENIZER", "--trust"):
            _, found, text = said.rpartition(f" {option} ")
            if found:
                helps.setdefault(option, set()).add(text.partition(" --")[0])
    assert all(len(texts) == 1 for texts in helps.values()), helps


def test_info_takes_a_checkpoint_in_either_way(export, tmp_path, capsys):
    [placed] = run(capsys, "info", export)
    assert run(capsys, "info", "--checkpoint", export) == [placed]
    assert placed["path"] == export
    out = str(tmp_path / "out")
    [converted] = run(capsys, "convert", "--checkpoint", export, out)
    assert converted["path"] == out and converted["to"] == "speechbrain"


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"clap-sb {__version__} (Python ")


@pytest.mark.parametrize("words", [["--help"], ["caption", "--checkpoint", "MODEL"]])
def test_a_reader_that_has_seen_enough_is_no_mistake(words, export, files):
    """As `| head -1`: the pipe is closed before the command writes."""
    words = [export if word == "MODEL" else word for word in words]
    words += files if "caption" in words else []
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "clap_sb.cli", *words],
            stdout=writer,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(
    "name", [command.__name__.rpartition(".")[2] for command in COMMANDS]
)
def test_every_command_has_examples_that_it_takes(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "--json" in said
    _, _, epilog = said.rpartition("example")
    examples = re.findall(r"clap-sb (.*)", epilog.replace("\\\n", ""))
    assert any(example.startswith(name) for example in examples)
    for example in examples:
        words = shlex.split(re.split(r" > | \| ", example)[0], comments=True)
        assert callable(parse(words).run)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("search i --json dog", {"query": ["dog"], "json": True}),
        ("search i --json -- -dog", {"query": ["-dog"], "json": True}),
        ("search i dog --json -- -bark", {"query": ["dog", "-bark"], "json": True}),
        ("search i -k 3 dog rain", {"query": ["dog", "rain"], "k": 3}),
        ("search i dog -k 3 rain", {"query": ["dog", "rain"], "k": 3}),
        ("search i --audio a.wav dog", {"query": ["dog"], "audio": ["a.wav"]}),
        ("search i --fold dog", {"query": ["dog"], "fold": 0.98}),
        ("search i --fold-above 0.9 dog", {"query": ["dog"], "fold": 0.9}),
        ("search i dog --weights 0.5 -1", {"weights": [0.5, -1]}),
        ("search --json i -- -dog", {"index": "i", "query": ["-dog"]}),
        ("index f --out o g", {"folder": ["f", "g"], "out": "o"}),
        ("index --out o", {"folder": [], "out": "o"}),
        ("embed --checkpoint c a.wav --json -", {"files": ["a.wav", "-"]}),
    ],
)
def test_options_stand_anywhere(line, expected):
    found = vars(parse(line.split()))
    assert {key: found[key] for key in expected} == expected


def test_a_text_among_the_weights_is_told(capsys):
    with pytest.raises(SystemExit) as ended:
        parse(["search", "i", "--weights", "0.5", "a dog"])
    assert ended.value.code == 2
    assert "'a dog' is no number: texts go before --weights" in capsys.readouterr().err


def test_info_and_convert_print_json(export, tmp_path, capsys):
    [facts] = run(capsys, "info", export)
    assert facts["joint_dim"] == 12 and facts["sample_rate"] == SAMPLE_RATE
    assert facts["family"] == "clap_sb" and facts["window"] == 2.5
    out = str(tmp_path / "out")
    [done] = run(capsys, "convert", export, out)
    assert (done["path"], done["missing_tokenizer"]) == (out, None)
