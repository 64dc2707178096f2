"""Manifests come back as they were written, and say what is wrong with bad ones."""

from __future__ import annotations

import json

import pytest

from clap_sb.data.manifest import Clip, read_manifest, read_note, write_manifest

CLIPS = [
    Clip("b", "/audio/b.wav", 10.0, ("Rain {falls}", "$rain costs $5", 'a "b"\\n\n')),
    Clip("a", "/audio/ä 音 \udcff.ogg", 0.25, ("Ein Hund – bellt 🐕", "{data_root}")),
    Clip("-c_1", "C:/audio/c.wav", 1 / 3, label="crying_baby", fold=5),
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "not" / "yet" / "there.json"


def test_round_trip_keeps_everything_and_the_order(path):
    write_manifest(path, CLIPS, note={"seed": 1, "folder": "ä"})
    assert read_manifest(path) == CLIPS
    assert read_note(path) == {"seed": 1, "folder": "ä"}


def test_note_is_empty_by_default(path):
    write_manifest(path, CLIPS)
    assert read_note(path) == {}


def test_file_is_utf8_json_with_an_entry_a_clip(path):
    write_manifest(path, CLIPS)
    entries = json.loads(path.read_bytes().decode("utf-8"))["clips"]
    assert [entry["id"] for entry in entries] == ["b", "a", "-c_1"]


@pytest.mark.parametrize("reader", [read_manifest, read_note])
def test_missing_file(path, reader):
    with pytest.raises(FileNotFoundError, match="Prepare the data first"):
        reader(path)


@pytest.mark.parametrize("reader", [read_manifest, read_note])
@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"[]", b'{"clips": []}', b"\xff\xfe", b'{"clips": [{"id": "a"'],
)
def test_not_a_manifest(tmp_path, reader, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken.json is no manifest .* Delete it"):
        reader(path)


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "a"},
        {"id": "a", "path": "p", "duration": 1.0, "captions": None},
        {"id": "a", "path": "p", "duration": 1.0, "captions": [], "speaker": "x"},
        "a",
    ],
)
def test_malformed_entry(tmp_path, entry):
    path = tmp_path / "broken.json"
    path.write_text(json.dumps({"note": {}, "clips": [entry]}))
    with pytest.raises(ValueError, match="an entry is malformed"):
        read_manifest(path)


def test_no_clips(tmp_path):
    path = tmp_path / "empty.json"
    with pytest.raises(ValueError, match="holds no clip"):
        write_manifest(path, [])
    path.write_text('{"note": {}, "clips": []}')
    with pytest.raises(ValueError, match="holds no clip"):
        read_manifest(path)


def test_duplicate_ids(tmp_path):
    path = tmp_path / "twice.json"
    with pytest.raises(ValueError, match="such as 'b'"):
        write_manifest(path, [*CLIPS, CLIPS[0]])
    assert not path.exists()
    write_manifest(path, CLIPS)
    path.write_text(path.read_text().replace('"id": "a"', '"id": "b"'))
    with pytest.raises(ValueError, match="such as 'b'"):
        read_manifest(path)


def test_failed_write_leaves_the_old_manifest_and_nothing_else(path):
    write_manifest(path, CLIPS)
    with pytest.raises(ValueError):
        write_manifest(path, [Clip("n", "/n.wav", float("nan"))])
    with pytest.raises(TypeError):
        write_manifest(path, CLIPS, note={"object": object()})
    assert read_manifest(path) == CLIPS
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("text", "told"), [(None, "no manifest"), ("{", "not JSON")])
def test_what_is_wrong_is_told_of_the_place_where_it_stays(text, told, tmp_path):
    aside = tmp_path / "manifests.new"
    aside.mkdir()
    if text is not None:
        (aside / "train.json").write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=told) as error:
        read_manifest(aside / "train.json")
    assert str(tmp_path / "manifests" / "train.json") in str(error.value)
