"""What an index tells of its folders: bad files, other files, remarks."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest
from builders import tiny_clap
from indexes import Counting, updater, write_sound

from clap_sb.cli.index import _told
from clap_sb.data import audio_file
from clap_sb.search import SearchIndex
from clap_sb.search.scan import scan
from clap_sb.search.store import Store

LATIN = os.fsdecode(b"Pi\xe8ce.wav")
needs_bytes = pytest.mark.skipif(sys.platform != "linux", reason="names are Unicode")


@pytest.fixture(scope="module")
def clap(tmp_path_factory):
    return Counting(tiny_clap(tmp_path_factory.mktemp("text")), "tiny")


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    for seed in range(3):
        write_sound(folder / f"{seed}.wav", seed)
    return folder


@pytest.fixture
def update(sounds, clap):
    def run(*folders, retry=False):
        return updater(sounds.parent / "sounds.index", clap).run(
            folders or [sounds], "model.pt", retry=retry
        )

    return run


def rename(old, folder, name: str) -> str:
    path = os.path.join(folder, name)
    os.rename(old, path)
    return path


# --------------------------------------------------------------------------- bad files


@needs_bytes
def test_a_name_that_is_not_utf8_is_a_sound_like_others(sounds, update, clap):
    path = rename(sounds / "1.wav", sounds, LATIN)
    assert update().files == 3
    index = SearchIndex(sounds.parent / "sounds.index")
    with open(path, "rb") as file:
        query = clap.embed_files([file])[0].numpy()
    assert index.search(query, k=1)[0].path == path
    assert update().unchanged == 3


@needs_bytes
def test_a_bad_file_whose_name_is_not_utf8_stops_no_other(sounds, update):
    for name in (b"\xe8.wav", b"\xe9.wav"):  # the second has the same bytes
        with open(os.path.join(os.fsencode(sounds), name), "wb") as file:
            file.write(b"no sound")
    done = update()
    assert (done.files, done.failed) == (3, 2)
    paths = {
        os.path.join(sounds, os.fsdecode(name)) for name in (b"\xe8.wav", b"\xe9.wav")
    }
    assert done.errors.keys() == paths
    for path, error in done.errors.items():
        assert error.startswith(path), "as it is, to the byte"
    assert "\ufffd.wav: " in _told("sounds.index", done)
    assert update().errors == done.errors, "they are kept"
    assert json.loads(json.dumps(done.errors)) == done.errors


def test_what_the_system_refuses_is_the_file_s(sounds, update, monkeypatch):
    """Root may read whatever it likes, so that no permission can be taken from it."""
    refused = str(sounds / "1.wav")

    def refuse(path, *mode, **options):
        if path == refused:
            raise PermissionError(13, "Permission denied", path)
        return open(path, *mode, **options)

    monkeypatch.setattr("clap_sb.search.reading.open", refuse, raising=False)
    done = update()
    assert (done.files, done.errors) == (2, {refused: f"{refused}: Permission denied"})
    monkeypatch.undo()
    assert update(retry=True).files == 3


# ------------------------------------------------------------------------- other files


def test_what_is_no_sound_is_counted_by_its_kind(sounds, update):
    for name in ("a.txt", "b.TXT", "deep/c.txt", "d.jpg", "README", "e.raw", ".hidden"):
        (sounds / name).parent.mkdir(exist_ok=True)
        (sounds / name).write_bytes(b"x")
    done = update()
    kinds = {".txt": 3, ".jpg": 1, "without a suffix": 1, ".raw": 1}
    assert done.passed_by == {str(sounds): kinds}
    line = (
        "passed by   6: 3 .txt, 1 .jpg, 1 .raw (without a header), 1 without a suffix"
    )
    assert line in _told("sounds.index", done)
    assert update().passed_by == done.passed_by, "also where nothing has changed"


def test_a_folder_without_a_sound_says_what_is_there_instead(sounds, update):
    other, empty = sounds.parent / "other", sounds.parent / "empty"
    for folder in (other, empty):
        folder.mkdir()
    for number in range(3):
        (other / f"{number}.mid").write_bytes(b"x")
    done = update(sounds, other, empty)
    assert done.files == 3 and done.without_sounds == [str(empty), str(other)]
    lines = _told("sounds.index", done).splitlines()
    assert f"  no sound    {other} holds 3 .mid" in lines
    assert f"  no sound    {empty} holds nothing" in lines


def test_links_that_are_not_followed_are_counted(sounds, update):
    (sounds / "folder").symlink_to(sounds.parent)
    (sounds / "gone.wav").symlink_to(sounds / "nowhere.wav")
    (sounds / "link.wav").symlink_to(sounds / "1.wav")
    (sounds / "loop.wav").symlink_to(sounds / "loop.wav")
    done = update()
    assert done.passed_by == {
        str(sounds): {"links to folders": 1, "links to nothing": 1}
    }
    assert done.files == 4 and list(done.unseen) == [str(sounds / "loop.wav")]


def test_kinds_of_each_folder_are_its_own(sounds):
    other = sounds.parent / "other"
    other.mkdir()
    (other / "a.txt").write_bytes(b"")
    found = scan([str(other), str(sounds)])
    assert found.passed_by == {str(other): {".txt": 1}}
    assert found.without_sounds == [str(other)]


# ----------------------------------------------------------------------------- remarks


def test_remarks_are_counted_shown_and_kept(sounds, update, monkeypatch):
    init = audio_file.AudioFile.__init__

    def remarked(self, source, sample_rate):
        init(self, source, sample_rate)
        if "0.wav" not in str(source):
            self.remarks = ("its channels cancel", "it is loud")

    monkeypatch.setattr(audio_file.AudioFile, "__init__", remarked)
    shutil.copy(sounds / "1.wav", sounds / "copy.wav")
    done = update()
    said = ["its channels cancel", "it is loud"]
    names = ("1.wav", "2.wav", "copy.wav")
    assert done.remarks == {str(sounds / name): said for name in names}
    told = _told("sounds.index", done)
    assert "  remarks     3\n" in told
    assert f"    {sounds / '1.wav'}: its channels cancel; it is loud\n" in told
    assert update().remarks == done.remarks, "without reading them again"
    os.remove(sounds / "2.wav")
    assert update().remarks.keys() == {str(sounds / n) for n in ("1.wav", "copy.wav")}
    kept = Store(sounds.parent / "sounds.index").remarks()
    assert kept == update().remarks
