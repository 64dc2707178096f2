"""``clap-sb index`` and ``clap-sb search``, as users run them."""

from __future__ import annotations

import io
import json
import os
import shutil

import numpy as np
import pytest
from builders import CAPTIONS
from indexes import WINDOW, write_sound
from small_run import write_run

from clap_sb.cli import main
from clap_sb.inference import CLAP
from clap_sb.search import SearchIndex

NUM = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, tmp_path_factory.mktemp("source"), {1: 20.0})
    return folder


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    """A folder of sounds, and its index."""
    sounds = tmp_path_factory.mktemp("sounds")
    for seed in range(NUM):
        write_sound(sounds / f"{seed}.wav", seed, 1.0 if seed else 3.0 * WINDOW)
    out = sounds.parent / "sounds.index"
    words = ["index", str(sounds), "--checkpoint", str(run), "--out", str(out)]
    assert main(words) == 0
    return sounds, out


def test_index_tells_what_it_did(made, capsys):
    sounds, out = made
    capsys.readouterr()
    assert main(["index", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == told["unchanged"] == NUM
    assert (told["windows"], told["embedded"], told["errors"]) == (NUM + 2, 0, {})
    assert main(["index", str(sounds), "--out", str(out)]) == 0
    assert f"{NUM} files, {NUM + 2} windows" in capsys.readouterr().out


def test_search_finds_what_is_nearest_to_the_words(made, run, capsys):
    sounds, out = made
    assert main(["search", str(out), CAPTIONS[0], "--json", "-k", "3"]) == 0
    answer = json.loads(capsys.readouterr().out)
    clap = CLAP.from_checkpoint(run)
    text = clap.encode_text(CAPTIONS[0])[0].numpy()
    index = SearchIndex(out)
    best = {}
    for path, start, _, row in index.windows():
        score = float(index.embeddings(np.array([row]))[0] @ text)
        best[path] = max(best.get(path, (-1, 0)), (score, start))
    expected = sorted(best, key=best.get, reverse=True)[:3]
    assert [hit["path"] for hit in answer["hits"]] == expected
    assert [hit["start"] for hit in answer["hits"]] == [best[p][1] for p in expected]
    assert answer["texts"] == [CAPTIONS[0]]


def test_search_by_sound_finds_the_sound(made, capsys):
    sounds, out = made
    sound = str(sounds / "3.wav")
    assert main(["search", str(out), "--audio", sound, "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert hits[0]["path"] == sound and hits[0]["cosine"] == pytest.approx(1, abs=1e-4)
    away = ["search", str(out), "--audio", sound, "--weights", "-1", "--json"]
    assert main(away) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert hits[-1]["path"] == sound and hits[-1]["cosine"] == pytest.approx(
        -1, abs=1e-4
    )


def test_search_by_words_and_sounds_together(made, capsys):
    sounds, out = made
    words = [CAPTIONS[0], "--audio", str(sounds / "3.wav")]
    assert main(["search", str(out), *words, "--weights", "0", "1", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert hits[0]["cosine"] == pytest.approx(1, abs=1e-4)


def test_search_prints_a_table_and_a_playlist(made, capsys):
    sounds, out = made
    assert main(["search", str(out), CAPTIONS[1], "-k", "2"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == 3 and table[1].endswith(".wav")
    assert main(["search", str(out), CAPTIONS[1], "-k", "2", "--m3u"]) == 0
    playlist = capsys.readouterr().out.splitlines()
    assert playlist[0] == "#EXTM3U"
    assert [line for line in playlist if os.path.isfile(line)] == [
        line.split()[-1] for line in table[1:]
    ]


def test_search_reads_a_query_a_line(made, capsys, monkeypatch):
    queries = f"\ufeff{CAPTIONS[0]}\r\n\n{CAPTIONS[1]}\n".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(queries)))
    assert main(["search", str(made[1]), "-", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["texts"] for answer in answers] == [[CAPTIONS[0]], [CAPTIONS[1]]]


def test_a_bank_corrects_the_scores(made, run, tmp_path, capsys):
    (tmp_path / "bank.txt").write_text("\ufeff" + "\n".join(CAPTIONS), "utf-8")
    words = ["--bank", str(tmp_path / "bank.txt"), "--rescore", "inverted_softmax"]
    assert main(["search", str(made[1]), CAPTIONS[0], "--json", *words]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    text = CLAP.from_checkpoint(run).encode_text(CAPTIONS).numpy()
    index = SearchIndex(made[1])
    for hit in hits:
        cosines = text @ index.embeddings(np.array([hit["row"]]))[0]
        expected = cosines[0] - 0.05 * np.log(np.exp(cosines / 0.05).sum())
        assert hit["score"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rain", "--weights", "1", "2"], "1 queries and 2 weights"),
        (["--audio", "missing.wav"], "missing.wav"),
        (["rain", "--bank", "missing.txt"], "missing.txt"),
        (["--image", "picture.png"], "cannot take pictures"),
        (["rain", "--checkpoint", "nowhere.pt"], "nowhere.pt"),
    ],
)
def test_what_search_says_of_a_mistake(words, message, made, capsys):
    assert main(["search", str(made[1]), *words]) == 1
    error = capsys.readouterr().err
    assert message in error and error.startswith("clap-sb: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no query"),
        (["rain", " "], "a query is empty"),
        (["rain", "-k", "0"], "at least 1"),
        (["rain", "-k", "few"], "few is no whole number"),
        (["rain", "--fold-above", "2"], "2 is no cosine"),
        (["rain", "--fold-above", "nan"], "nan is no cosine"),
    ],
)
def test_a_search_that_means_nothing_is_a_wrong_command_line(words, message, capsys):
    try:  # before the index is looked at: there is none
        status = main(["search", "none.index", *words])
    except SystemExit as ended:
        status = ended.code
    assert status == 2 and message in capsys.readouterr().err


def test_another_model_is_told(made, tmp_path, tmp_path_factory, capsys):
    other = tmp_path_factory.mktemp("other")
    write_run(other, tmp_path_factory.mktemp("source"), {2: 20.0})
    assert main(["search", str(made[1]), "rain", "--checkpoint", str(other)]) == 1
    assert "another model" in capsys.readouterr().err
    words = ["index", "--out", str(made[1]), "--checkpoint", str(other)]
    assert main(words) == 1
    assert "another model" in capsys.readouterr().err


def test_a_model_that_was_moved_can_be_named(made, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "moved")
    words = ["search", str(made[1]), "rain", "--checkpoint", str(tmp_path / "moved")]
    assert main(words) == 0


@pytest.mark.parametrize("kind", ["parquet", "npz"])
def test_embeddings_are_exported(kind, made, tmp_path):
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"embeddings.{kind}"
    assert main(["index", "--out", str(made[1]), "--export", str(path)]) == 0
    if kind == "parquet":
        import pandas

        table = {
            name: column.to_numpy()
            for name, column in pandas.read_parquet(path).items()
        }
        table["embedding"] = np.stack(table["embedding"])
    else:
        table = np.load(path, allow_pickle=False)
    index = SearchIndex(made[1])
    rows = list(index.windows())
    assert table["path"].tolist() == [row[0] for row in rows]
    assert table["start"].tolist() == [row[1] for row in rows]
    assert table["end"].tolist() == [row[2] for row in rows]
    np.testing.assert_array_equal(
        table["embedding"], index.embeddings(np.array([row[3] for row in rows]))
    )
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_moved_and_one_that_cannot_be_read(
    run, tmp_path, capsys, monkeypatch
):
    out, old, new = (str(tmp_path / name) for name in ("index", "old", "new"))
    write_sound(tmp_path / "old" / "0.wav", 0)
    assert main(["index", old, "--checkpoint", str(run), "--out", out]) == 0
    os.rename(old, new)
    assert main(["index", "--out", out]) == 1
    assert "--forget" in capsys.readouterr().err
    assert main(["index", new, "--forget", old, "--out", out]) == 0
    assert "1 files, 1 windows" in capsys.readouterr().out
    os.rename(tmp_path / "new" / "0.wav", tmp_path / "0.wav")
    assert main(["index", "--out", out]) == 1
    assert "--allow-empty" in capsys.readouterr().err
    listed = os.scandir

    def scandir(path):
        if str(path) == new:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        assert main(["index", "--out", out]) == 0
    told = capsys.readouterr().out
    assert "unseen      1" in told and f"{new}: Permission denied" in told
    assert main(["index", "--allow-empty", "--out", out]) == 0
    assert "removed     1" in capsys.readouterr().out


def test_an_export_of_another_kind_is_an_error(made, tmp_path, capsys):
    words = ["index", "--out", str(made[1]), "--export", str(tmp_path / "a.csv")]
    assert main(words) == 2
    assert ".parquet or .npz" in capsys.readouterr().err
