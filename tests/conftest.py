"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the repository; tests that need it are skipped elsewhere."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_state(tmp_path_factory):
    """What `clap-sb` notes of its user goes elsewhere than into the user's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_disk_is_waited_for():
    """Nothing here outlives a loss of power; a small training waits a hundred times."""
    with mock.patch.object(os, "fsync", lambda _number: None):
        yield


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


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """One for all tests of the page."""
    from browsing import open_browser

    driver = open_browser(tmp_path_factory.mktemp("profile"))
    if driver is None:
        pytest.skip("no chromium with chromedriver")
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def page_index(tmp_path_factory):
    """What the page is over."""
    from browsing import OTHERS
    from serving import write_index

    return write_index(tmp_path_factory.mktemp("browser"), OTHERS)


@pytest.fixture(scope="session")
def page_url(page_index):
    """The server of the page, in a process of its own."""
    from serving import serving

    with serving(page_index, page_index.parent / "log") as address:
        yield address


@pytest.fixture
def page(browser, page_url, tmp_path):
    """The page, fresh; in the end nothing may have gone wrong in it."""
    from browsing import Page

    page = Page(browser, page_url, tmp_path)
    page.open()
    yield page
    page.look("light", None)
    wrong = [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"]
    assert wrong == []
