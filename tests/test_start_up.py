"""What a command imports: nothing that its answer does not need."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import CAPTIONS
from indexes import write_sound
from small_run import write_run

from clap_sb.cli import main
from clap_sb.cli.main import COMMANDS
from clap_sb.inference import CLAP
from clap_sb.search import SearchIndex

ROOT = Path(__file__).resolve().parents[1]
# Runs commands one after another; after each, tells its status and what is loaded.
_RUNNER = """
import contextlib, io, json, sys
from clap_sb.cli import main

def run(words):
    try:
        return main(words)
    except SystemExit as end:
        return end.code

told = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        with contextlib.redirect_stderr(io.StringIO()):
            status = run(words)
    told.append([status, sorted(sys.modules)])
print(json.dumps(told))
"""
# A word or a sound takes torch, NumPy, the tokenizer and soundfile, and no more.
_NOT_FOR_AN_ANSWER = {
    "PIL",
    "clap_sb.brain",
    "clap_sb.experiment",
    "clap_sb.runtimes.towers",
    "clap_sb.training",
    "faiss",
    "huggingface_hub",
    "hyperpyyaml",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "openvino",
    "pandas",
    "pyarrow",
    "requests",
    "scipy",
    "sklearn",
    "speechbrain",
    "starlette",
    "sympy",
    "tokenizers",
    "torch._dynamo",
    "torch._inductor",
    "torchaudio",
    "transformers",
    "uvicorn",
}
_NOT_FOR_HELP = _NOT_FOR_AN_ANSWER | {"numpy", "soundfile", "torch"}


def loaded_after(commands: Sequence[Sequence[str]]) -> list[tuple[int, set[str]]]:
    """Of each command, in one fresh process: its status, and the modules by then."""
    result = subprocess.run(
        [sys.executable, "-c", _RUNNER, json.dumps(commands)],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    told = json.loads(result.stdout.splitlines()[-1])
    return [(status, set(modules)) for status, modules in told]


def assert_absent(modules: set[str], unwanted: set[str], command: str) -> None:
    """Names the modules that came back, and how to find who imports them."""
    back = sorted(modules & unwanted)
    assert not back, (
        f"`clap-sb {command}` imports {', '.join(back)}: find out where by "
        f"`python -X importtime -m clap_sb.cli {command}`, and import it where it is "
        "used, or where its type is named under TYPE_CHECKING"
    )


def test_help_and_mistakes_import_nothing():
    names = [command.__name__.rpartition(".")[2] for command in COMMANDS]
    helped = [["--help"], ["--version"], *([name, "--help"] for name in names)]
    mistaken = [
        [],
        ["bark"],
        ["tag", "x.wav"],
        ["search", "x.index", "--fold-above", "high"],
    ]
    refused = [["embed", "x.wav", "--checkpoint", "x"]]
    refused += [["tag", "x.wav", "--checkpoint", "x"]]
    refused += [["calibrate", "x.csv", "--checkpoint", "x", "--out", "x.json"]]
    commands = [*helped, *mistaken, *refused]
    statuses = [0] * len(helped) + [2] * len(mistaken) + [2] * len(refused)
    told = loaded_after(commands)
    assert [status for status, _ in told] == statuses
    for words, (_, modules) in zip(commands, told, strict=True):
        assert_absent(modules, _NOT_FOR_HELP, " ".join(words))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, tmp_path_factory.mktemp("source"), {1: 20.0})
    return folder


def test_an_answer_imports_what_it_needs(run, tmp_path):
    sound, index = write_sound(tmp_path / "a.wav", 1), str(tmp_path / "sounds.index")
    words = ["index", str(tmp_path), "--checkpoint", str(run), "--out", index]
    assert main(words) == 0
    sound, checkpoint = str(sound), ["--checkpoint", str(run)]
    commands = [
        ["search", str(tmp_path / "none.index"), CAPTIONS[0]],
        ["search", index],
        ["index", "--out", index],
        ["search", index, CAPTIONS[0]],
        ["tag", sound, *checkpoint, "--label", "dog", "--label", "rain"],
        ["caption", sound, *checkpoint],
        ["embed", sound, *checkpoint, "--json"],
        ["info", str(run)],
    ]
    told = loaded_after(commands)
    assert [status for status, _ in told] == [1, 2, 0, 0, 0, 0, 0, 0]
    for words, (_, modules) in list(zip(commands, told, strict=True))[:3]:
        # whether there is an index, and what has changed, is seen before that
        assert_absent(modules, {"torch"}, words[0])
    for words, (_, modules) in zip(commands, told, strict=True):
        assert_absent(modules, _NOT_FOR_AN_ANSWER, words[0])


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("start_up")


def test_the_benchmark_writes_an_index_and_medians(benchmark, tmp_path, monkeypatch):
    large = importlib.import_module("large_index")
    monkeypatch.setattr(large, "BUILT_IN", 3)
    index = large.write_index(tmp_path, None, 5)
    assert len(SearchIndex(index).sounds) == 5
    clap = CLAP.from_checkpoint(str(tmp_path / "model"))
    assert clap.encode_text(["a dog"]).shape == (1, 128)
    taken = {
        benchmark.BARE: [[1.0, 2.0, 4.0], [3.0, 2.0, 4.0]],
        "search": [[1.0, 5.0, 6.0], [1.0, 3.0, 6.0], [9.0, 4.0, 6.0]],
    }
    assert benchmark.rows_of(taken) == [
        "import torch | 2.00 | 1.00 | 2.00 | 1.00 | 4.00 | 1.00",
        "search | 1.00 | 0.50 | 4.00 | 2.00 | 6.00 | 1.50",
    ]


def test_the_benchmark_sees_the_first_file(benchmark, tmp_path, run):
    """And runs the code of the checkout that it names, and of no other."""
    words = ["info", str(run)]
    first, done, _ = benchmark.measure(benchmark._COMMAND, str(ROOT), [str(run)], words)
    assert 0 < first < done
    with pytest.raises(SystemExit, match="the code is that of"):
        benchmark.measure(benchmark._COMMAND, str(tmp_path), [str(run)], words)
