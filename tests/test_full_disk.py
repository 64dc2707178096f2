"""A disk that takes no more, as the kernel has it: commands say so in a line."""

from __future__ import annotations

import signal
import sys

import pytest
from indexes import write_sound
from processes import start_process
from small_checkpoints import clap_model, write_tokenizer
from small_run import write_run

from clap_sb.cli.main import main

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_FSIZE of Linux")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, tmp_path_factory.mktemp("source"), {1: 20.0})
    return folder


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """In transformers' format, whose conversion writes safetensors."""
    folder = write_tokenizer(tmp_path_factory.mktemp("public"))
    clap_model().save_pretrained(folder)
    return folder


def _limited(words: list[str], size: int, log: str) -> None:
    """In a process of its own: no file may become larger."""
    import os
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open(log, "wb") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    os._exit(main(words))


def limited(words: list[str], size: int, tmp_path) -> tuple[int, str]:
    log = tmp_path / "log"
    process = start_process(_limited, [str(word) for word in words], size, str(log))
    process.join()
    return process.exitcode, log.read_text(encoding="utf-8")


@pytest.mark.parametrize("to", ["speechbrain", "transformers"])
@pytest.mark.parametrize("size", [242_000, 500_000])  # what is read needs 241,000
def test_a_conversion_leaves_nothing(public, tmp_path, to, size):
    out = tmp_path / "out"
    status, said = limited(["convert", public, out, "--to", to], size, tmp_path)
    assert status == 1 and "Traceback" not in said, said
    last = said.splitlines()[-1]
    assert f"{out} cannot be written (" in last and "making room" in last, said
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_embeddings_are_whole_or_absent(run, tmp_path):
    sounds = [write_sound(tmp_path / f"{seed}.wav", seed, 0.5) for seed in range(3)]
    out = tmp_path / "out.npz"
    words = ["embed", "--checkpoint", run, "--out", out, *sounds]
    status, said = limited(words, 400, tmp_path)
    assert status == 1 and said.count("\n") == 1, said
    assert "out.npz cannot be written (File too large)" in said
    assert not out.exists() and not list(tmp_path.glob(".*"))


def test_an_index_goes_on_where_there_is_room_again(run, tmp_path):
    for seed in range(3):
        write_sound(tmp_path / "sounds" / f"{seed}.wav", seed, 0.5)
    out = tmp_path / "sounds.index"
    words = ["index", tmp_path / "sounds", "--checkpoint", run, "--out", out]
    for size in (1_000, 10_000, 30_000):
        status, said = limited(words, size, tmp_path)
        assert status == 1 and "Traceback" not in said, said
        assert str(tmp_path) in said.splitlines()[-1]
    assert main([str(word) for word in words]) == 0
