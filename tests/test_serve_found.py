"""`clap-sb search` asks the `clap-sb serve` of its index, where there is one."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from builders import CAPTIONS
from processes import start_process
from serving import serving, write_index

import clap_sb
from clap_sb.cli import main
from clap_sb.search.searcher import Searcher
from clap_sb.serve import found_by_words, running
from clap_sb.serve.found_by_words import PATH, Asked
from clap_sb.serve.running import Running, announce, find_running, withdraw

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

ROOT = Path(__file__).resolve().parents[1]
LATIN = os.fsdecode(b"Pi\xe8ce.wav")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    out = write_index(tmp_path_factory.mktemp("found"))
    if sys.platform == "linux":  # elsewhere, names are Unicode
        sounds = out.parent / "sounds"
        shutil.copy(sounds / "wave.wav", sounds / LATIN)
        assert main(["index", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def url(index):
    with serving(index, index.parent / "log") as url:
        yield url


@pytest.fixture
def no_model(monkeypatch):
    """Whoever loads the model does what a server was to spare."""

    def opened(*arguments, **how):
        raise ValueError("the model is loaded")

    monkeypatch.setattr(Searcher, "open", opened)


def said(capsysbinary, *words: object) -> bytes:
    assert main([*map(str, words)]) == 0
    return capsysbinary.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        [CAPTIONS[0], "--json"],
        [CAPTIONS[0], CAPTIONS[1], "--weights", "1", "-0.25", "-k", "3", "--json"],
        [CAPTIONS[0], "--every-window", "--fold-above", "0.1", "--json"],
        [CAPTIONS[1], "--m3u"],
        [CAPTIONS[1]],
    ],
)
def test_the_answer_is_the_same_as_without(
    words, index, url, capsysbinary, monkeypatch
):
    expected = said(capsysbinary, "search", index, *words, "--no-server")
    with monkeypatch.context() as patch:
        patch.setattr(Searcher, "open", None)
        assert said(capsysbinary, "search", index, *words) == expected


def test_a_query_a_line_is_asked_line_by_line(index, url):
    done = subprocess.run(
        [sys.executable, "-m", "clap_sb.cli", "search", str(index), "-", "--json"],
        cwd=ROOT,
        input="\n".join(CAPTIONS[:3]),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["texts"] for answer in answers] == [[text] for text in CAPTIONS[:3]]


def test_no_library_of_the_model_is_imported(index, url):
    code = f"""
import sys
from clap_sb.cli import main
assert main(["search", {str(index)!r}, {CAPTIONS[0]!r}]) == 0
slow = {{"torch", "starlette", "uvicorn", "soundfile"}} & set(sys.modules)
assert not slow, slow
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    "words",
    [
        ["--no-server"],
        ["--audio", "wave.wav"],
        ["--bank", "bank.txt"],
        ["--checkpoint", "elsewhere"],
        ["--device", "cuda"],
    ],
)
def test_what_a_server_is_not_asked(words, index, url, no_model, capsys):
    """Files of whoever asks, and what another model or device would answer."""
    assert main(["search", str(index), CAPTIONS[0], *words]) == 1
    assert "the model is loaded" in capsys.readouterr().err


