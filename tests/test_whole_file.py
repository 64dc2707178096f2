"""What is written under a final name is whole, or what was there before."""

from __future__ import annotations

import ast
import errno
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from scripts import ROOT

from clap_sb.training.checkpointer import AtomicCheckpointer
from clap_sb.whole_file import WriteError, whole_file, whole_folder, write_whole


def full(*_arguments, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("fails", ["write", "fsync", "replace", "body"])
def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch, before, fails):
    path = tmp_path / "a.txt"
    if before is not None:
        path.write_text(before)
    if fails == "write":
        monkeypatch.setattr(Path, "write_bytes", full)
    elif fails in ("fsync", "replace"):
        monkeypatch.setattr(os, fails, full)
    told = pytest.raises(WriteError, match=r"a\.txt cannot be written \(No space left")
    if fails == "body":
        with pytest.raises(KeyError), whole_file(path) as unfinished:
            unfinished.write_text("half")
            raise KeyError("a fault of ours")
    else:
        with told:
            write_whole(path, "new")
    monkeypatch.undo()
    assert names(tmp_path) == ([] if before is None else ["a.txt"])
    assert before is None or path.read_text() == before


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("fails", ["body", "fsync", 1, 2])
def test_a_folder_is_whole_or_as_it_was(tmp_path, monkeypatch, before, fails):
    path = tmp_path / "export"
    if before is not None:
        path.mkdir()
        (path / "a.txt").write_text(before)
    if fails == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif isinstance(fails, int):
        rename, calls = Path.rename, []
        monkeypatch.setattr("clap_sb.whole_file._exchanged", lambda *_: False)

        def renamed(self, target):
            calls.append(target)
            return full() if len(calls) == fails else rename(self, target)

        monkeypatch.setattr(Path, "rename", renamed)
    try:
        with whole_folder(path) as unfinished:
            (unfinished / "a.txt").write_text("new")
            if fails == "body":
                full()
        written = True
    except WriteError as error:
        assert "export cannot be written (No space left" in str(error)
        written = False
    monkeypatch.undo()
    assert written == (before is None and fails == 2)  # which is renamed once
    expected = "new" if written else before
    assert names(tmp_path) == ([] if expected is None else ["export"])
    assert expected is None or (path / "a.txt").read_text() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, it takes two steps")
def test_a_folder_is_replaced_in_one_step(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "rename", full)
    (tmp_path / "export").mkdir()
    with whole_folder(tmp_path / "export") as unfinished:
        (unfinished / "a.txt").write_text("new")
    assert names(tmp_path) == ["export"] and names(tmp_path / "export") == ["a.txt"]


def test_a_folder_that_was_being_replaced_as_the_process_died_is_back(tmp_path):
    (tmp_path / "export.replaced").mkdir()
    (tmp_path / "export.replaced" / "a.txt").write_text("old")
    (tmp_path / "export.partial").mkdir()
    with pytest.raises(KeyError), whole_folder(tmp_path / "export"):
        raise KeyError("and it goes wrong again")
    assert (tmp_path / "export" / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["export"]


def test_errors_of_other_files_are_left_as_they_are(tmp_path):
    for error in (FileNotFoundError, ValueError):
        with pytest.raises(error) as caught, whole_folder(tmp_path / "export"):
            if error is ValueError:
                raise ValueError("no checkpoint")
            (tmp_path / "missing.pt").read_bytes()
        assert not isinstance(caught.value, WriteError)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_what_torch_says_of_a_full_disk_is_understood(tmp_path):
    with pytest.raises(WriteError, match="No space left on device"):
        with whole_file(tmp_path / "a.ckpt") as unfinished:
            unfinished.symlink_to("/dev/full")
            with open(unfinished, "wb") as file:
                torch.save(torch.zeros(1_000_000), file)
    with pytest.raises(WriteError, match="the disk may be full"):
        with whole_file(tmp_path / "a.ckpt") as unfinished:
            unfinished.symlink_to("/dev/full")
            torch.save(torch.zeros(1_000_000), unfinished)
    assert names(tmp_path) == []


def test_a_full_disk_leaves_the_last_checkpoint_and_names_it(tmp_path, monkeypatch):
    model = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"model": model})
    with pytest.raises(WriteError, match="there is none yet to go on from"):
        with monkeypatch.context() as patch:
            patch.setattr(torch, "save", full)
            checkpointer.save_checkpoint()
    first = checkpointer.save_checkpoint()
    weight = model.weight.detach().clone()
    torch.nn.init.zeros_(model.weight)
    with pytest.raises(WriteError, match=f"{re.escape(first.path.name)} is whole"):
        with monkeypatch.context() as patch:
            patch.setattr(torch, "save", full)
            checkpointer.save_checkpoint()
    assert names(tmp_path) == [first.path.name]
    checkpointer.recover_if_possible()
    assert torch.equal(model.weight, weight)


