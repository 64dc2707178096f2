"""An index that somebody else has made is searched, and gives away no file of ours."""

from __future__ import annotations

import json
import os
import shutil
from types import SimpleNamespace

import pytest
from indexes import store_of, unit, write_sound

from clap_sb.cli.index import _note_own
from clap_sb.cli.serve import _heard
from clap_sb.search import SearchIndex, own_folders
from clap_sb.search.errors import SearchError
from clap_sb.search.own_folders import Heard, NotOwnError, note_own
from clap_sb.search.records import FileRecord
from clap_sb.search.scan import Stamp
from clap_sb.serve.service import Service


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def folder(tmp_path):
    """Sounds of its index, and others beside."""
    for name in ("sounds/a.wav", "private/b.wav"):
        write_sound(tmp_path / name, 1)
    return tmp_path


def serving(folder, *paths, roots=("sounds",), play_from=()) -> Service:
    """What the page is over: an index that says that these files are its sounds."""
    store = store_of(folder / "sounds.index", [unit(1, 4, seed=k) for k in range(9)])
    ids = sorted(store.known_sounds().values())
    store.remove_files(list(store.files()))
    paths = [os.path.join(folder, path) for path in paths]
    files = {
        path: FileRecord(Stamp.of(path), sound)
        for path, sound in zip(paths, ids, strict=False)
    }
    store.set_files(files)
    store.set_fact("folders", [str(folder / root) for root in roots])
    index = SearchIndex(store.folder)
    searcher = SimpleNamespace(index=index, refresh=lambda: None)
    return Service(searcher, folder / "copies", [str(f) for f in play_from])


def plays(service) -> dict[str, bool]:
    """Whether each is played, as its row says it and as it is."""
    told = {}
    for hit in service.some(9)["hits"]:
        told[hit["name"]] = hit["plays"]
        for use in (service.sounds.path_of, service.sounds.playable):
            if hit["plays"]:
                assert use(hit["sound"])
                assert service.sounds.header(hit["sound"]) is not None
                continue
            with pytest.raises(NotOwnError, match="--play-from"):
                use(hit["sound"])
            assert service.sounds.header(hit["sound"]) is None
    return told


def test_what_was_never_indexed_here_is_not_played(folder):
    service = serving(folder, "sounds/a.wav")
    assert plays(service) == {"a.wav": False}
    note_own([str(folder / "sounds")])
    assert plays(service) == {"a.wav": True}


@pytest.mark.parametrize(
    ("own", "heard"),
    [("sounds", True), (".", True), ("private", False), ("sounds/a", False)],
)
def test_own_is_a_folder_of_the_index_or_one_around_it(folder, own, heard):
    service = serving(folder, "sounds/a.wav", play_from=[folder / own])
    assert plays(service) == {"a.wav": heard}


def test_a_part_of_an_index_may_be_played(folder):
    write_sound(folder / "sounds" / "deep" / "c.wav", 2)
    paths = ("sounds/a.wav", "sounds/deep/c.wav")
    service = serving(folder, *paths, play_from=[folder / "sounds" / "deep"])
    assert plays(service) == {"a.wav": False, "c.wav": True}


def test_nothing_outside_of_its_folders_is_played(folder):
    """Whatever the index says, and all of it is one's own."""
    (folder / "sounds" / "link").symlink_to(folder / "private")
    (folder / "sounds" / "notes.txt").write_bytes(b"mine")
    names = ("private/b.wav", "sounds/../private/b.wav", "sounds/link/b.wav")
    for name in (*names, "sounds/notes.txt"):
        service = serving(folder / "x" / "..", name, play_from=[folder])
        assert list(plays(service).values()) == [False], name
        for path in (folder / "sounds.index").iterdir():
            path.unlink()


def test_links_to_sounds_are_played(folder):
    """As they are found: a folder of links to sounds is one of sounds."""
    (folder / "sounds" / "link.wav").symlink_to(folder / "private" / "b.wav")
    service = serving(folder, "sounds/link.wav", play_from=[folder / "sounds"])
    assert plays(service) == {"link.wav": True}


def test_a_folder_is_known_by_any_of_its_names(folder):
    (folder / "disk").symlink_to(folder / "sounds")
    service = serving(folder, "disk/a.wav", roots=["disk"], play_from=[folder / "disk"])
    assert plays(service) == {"a.wav": True}
    assert Heard([str(folder / "disk")], [str(folder / "sounds")]).unknown == []


def test_folders_that_are_named_to_index_are_noted(folder):
    name = os.fsdecode(b"\xff") if os.name == "posix" else "sounds/a"
    (folder / name).mkdir()
    note_own([str(folder / "sounds"), str(folder / name)])
    _note_own([str(folder / "private")])
    expected = {str(folder / n) for n in ("sounds", "private", name)}
    assert set(own_folders.own_folders()) == expected
    before = own_folders._list().stat().st_mtime_ns
    note_own([str(folder / "sounds")])
    assert own_folders._list().stat().st_mtime_ns == before


def test_where_nothing_can_be_noted_it_is_told(folder, monkeypatch, capsys):
    (folder / "state").write_bytes(b"no folder")
    _note_own([str(folder / "sounds")])
    assert "--play-from" in capsys.readouterr().err


def no_home():
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("state", ["", "state"])
def test_who_has_no_home_is_told_and_hears_by_play_from(
    folder, state, monkeypatch, capsys
):
    """As users of a container, whom its system does not know."""
    monkeypatch.setenv("XDG_STATE_HOME", state)  # no full name, and so none at all
    monkeypatch.setattr(own_folders.Path, "home", no_home)
    monkeypatch.chdir(folder)
    _note_own([str(folder / "sounds")])
    assert "set HOME, or XDG_STATE_HOME" in capsys.readouterr().err
    assert not (folder / "state").exists()
    sounds = folder / "sounds"
    assert plays(serving(folder, "sounds/a.wav")) == {"a.wav": False}
    shutil.rmtree(folder / "sounds.index")
    heard = serving(folder, "sounds/a.wav", play_from=[sounds])
    assert plays(heard) == {"a.wav": True}


def test_a_home_that_is_no_folder_has_no_list(folder, monkeypatch):
    """As of programs that run in the background."""
    monkeypatch.setenv("XDG_STATE_HOME", os.devnull)
    assert own_folders.own_folders() == []


@pytest.mark.parametrize("content", ["{}", "[1]", "no JSON", "[" * 10**5])
def test_a_damaged_list_is_told(folder, content):
    own_folders._list().parent.mkdir(parents=True)
    own_folders._list().write_text(content)
    with pytest.raises(SearchError, match="delete it, and name your folders"):
        own_folders.own_folders()


def test_the_command_tells_what_is_not_played(folder, capsys):
    service = serving(folder, "sounds/a.wav", roots=["sounds", "private"])
    heard = _heard(service._searcher, [str(folder / "private")])
    assert heard == [str(folder / "private")]
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder / "sounds") in line and "--play-from" in line


def test_the_command_notes_what_it_is_given(folder, capsys):
    """Before anything else, and also where it ends with a mistake."""
    from clap_sb.cli import main

    words = ["index", str(folder / "sounds"), "--out", str(folder / "new.index")]
    assert main(words) == 1
    assert json.loads(own_folders._list().read_text()) == [str(folder / "sounds")]
