"""How far a long step is: a bar where somebody watches, lines in a log."""

from __future__ import annotations

import sys

import pytest

import clap_sb.progress as told


class Terminal:
    """Standard error, watched or not."""

    def __init__(self, watched: bool):
        self.watched, self.text = watched, ""

    def isatty(self) -> bool:
        return self.watched

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        pass


def error_of(monkeypatch: pytest.MonkeyPatch, watched: bool) -> Terminal:
    terminal = Terminal(watched)
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


def go(steps: int, **options) -> int:
    with told.progress(about="embedding", unit="file", total=steps, **options) as bar:
        for _ in range(steps):
            bar.update()
    return bar.n


def test_a_log_gets_a_line_now_and_then(monkeypatch):
    error = error_of(monkeypatch, watched=False)
    assert go(5) == 5
    assert error.text == ""  # it took no time
    monkeypatch.setattr(told, "SECONDS", 0.0)
    go(3)
    lines = error.text.splitlines()
    assert [line[:23] for line in lines[:2]] == [
        "embedding: 0 of 3 files",
        "embedding: 1 of 3 files",
    ]
    assert lines[-1].startswith("embedding: 3 of 3 files in 00:00, ")
    assert "\r" not in error.text and "" not in lines
    error.text = ""
    go(3, shown=False)
    assert error.text == ""


def test_a_terminal_has_a_bar(monkeypatch):
    error = error_of(monkeypatch, watched=True)
    go(5)
    assert "\r" in error.text and "5/5" in error.text
    error.text = ""
    go(5, shown=False)
    assert error.text == ""
