"""The downloads, without a network: local archives, and a stand-in for the library."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import runpy
import shutil
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scripts import ROOT

from audiocaps_prepare import prepare_audiocaps
from clap_sb.data.archive import fetch_zip
from clap_sb.data.builtin import write_audiocaps, write_esc50
from clap_sb.data.builtin.clotho import write_clotho
from clap_sb.data.manifest import read_manifest
from clotho_prepare import prepare_clotho
from esc50_prepare import prepare_esc50

FUNCTIONAL = "aac_datasets.datasets.functional"


def main_of(recipe: str) -> Callable[[list[str]], None]:
    return runpy.run_path(str(ROOT / "recipes" / recipe / "download.py"))["main"]


def checksum(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def zipped(folder: Path, path: Path, top: str = "ESC-50-master") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, f"{top}/{file.relative_to(folder).as_posix()}")
    return path


# ---------------------------------------------------------------- ESC-50


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("archive")
    return zipped(write_esc50(place / "data", 1, seed=1), place / "master.zip")


def test_esc50_is_downloaded_checked_unpacked_and_prepared(archive, tmp_path, capsys):
    folder = tmp_path / "sets" / "ESC-50"
    words = [str(folder), "--url", archive.as_uri(), "--md5", checksum(archive)]
    main_of("ESC-50")(words)
    assert f"--data_folder {folder}" in capsys.readouterr().out
    clips = read_manifest(prepare_esc50(folder, tmp_path / "save"))
    assert len(clips) == len(list(folder.glob("audio/*.wav"))) > 10
    assert {path.name for path in folder.parent.iterdir()} == {"ESC-50"}
    with pytest.raises(FileExistsError, match="nothing was downloaded"):
        main_of("ESC-50")(words)


def test_a_damaged_download_is_not_unpacked(archive, tmp_path):
    folder = tmp_path / "ESC-50"
    with pytest.raises(ValueError, match=f"has the MD5 checksum {checksum(archive)}"):
        fetch_zip(archive.as_uri(), folder, md5="0" * 32)
    assert not folder.exists()
    # the damaged file is not trusted the next time either
    (tmp_path / "ESC-50.zip").write_bytes(archive.read_bytes()[:1000])
    fetch_zip(archive.as_uri(), folder, checksum(archive))
    assert (folder / "meta" / "esc50.csv").is_file()


def test_an_archive_that_is_there_is_not_downloaded_again(archive, tmp_path):
    shutil.copy(archive, tmp_path / "ESC-50.zip")
    fetch_zip("file:///nowhere.zip", tmp_path / "ESC-50", checksum(archive))
    assert (tmp_path / "ESC-50" / "meta" / "esc50.csv").is_file()


def test_what_goes_wrong_is_told(tmp_path):
    with pytest.raises(OSError, match="file:///nowhere.zip cannot be downloaded"):
        fetch_zip("file:///nowhere.zip", tmp_path / "set", md5="0" * 32)
    path = tmp_path / "no.zip"
    path.write_text("no archive")
    with pytest.raises(ValueError, match="is no ZIP archive"):
        fetch_zip(path.as_uri(), tmp_path / "set", checksum(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/x", "")
        archive.writestr("b/x", "")
    with pytest.raises(ValueError, match="does not hold one folder, but 2 things"):
        fetch_zip(path.as_uri(), tmp_path / "other", checksum(path))


@pytest.mark.parametrize(
    "name",
    ["top/../../escaped", "../escaped", "/escaped", "top\\..\\escaped", "C:\\escaped"],
)
def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path, name):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("top/a", "")
        archive.writestr(name, "")
    with pytest.raises(ValueError, match="outside of its folder .*nothing was unp"):
        fetch_zip(path.as_uri(), tmp_path / "deep" / "set", checksum(path))
    assert not list(tmp_path.rglob("escaped*"))
    assert {p.name for p in tmp_path.rglob("*")} == {"evil.zip", "deep", "set.zip"}


@pytest.mark.parametrize("fault", ["two folders", "crc", "bomb", "locked"])
def test_a_refused_archive_leaves_no_parts(tmp_path, fault, monkeypatch):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("top/a.wav", bytes(2_000_000))
        archive.writestr(
            "top/b.wav" if fault != "two folders" else "b/b.wav", b"b" * 99
        )
    content = bytearray(path.read_bytes())
    if fault == "crc":
        content[content.index(b"PK\x01\x02") + 16] ^= 0xFF
    if fault == "locked":
        for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
            content[content.index(mark) + at] |= 1
    path.write_bytes(content)
    if fault == "bomb":
        monkeypatch.setattr("clap_sb.data.archive._ALWAYS_ALLOWED", 1000)
    folder = tmp_path / "sets" / "set"
    with pytest.raises(ValueError, match=r"set\.zip"):
        fetch_zip(path.as_uri(), folder, checksum(path))
    assert [p.name for p in folder.parent.iterdir()] == ["set.zip"]


def test_an_archive_that_does_not_fit_is_told_before_it_is_unpacked(
    archive, tmp_path, monkeypatch
):
    usage = types.SimpleNamespace(free=1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(OSError, match="make room, and run this again"):
        fetch_zip(archive.as_uri(), tmp_path / "ESC-50", checksum(archive))
    assert [path.name for path in tmp_path.iterdir()] == ["ESC-50.zip"]


# ---------------------------------------------------------------- aac-datasets


@pytest.fixture
def library(monkeypatch) -> dict[str, dict]:
    """Stands in for aac-datasets: lays files out as it does, and keeps what it got."""
    asked: dict[str, dict] = {}

    def clotho(root: str, **options) -> None:
        asked["Clotho"] = options
        data = write_clotho(Path(root) / "built", 2, 1, 1, seed=1)
        folder = Path(root) / f"CLOTHO_{options['version']}"
        shutil.move(data / "meta", folder / "clotho_csv_files")
        shutil.move(data / "audio", folder / "clotho_audio_files")

    def audiocaps(root: str, **options) -> None:
        asked["AudioCaps"] = options
        data = write_audiocaps(Path(root) / "built", 2, 1, 1, seed=1)
        folder = Path(root) / "AUDIOCAPS"
        shutil.move(data / "dataset", folder / f"csv_files_{options['version']}")
        shutil.move(data / "audio", folder / "audio_32000Hz")

    functions = {
        "clotho": {"download_clotho_datasets": clotho},
        "audiocaps": {"download_audiocaps_datasets": audiocaps},
    }
    for name, content in functions.items():
        module = types.ModuleType(f"{FUNCTIONAL}.{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("aac_datasets", "aac_datasets.datasets", FUNCTIONAL):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    return asked


def test_clotho_is_downloaded_and_prepared(library, tmp_path, capsys):
    main_of("Clotho")([str(tmp_path / "sets")])
    assert library["Clotho"] == {
        "subsets": ["dev", "val", "eval"],
        "version": "v2.1",
        "verify_files": True,
        "verbose": 1,
    }
    folder = tmp_path / "sets" / "CLOTHO_v2.1"
    assert f"--data_folder {folder}" in capsys.readouterr().out
    manifests = prepare_clotho(folder, tmp_path / "save")
    assert len(read_manifest(manifests["train"])) == 2


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_audiocaps_is_downloaded_and_prepared(library, tmp_path, capsys, version):
    words = [str(tmp_path / "sets"), "--version", version, "--workers", "3"]
    main_of("AudioCaps")([*words, "--splits", "train", "val"])
    assert library["AudioCaps"] == {
        "subsets": ["train", "val"],
        "version": f"v{version[0]}",
        "download_audio": True,
        "force": True,
        "verify_files": True,
        "max_workers": 3,
        "verbose": 1,
    }
    folder = tmp_path / "sets" / "AUDIOCAPS"
    name = {"1.0": "AudioCaps", "2.0": "AudioCaps-2.0"}[version]
    assert f"--data_folder {folder} --dataset {name}\n" in capsys.readouterr().out
    manifests = prepare_audiocaps(folder, tmp_path / "save", version=version)
    assert len(read_manifest(manifests["train"])) == 2


def test_an_interrupted_download_goes_on_with_what_is_missing(
    library, monkeypatch, tmp_path, capsys
):
    """The library takes what is there for whole, whatever an interruption left."""
    folder = tmp_path / "sets" / "AUDIOCAPS" / "audio_32000Hz" / "val"
    folder.mkdir(parents=True)
    sound = 0.1 * np.random.default_rng(0).standard_normal(32000)
    module = sys.modules[f"{FUNCTIONAL}.audiocaps"]
    asked = []

    def download(root: str, **options) -> None:
        asked.append({path.name for path in folder.iterdir()})
        if options["force"]:
            for name in {"a_0.flac", "b_0.flac", "c_0.flac"} - asked[-1]:
                soundfile.write(folder / name, sound, 32000)
        if len(asked) == 1:
            cut = (folder / "b_0.flac").read_bytes()[:9000]
            (folder / "b_0.flac").write_bytes(cut)

    monkeypatch.setattr(module, "download_audiocaps_datasets", download)
    soundfile.write(folder / "a_0.flac", sound, 32000)
    (folder / "c_0.flac").touch()
    words = [str(tmp_path / "sets"), "--splits", "val"]
    main_of("AudioCaps")(words)
    assert "1 clips that cannot be read are downloaded again" in capsys.readouterr().out
    main_of("AudioCaps")(words)
    assert "1 clips that cannot be read are downloaded again" in capsys.readouterr().out
    main_of("AudioCaps")(words)
    assert "cannot be read" not in capsys.readouterr().out
    whole = {"a_0.flac", "b_0.flac", "c_0.flac"}
    assert asked == [{"a_0.flac"}, whole - {"b_0.flac"}, whole]
    assert len(list(folder.iterdir())) == 3
    # the lists alone say nothing of the clips
    (folder / "a_0.flac").write_bytes(b"")
    main_of("AudioCaps")([*words, "--lists_only"])
    assert (folder / "a_0.flac").exists()


@pytest.mark.parametrize("recipe", ["Clotho", "AudioCaps"])
def test_the_library_finds_in_torchaudio_what_it_imports(
    library, recipe, monkeypatch, tmp_path
):
    """It takes both names from there; the release that is pinned here has neither."""
    import torchaudio

    for name in ("info", "AudioMetaData"):
        monkeypatch.setattr(torchaudio, name, None, raising=False)
        monkeypatch.delattr(torchaudio, name)
    main_of(recipe)([str(tmp_path / "sets")])
    soundfile.write(tmp_path / "a.flac", np.random.default_rng(0).random(9000), 32000)
    found = torchaudio.info(str(tmp_path / "a.flac"))
    assert isinstance(found, torchaudio.AudioMetaData)
    assert (found.num_frames, found.sample_rate, found.num_channels) == (9000, 32000, 1)
    content = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(content[: len(content) // 2])
    with pytest.raises(RuntimeError, match=r"a\.flac"):  # what it takes for broken
        torchaudio.info(str(tmp_path / "a.flac"))


@pytest.mark.parametrize("recipe", ["Clotho", "AudioCaps"])
def test_without_the_library_it_says_what_to_install(recipe, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "aac_datasets", None)
    with pytest.raises(OSError, match=f"recipes/{recipe}/extra_requirements.txt"):
        main_of(recipe)([str(tmp_path / "sets")])
    listed = (ROOT / "recipes" / recipe / "extra_requirements.txt").read_text()
    assert "aac-datasets" in listed


@pytest.mark.parametrize("recipe", ["Clotho", "AudioCaps"])
def test_the_library_takes_what_it_is_given(recipe, library, tmp_path):
    """Where aac-datasets is installed: the names of its arguments, from its source."""
    main_of(recipe)([str(tmp_path / "sets")])
    sys.modules.pop("aac_datasets")
    found = importlib.util.find_spec("aac_datasets")
    if found is None:
        pytest.skip("aac-datasets is not installed")
    name = recipe.lower()
    source = (
        Path(found.submodule_search_locations[0]) / f"datasets/functional/{name}.py"
    )
    functions = {
        node.name: {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
        for node in ast.parse(source.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    accepted = functions[f"download_{name}_datasets"]
    assert {"root", *library[recipe]} <= accepted
