"""Finding a text tower: a folder, the cache, the hub, or a helpful error, soon."""

from __future__ import annotations

import threading
from pathlib import Path

import huggingface_hub
import pytest
from builders import write_text_source
from huggingface_hub.errors import LocalEntryNotFoundError

from clap_sb.encoders.text_source import TextSourceError, fetch


def test_a_local_folder_is_taken_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    source = write_text_source(tmp_path)
    assert fetch(source) == fetch(str(source)) == source


def test_a_folder_without_a_configuration_is_named(tmp_path):
    with pytest.raises(TextSourceError, match="holds no config.json"):
        fetch(tmp_path)


class Hub:
    """Stands in for the hub and its cache."""

    def __init__(self, monkeypatch, cached: Path | None, answer=None):
        self.asked, self.downloads = [], []
        self.cached, self.answer = cached, answer
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.download)
        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", self.model_info)

    def download(self, name, allow_patterns, local_files_only=False):
        if local_files_only and self.cached is None:
            raise LocalEntryNotFoundError(f"{name} is not in the cache")
        self.downloads.append(local_files_only)
        return str(self.cached)

    def model_info(self, name, timeout):
        self.asked.append(name)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer()


def cached_tower(folder: Path) -> Path:
    source = write_text_source(folder)
    (source / "model.safetensors").write_bytes(b"weights")
    return source


def test_the_cache_is_used_without_asking_the_hub(tmp_path, monkeypatch):
    hub = Hub(monkeypatch, cached_tower(tmp_path), ConnectionError("no network"))
    assert fetch("roberta-base") == tmp_path
    assert hub.asked == [] and hub.downloads == [True]


def test_a_cache_without_weights_is_no_hit(tmp_path, monkeypatch):
    """Whoever used the tokenizer alone has such a one."""
    Hub(monkeypatch, write_text_source(tmp_path), ConnectionError("no network"))
    with pytest.raises(TextSourceError, match="no network"):
        fetch("roberta-base")


def test_what_is_not_in_the_cache_is_downloaded(tmp_path, monkeypatch):
    hub = Hub(monkeypatch, None)

    def found():
        hub.cached = cached_tower(tmp_path)

    hub.answer = found
    assert fetch("roberta-base") == tmp_path
    assert hub.asked == ["roberta-base"] and hub.downloads == [False]


def names_the_ways_out(error: TextSourceError) -> bool:
    text = str(error)
    return "--text_source" in text and "--pretrained_text False" in text


def test_a_refusal_is_told_with_the_ways_out(monkeypatch):
    Hub(monkeypatch, None, ConnectionError("connection refused\nsecond line"))
    with pytest.raises(TextSourceError, match="connection refused") as caught:
        fetch("roberta-base")
    assert names_the_ways_out(caught.value)
    assert "'roberta-base'" in str(caught.value)


def test_a_hub_that_is_silent_is_not_waited_for(monkeypatch):
    answered = threading.Event()
    released = threading.Event()

    def never():
        released.wait(60)
        answered.set()

    Hub(monkeypatch, None, never)
    with pytest.raises(TextSourceError, match="no answer within 0.2 s") as caught:
        fetch("roberta-base", seconds=0.2)
    assert not answered.is_set(), "fetch waited for the answer"
    assert names_the_ways_out(caught.value)
    released.set()


@pytest.mark.parametrize(
    "source", ["no-such-owner/no-such-model", "a/b/c", "./nowhere"]
)
def test_a_missing_source_is_told_without_a_network(source, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(TextSourceError) as caught:
        fetch(source)
    assert names_the_ways_out(caught.value)
