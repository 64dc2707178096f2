"""The rows that the training curves are drawn from."""

from __future__ import annotations

import os
import sys
import types

import pytest

from clap_sb.training.epochs import History


def test_rows_are_kept_on_disk_in_order(tmp_path):
    path = tmp_path / "deep" / "history.json"
    history = History(path)
    for epoch in (1, 2, 3):
        history.add(epoch, {"loss": 1.0 / epoch})
    expected = [{"epoch": e, "loss": 1.0 / e} for e in (1, 2, 3)]
    assert history.rows == History(path).rows == expected
    assert [file.name for file in path.parent.iterdir()] == ["history.json"]


def test_a_repeated_epoch_replaces_what_followed_it(tmp_path):
    path = tmp_path / "history.json"
    for epoch in (1, 2, 3):
        History(path).add(epoch, {"loss": float(epoch)})
    History(path).add(2, {"loss": 9.0})
    assert History(path).rows == [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 9.0}]


def test_a_write_that_is_interrupted_leaves_the_old_rows(tmp_path, monkeypatch):
    path = tmp_path / "history.json"
    History(path).add(1, {"loss": 1.0})

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        History(path).add(2, {"loss": 2.0})
    monkeypatch.undo()
    assert History(path).rows == [{"epoch": 1, "loss": 1.0}]


class SummaryWriter:
    """Stands in for TensorBoard's."""

    written: list = []

    def __init__(self, folder):
        self.written.append(folder)

    def add_scalar(self, *row):
        self.written.append(row)

    def flush(self):
        self.written.append("flushed")


def test_tensorboard_gets_every_number(tmp_path, monkeypatch):
    stand_in = types.SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    monkeypatch.setattr(SummaryWriter, "written", [])
    history = History(tmp_path / "h.json", tmp_path / "board")
    assert SummaryWriter.written == []  # a test, or another rank, opens no file
    history.add(4, {"loss": 2.0, "map": 3.0})
    history.add(5, {"loss": 1.0})
    rows = [("loss", 2.0, 4), ("map", 3.0, 4), "flushed", ("loss", 1.0, 5), "flushed"]
    assert SummaryWriter.written == [str(tmp_path / "board"), *rows]


def test_missing_tensorboard_is_told_before_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match=r"pip install 'clap_sb\[tensorboard\]'"):
        History(tmp_path / "h.json", tmp_path / "board")
    History(tmp_path / "h.json")
