"""A folder of sounds in every format, with awkward and broken ones among them.

Every command, preparation and training finish; every file that can be used is used, and
each of the others is named once, with its reason.
"""

from __future__ import annotations

import csv
import json
import os
import re

import numpy as np
import pytest
from scripts import command, run_script
from small_run import write_run
from test_label_recipes import OWN, SYSTEM, TINY
from two_hundred_sounds import COUNT, OTHERS, write_folder

from clap_sb.cli import main
from clap_sb.data.manifest import read_manifest
from clap_sb.data.printable import printable
from clap_sb.search import SearchIndex

CAPTIONS = ("a dog barks in a yard", "rain falls on a roof", "two men talk, far away")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("sounds")


@pytest.fixture(scope="module")
def folder(place):
    return write_folder(place / "sounds")


@pytest.fixture(scope="module")
def checkpoint(place):
    (place / "run").mkdir()
    (place / "source").mkdir()
    write_run(place / "run", place / "source", {1: 20.0})
    return str(place / "run")


@pytest.fixture
def named(folder, monkeypatch):
    """What a shell gives for ``*`` in the folder, all that is no sound with it."""
    monkeypatch.chdir(folder.path)
    names = os.listdir(folder.path)
    assert len(names) == COUNT + len(folder.bad) + len(OTHERS) + 1  # a broken link
    return sorted(names)


def assert_all_told(said: str, folder) -> None:
    """Each file that cannot be used is named in a line of its own, with its reason."""
    lines = said.splitlines()
    expected = {**folder.bad, "gone.wav": "no such file"}
    expected |= dict.fromkeys(OTHERS, "cannot be decoded")
    for name, reason in {**expected, **folder.remarks}.items():
        found = [line for line in lines if line[9:].startswith(f"{printable(name)}: ")]
        assert len(found) == 1 and reason in found[0], (name, found)
    count = len(expected) + COUNT
    assert lines[-1] == f"clap-sb: {len(expected)} of {count} files cannot be used"
    assert len(lines) == len(expected) + len(folder.remarks) + 1


def index(capsys, *words: str) -> dict:
    """Files that cannot be used are told at the end, as by each command."""
    status, said = main(["index", *words, "--json"]), capsys.readouterr()
    update = json.loads(said.out)
    bad, count = len(update["errors"]), update["files"] + len(update["errors"])
    assert status == (1 if bad else 0)
    told = f"clap-sb: {bad} of {count} files cannot be used\n" if bad else ""
    assert said.err == told
    return update


def test_index(folder, checkpoint, place, capsys):
    out = str(place / "index")
    words = (str(folder.path), "--checkpoint", checkpoint, "--out", out)
    update = index(capsys, *words)
    assert (update["embedded"], update["recognised"]) == (COUNT - 1, 1)
    assert (update["failed"], update["files"]) == (len(folder.bad), COUNT)
    known = {folder.path / os.path.relpath(name, folder.path) for name in stored(out)}
    assert known == {folder.path / name for name in folder.good}
    assert_reasons(update["errors"], folder, folder.bad)
    assert_reasons(
        {name: " ".join(said) for name, said in update["remarks"].items()},
        folder,
        folder.remarks,
    )
    kinds = {".txt": 1, ".jpg": 1, ".raw": 1, "links to nothing": 1}
    assert update["passed_by"] == {str(folder.path): kinds}
    again = index(capsys, "--out", out)
    read = ("embedded", "recognised", "failed", "removed")
    assert [again[name] for name in read] == [0, 0, 0, 0]
    assert again["unchanged"] == COUNT + len(folder.bad)
    for name in ("files", "windows", "errors", "remarks", "passed_by"):
        assert again[name] == update[name]


def stored(out: str) -> set[str]:
    """Files that can be found."""
    store = SearchIndex(out).store
    return {name for name, record in store.files().items() if record.sound is not None}


def assert_reasons(told: dict[str, str], folder, expected: dict[str, str]) -> None:
    assert {str(folder.path / name) for name in expected} == set(told)
    for name, reason in expected.items():
        path = str(folder.path / name)
        assert reason in told[path]


def test_embed(folder, checkpoint, place, named, capsys):
    out = place / "all.npz"
    words = ("embed", "--checkpoint", checkpoint, "--out", str(out), "--", *named)
    assert main(words) == 1
    assert_all_told(capsys.readouterr().err, folder)
    with np.load(out) as found:
        assert found["name"].tolist() == sorted(folder.good)
        rows = found["embedding"]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    # all differ but for the two that are the same bytes
    cosines = rows @ rows.T - np.eye(COUNT)
    assert (cosines > 1 - 1e-6).sum() == 2


def test_tag(folder, checkpoint, named, capsys):
    words = ("tag", "--checkpoint", checkpoint, "--json", "--label", "dog")
    assert main([*words, "--label", "rain", "--", *named]) == 1
    said = capsys.readouterr()
    assert_all_told(said.err, folder)
    files = [json.loads(line) for line in said.out.splitlines()]
    assert [file["path"] for file in files] == sorted(folder.good)
    ends = [file["curves"]["edges"][-1] for file in files]
    assert all(0.9 < end < 5 for end in ends)
    curves = [file["curves"]["probability"] for file in files]
    shares = np.array([[c["dog"][0], c["rain"][0]] for c in curves])
    assert np.isfinite(shares).all() and len(np.unique(shares, axis=0)) > 50


@pytest.fixture(scope="module")
def listed(folder, place):
    """A list of all, but for names that no text in UTF-8 can hold."""
    names = [*folder.good, *folder.bad, *OTHERS, "gone.wav"]
    names = [name for name in names if name.isprintable() or "\n" in name]
    path = place / "my.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "caption"])
        for number, name in enumerate(names):
            caption = f"{CAPTIONS[number % 3]}, take {number}"
            writer.writerow([f"sounds/{name}", caption])
    good = {f"sounds/{name}" for name in folder.good if name in names}
    assert len(good) == COUNT - 2 * (os.name == "posix")
    return path, good


def test_preparation_and_training(folder, listed, place):
    """Both steps of an epoch, validation and a test on all that can be used."""
    path, good = listed
    settings = {"train_csv": path, "output_folder": place / "out", **TINY}
    settings["batch_size"] = 69
    finished = run_script(OWN, command(SYSTEM, settings), place / "train.log")
    assert finished.code == 0, finished.output
    clips = read_manifest(place / "out" / "manifests" / "train.json")
    assert {clip.id for clip in clips} == good
    counts = re.search(
        r"(\d+) clips to train, (\d+) clips to valid, (\d+) clips to test",
        finished.output,
    )
    assert sum(map(int, counts.groups())) == len(good)
    (epoch,) = json.loads((place / "out" / "history.json").read_text())
    assert np.isfinite(epoch["train_loss"])
    (brain,) = (place / "out" / "save").glob("CKPT*/brain.ckpt")
    assert "optimizer_step: 2\n" in brain.read_text()
    assert "could not be used" not in finished.output
    expected = {**folder.bad, "gone.wav": "no such file"}
    expected |= dict.fromkeys(OTHERS, "cannot be decoded")
    assert_list(place / "out", "missing", "reason", expected)
    assert_list(place / "out", "remarks", "remark", folder.remarks)


def assert_list(run, kind: str, column: str, expected: dict[str, str]) -> None:
    path = run / "manifests" / f"train_{kind}.csv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["id"] for row in rows) == sorted(f"sounds/{n}" for n in expected)
    for row in rows:
        assert expected[row["id"].removeprefix("sounds/")] in row[column]