# Where something is written in place, and why it may be.
IN_PLACE = {
    "data/builtin/audiocaps.py": "below a stamp that is written last",
    "data/builtin/clotho.py": "below a stamp that is written last",
    "data/builtin/esc50.py": "below a stamp that is written last",
    "data/builtin/pcm.py": "below a stamp that is written last",
    "data/builtin/stamp.py": "the stamp",
    "data/file_lock.py": "nothing is written",
    "data/sentence_cache.py": "lines are added; one that is torn is dropped",
    "search/vectors.py": "counts once the database says so",
    "search/export.py": "into what whole_file gives",
    "search/store.py": "a database that is renamed once it is closed",
    "checkpoints/architecture.py": "into a folder that is renamed once it is whole",
    "checkpoints/clip_in_export.py": "into a folder that is renamed once it is whole",
    "checkpoints/speechbrain_folder.py": "into a folder that is renamed",
    "checkpoints/transformers_folder.py": "into a folder that is renamed",
    "encoders/built_again.py": "into memory",
    "encoders/bert_config.py": "into a folder that is renamed once it is whole",
    "encoders/caption_tokenizer.py": "into a folder that is renamed once it is whole",
    "encoders/inline_source.py": "into a temporary folder",
    "encoders/tokenizer_file.py": "into a folder that is renamed once it is whole",
    "inference/onnx_export.py": "into a folder that is renamed once it is whole",
    "training/epochs.py": "into a checkpoint that is renamed",
}
# Rooms that are looked at elsewhere.
OTHERS = ("experiment/", "serve/", "whole_file.py")


def writes_in_place(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        owner = getattr(getattr(node.func, "value", None), "id", "")
        given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "mode")]
        modes = [
            c.value for g in given for c in ast.walk(g) if isinstance(c, ast.Constant)
        ]
        if name == "open" and any(set("wxa+") & set(str(mode)) for mode in modes):
            return True
        if name in ("write_text", "write_bytes", "copyfile", "copy2", "tofile"):
            return True
        if (owner, name) in {("os", "replace"), ("os", "rename"), ("torch", "save")}:
            return True
    return False


def test_whatever_else_is_written_in_place_has_a_reason():
    package = ROOT / "clap_sb"
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if writes_in_place(path)
    }
    found = {name for name in found if not name.startswith(OTHERS)}
    assert found == set(IN_PLACE)


@pytest.mark.skipif(os.name == "nt", reason="processes cannot be asked for there")
def test_what_killed_processes_have_left_goes_with_the_next_write(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with whole_file(tmp_path / "a.txt") as unfinished:
        theirs = unfinished.name.replace(str(os.getpid()), str(process.pid))
        other = unfinished.name.replace(platform.node(), "elsewhere")
        for name in (theirs, other, ".a.partial.txt", ".b.1.partial.txt"):
            (tmp_path / name).write_text("half")
        unfinished.write_text("first")
    write_whole(tmp_path / "a.txt", "second")
    kept = [other, ".a.partial.txt", ".b.1.partial.txt", "a.txt"]
    assert names(tmp_path) == sorted(kept)
