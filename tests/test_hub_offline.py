"""Offline, what is not in the hub's cache is told without the hub's library."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_TOLD = """
import sys
from clap_sb.hub import HubError, _cached, fetch_snapshot

try:
    fetch_snapshot("some/tokenizer", ["*.json"])
except HubError as error:
    print(error)
print("huggingface_hub" in sys.modules)
from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

name = repo_folder_name(repo_id="some/tokenizer", repo_type="model")
print(str(_cached("some/tokenizer")) == f"{constants.HF_HUB_CACHE}/{name}")
"""


@pytest.mark.parametrize(
    "places",
    [
        {"HF_HOME": "{folder}/home"},
        {"XDG_CACHE_HOME": "{folder}/xdg"},
        {"HF_HOME": "{folder}/home", "HF_HUB_CACHE": "{folder}/hub"},
    ],
)
def test_the_library_is_not_imported_for_nothing(tmp_path, places):
    names = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    given = {name: place.format(folder=tmp_path) for name, place in places.items()}
    answer = subprocess.run(
        [sys.executable, "-c", _TOLD],
        env={**environment, **given, "HF_HUB_OFFLINE": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stdout.splitlines() == [
        "HF_HUB_OFFLINE is set, and some/tokenizer is not in the cache",
        "False",
        "True",
    ]