def test_a_mistake_is_told_as_without(index, url, capsys):
    words = ["search", str(index), CAPTIONS[0], "--weights", "1", "2"]
    assert main(words) == main([*words, "--no-server"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == second and "1 queries and 2 weights" in first


# ------------------------------------------------------------------- who may ask


@pytest.fixture
def post(url):
    place = urlsplit(url)

    def send(body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(place.hostname, place.port)
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    return send


def test_who_does_not_know_the_key_is_not_answered(index, post):
    question = {"texts": [CAPTIONS[0]], "weights": None, "k": 1, "fold": None}
    body = json.dumps({**question, "every_window": False}).encode()
    server = find_running(index)
    right = {
        "x-clap-sb-nonce": "n",
        "x-clap-sb-proof": server.proof("question", "n", body),
    }
    assert post(body, right)[0] == 200
    for headers in (
        {},
        {"x-clap-sb-proof": right["x-clap-sb-proof"]},
        {**right, "x-clap-sb-nonce": "m"},
        {**right, "x-clap-sb-proof": server.proof("answer", "n", body)},
        {**right, "x-clap-sb-proof": "\u00e9"},
    ):
        assert post(body, headers)[0] == 403, headers
    assert post(body + b" ", right)[0] == 403
    for other in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
        status, said = post(body, {**right, **other})
        assert status == 403 and b"hits" not in said


def test_a_stranger_on_the_port_is_not_believed(index, url, no_model, capsys):
    """One that has the port of a server that is no more, and not its key."""
    server = find_running(index)
    announce(index, replace(server, key="0" * 64))
    try:
        assert main(["search", str(index), CAPTIONS[0]]) == 1
        assert "the model is loaded" in capsys.readouterr().err
    finally:
        announce(index, server)


def test_the_key_is_not_sent(index, url, monkeypatch):
    sent = []
    request = http.client.HTTPConnection.request
    monkeypatch.setattr(
        http.client.HTTPConnection,
        "request",
        lambda self, *words: (sent.append(words), request(self, *words))[1],
    )
    how = {"weights": None, "k": 1, "every_window": False, "fold": None}
    assert Asked(index, "cpu").find([CAPTIONS[0]], **how)[1]
    assert len(sent) == 1 and find_running(index).key not in repr(sent)


# ----------------------------------------------------------------------- the note


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder for temporary files of this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def here() -> Running:
    return Running.of(("127.0.0.1", 8642), "cpu")


def test_a_note_is_found_by_any_name_of_the_index(own, tmp_path):
    (tmp_path / "a.index").mkdir()
    (tmp_path / "link").symlink_to("a.index")
    server = here()
    announce(tmp_path / "a.index", server)
    assert find_running(tmp_path / "link") == server
    assert find_running(tmp_path / "b.index") is None
    assert [path.stat().st_mode & 0o777 for path in own.iterdir()] == [0o700]
    assert not list((tmp_path / "a.index").iterdir())


@pytest.mark.parametrize("first_ends", [True, False])
def test_a_server_takes_its_own_note_away_and_no_other(first_ends, own, tmp_path):
    first, second = here(), replace(here(), port=8643)
    announce(tmp_path, first)
    announce(tmp_path, second)
    assert find_running(tmp_path) == second
    ends, stays = (first, second) if first_ends else (second, first)
    withdraw(tmp_path, ends)
    assert find_running(tmp_path) == stays
    withdraw(tmp_path, replace(stays, key="another server's of the same number"))
    assert find_running(tmp_path) == stays
    withdraw(tmp_path, stays)
    assert find_running(tmp_path) is None
    assert [list(path.iterdir()) for path in own.iterdir()] == [[]]


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_device_has_several_names(device, name, own, tmp_path):
    """The first GPU is asked, and no other device, whichever server came last."""
    announce(tmp_path, replace(here(), device=device))
    for port, other in enumerate(("cuda:1", "cpu", "mps:0"), 8643):
        announce(tmp_path, replace(here(), device=other, port=port))
    assert find_running(tmp_path, name).port == 8642
    assert find_running(tmp_path, "cuda:1").port == 8643
    assert find_running(tmp_path, "mps").port == 8645
    assert find_running(tmp_path, "xpu") is None
    assert Asked(tmp_path, name)._running.device == device


def test_a_note_of_a_process_that_is_gone_is_taken_away(own, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    announce(tmp_path, replace(here(), pid=gone.pid))
    assert find_running(tmp_path) is None
    assert [list(path.iterdir()) for path in own.iterdir()] == [[]]


def test_notes_of_servers_that_were_killed_are_taken_away_by_the_next(own, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name, pid in (("killed", gone.pid), ("alive", os.getpid())):
        announce(tmp_path / name, replace(here(), pid=pid))
    announce(tmp_path / "next", here())
    assert not running._announced(tmp_path / "killed")
    assert find_running(tmp_path / "alive") and find_running(tmp_path / "next")


def test_another_version_is_not_asked(own, tmp_path, monkeypatch):
    announce(tmp_path, here())
    monkeypatch.setattr(clap_sb, "__version__", "99.0")
    assert find_running(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, '{"port": "x"}'])
def test_what_is_no_note_is_none(content, own, tmp_path):
    announce(tmp_path, here())
    running._note(tmp_path, here()).write_text(content)
    assert find_running(tmp_path) is None


@pytest.mark.parametrize("field", ["host", "port", "pid", "device", "key"])
def test_a_note_with_a_value_of_another_kind_is_none(field, own, tmp_path):
    announce(tmp_path, replace(here(), **{field: [1]}))
    assert find_running(tmp_path) is None


@pytest.mark.skipif(os.name != "posix", reason="permissions")
@pytest.mark.parametrize("how", ["open to others", "a link"])
def test_a_folder_that_others_may_write_to_is_not_used(how, own, tmp_path):
    place = own / f"clap-sb-servers-{os.getuid()}"
    if how == "a link":
        (tmp_path / "mine").mkdir(mode=0o700)
        place.symlink_to(tmp_path / "mine")
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(OSError, match="not this user's alone"):
        announce(tmp_path, here())
    assert find_running(tmp_path) is None


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_ends_leaves_nothing_that_would_be_asked(
    end, index, tmp_path, capsysbinary
):
    """The last of these kills it: the note is stale then, and noticed."""
    from serving import _serve, _url

    copy = tmp_path / "copied.index"
    copy.symlink_to(index)  # one server more, and the last one is asked
    before = find_running(index)
    words = ("serve", str(copy), "--port", "0", "--no-open", "--json")
    process = start_process(_serve, words, tmp_path / "log")
    try:
        _url(process, tmp_path / "log")
        assert find_running(index).pid == process.pid
        os.kill(process.pid, end)
        process.join(60)
        assert not process.is_alive()
        stale = [note for note in running._announced(index) if note != before]
        assert len(stale) == (end == signal.SIGKILL)
        assert find_running(index) == before
        assert b"rank" in said(capsysbinary, "search", index, CAPTIONS[0])
    finally:
        process.kill()
        process.join()


def test_a_server_that_does_not_answer_is_waited_for_no_longer(
    own, tmp_path, monkeypatch
):
    import socket

    monkeypatch.setattr(found_by_words, "_PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        announce(tmp_path, Running.of(silent.getsockname()[:2], "cpu"))
        assert Asked(tmp_path, "cpu").find(["a dog"], k=1) is None
