"""Fixtures that several test modules share."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the repository; tests that need it are skipped elsewhere."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(autouse=True)
def same_draws_every_time():
    """What a test draws from torch's generator is the same in every run."""
    import torch

    torch.manual_seed(1)


@pytest.fixture
def probed_once(monkeypatch):
    """One file under thousands of names is looked into once: the names are tested."""
    import functools

    from clap_sb.data import entries

    def by_file(function):
        @functools.cache
        def look(file: int, *arguments, **options):
            return function(paths[file], *arguments, **options)

        def call(path: Path, *arguments, **options):
            file = path.stat().st_ino
            paths.setdefault(file, path)
            return look(file, *arguments, **options)

        return call

    paths: dict[int, Path] = {}
    monkeypatch.setattr(entries, "probe_to_end", by_file(entries.probe_to_end))
