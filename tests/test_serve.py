"""What the server of the page answers, and what it does not."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import socket
import threading
from types import SimpleNamespace
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from builders import CAPTIONS, SAMPLE_RATE
from indexes import write_sound
from serving import NAMES, serving, write_index

from clap_sb.cli import main
from clap_sb.data.audio import AudioError, read_wav
from clap_sb.search import SearchIndex
from clap_sb.search.reading import file_hash
from clap_sb.serve.app import PAGE, create_app
from clap_sb.serve.guard import host_is_safe
from clap_sb.serve.playback import Playback
from clap_sb.serve.service import Service

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return write_index(tmp_path_factory.mktemp("serve"))


@pytest.fixture(scope="module")
def ask(index):
    """Sends a request and gives the status, the headers and the body."""
    with serving(index, index.parent / "log") as url:
        place = urlsplit(url)

        def send(path, method="GET", body=None, headers=None, **words):
            connection = http.client.HTTPConnection(place.hostname, place.port)
            path = f"{path}?{urlencode(words)}" if words else path
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return answer.status, answer.headers, content

        yield send


def hits(answer) -> dict[str, dict]:
    status, _, body = answer
    assert status == 200, body
    return {hit["name"]: hit for hit in json.loads(body)["hits"]}


@pytest.fixture
def found(ask):
    return hits(ask("/api/search", text=CAPTIONS[0]))


def sounds(index):
    return index.parent / "sounds"


def test_about_tells_what_is_served(ask):
    about = json.loads(ask("/api/about")[2])
    assert (about["sounds"], about["windows"]) == (len(NAMES), len(NAMES) + 2)
    assert "tiny" in about["model"]


def test_search_answers_what_the_command_answers(ask, index, capsys):
    assert main(["search", str(index), CAPTIONS[0], "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)["hits"]
    answer = json.loads(ask("/api/search", text=CAPTIONS[0])[2])["hits"]
    for hit, of_command in zip(answer, expected, strict=True):
        assert hit["path"] == of_command["path"]
        assert hit["name"] == os.path.basename(hit["path"])
        for name in ("start", "end", "sound", "window"):
            assert hit[name] == of_command[name]
        assert hit["score"] == pytest.approx(of_command["cosine"], abs=1e-6)


def test_similar_to_a_hit_are_all_others(ask, found, index):
    """The sound itself, which is nearest to itself, is nothing new."""
    hit = found["small.ogg"]
    words = {"like": hit["sound"], "window": hit["window"], "fold": "true"}
    again = hits(ask("/api/search", **words))
    assert set(again) == set(found) - {"small.ogg"}
    opened = SearchIndex(index)
    query = opened.embeddings(np.array([opened.window(hit["sound"], 0)[0]]))[0]
    expected = [h.score for h in opened.search(query, len(NAMES))[1:]]
    assert [h["score"] for h in again.values()] == pytest.approx(expected)


def test_search_by_a_sound_that_was_sent(ask, index):
    body = (sounds(index) / "old.aiff").read_bytes()
    again = hits(ask("/api/search", "POST", body))
    assert next(iter(again)) == "old.aiff"
    assert again["old.aiff"]["score"] == pytest.approx(1, abs=1e-4)
    words = {"text": CAPTIONS[0], "k": len(NAMES)}
    only_words = hits(ask("/api/search", "POST", body, words=1, **words))
    by_text = hits(ask("/api/search", **words))
    for name in by_text:
        assert only_words[name]["score"] == pytest.approx(by_text[name]["score"])


def test_tags_are_probabilities_of_the_labels(ask, index):
    body = (sounds(index) / "wave.wav").read_bytes()
    status, _, answer = ask("/api/tags", "POST", body, labels="dog, cat,\nrain, dog,")
    tags = json.loads(answer)["tags"]
    assert status == 200 and {tag["label"] for tag in tags} == {"dog", "cat", "rain"}
    shares = [tag["probability"] for tag in tags]
    assert sum(shares) == pytest.approx(1) and shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("name", [os.path.basename(name) for name in NAMES])
def test_every_sound_comes_as_browsers_play_it(name, ask, found, index):
    status, headers, body = ask(f"/audio/{found[name]['sound']}")
    assert status == 200
    kinds = {"flac": "flac", "ogg": "ogg", "m4a": "mp4", "layer.mp3": "mpeg"}
    kind = kinds.get(name, kinds.get(name.rpartition(".")[2], "wav"))
    assert headers["content-type"] == f"audio/{kind}"
    heard = read_wav(io.BytesIO(body), SAMPLE_RATE)
    expected = read_wav(next(sounds(index).rglob(name)), SAMPLE_RATE)
    np.testing.assert_allclose(heard, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["wave.wav", "old.aiff"])
def test_a_part_of_a_sound_is_given_for_seeking(name, ask, found):
    path = f"/audio/{found[name]['sound']}"
    whole = ask(path)[2]
    status, headers, part = ask(path, headers={"Range": "bytes=100-299"})
    assert status == 206 and part == whole[100:300]
    assert headers["content-range"] == f"bytes 100-299/{len(whole)}"


def test_pictures_are_of_the_window(ask, found):
    status, headers, png = ask(f"/picture/{found['wave.wav']['sound']}/0")
    assert (status, headers["content-type"]) == (200, "image/png")
    from matplotlib.image import imread

    image = imread(io.BytesIO(png))
    # noise and one tone: a bright row, of 200 Hz, near the bottom of 16 bands
    brightness = image[..., :3].sum((1, 2))
    assert image.shape[0] == 16 and brightness.argmax() > 12


@pytest.mark.parametrize(
    "path",
    ["/audio/999", "/audio/../index.sqlite", "/audio/%2e%2e%2fetc%2fpasswd", "/audio/"]
    + ["/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/audio//etc"],
)
def test_nothing_but_sounds_of_the_index_is_served(path, ask):
    assert ask(path)[0] == 404


def test_a_file_that_has_changed_is_not_served(ask, index):
    """What has taken its place is not the index's to show."""
    path = write_sound(sounds(index) / "new.wav", 40)
    words = ["index", "--out", str(index)]
    assert main(words) == 0
    hit = hits(ask("/api/search", text="rain", k=50))["new.wav"]  # it was reopened
    secret = index.parent / "secret.wav"
    write_sound(secret, 41, 2.0)
    path.unlink()
    path.symlink_to(secret)
    for address in (f"/audio/{hit['sound']}", f"/picture/{hit['sound']}/0"):
        status, _, body = ask(address)
        assert status == 404 and "changed" in json.loads(body)["error"]
    path.unlink()
    assert main(words) == 0
    assert "new.wav" not in hits(ask("/api/search", text="rain", k=50))


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", ""])
def test_other_names_of_this_machine_are_refused(host, ask):
    status, _, body = ask("/api/about", headers={"Host": host})
    assert status == 403 and b"sounds" not in body


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_pages_of_other_sites_may_link_and_not_ask(site, ask, found):
    headers = {"Sec-Fetch-Site": site}
    sound = f"/audio/{found['wave.wav']['sound']}"
    for path in ("/api/about", "/api/search?text=rain", sound):
        assert ask(path, headers=headers)[0] == 403
    assert ask("/", headers=headers)[0] == 200
    assert ask("/api/about", headers={"Sec-Fetch-Site": "same-origin"})[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost"])
def test_pages_of_other_sites_are_known_by_their_origin_too(origin, ask):
    """All that a browser tells over plain HTTP to an address in the network."""
    headers = {"Host": "192.168.1.5:8642", "Origin": origin}
    for method, body in (("GET", None), ("POST", b"")):
        refused = ask("/api/search?text=rain", method, body, headers)
        assert refused[0] == 403
    own = {**headers, "Origin": "http://192.168.1.5:8642"}
    assert ask("/api/search?text=rain", headers=own)[0] == 200
    assert ask("/api/search?text=rain", headers={"Host": headers["Host"]})[0] == 200


def test_browsers_are_told_to_be_strict(ask):
    for path in ("/", "/api/about", "/page/page.js"):
        headers = ask(path)[1]
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_page_takes_nothing_from_elsewhere(ask):
    for file in PAGE.iterdir():
        path = "/" if file.suffix == ".html" else f"/page/{file.name}"
        status, _, body = ask(path)
        assert status == 200 and b"//" not in body.replace(b"// ", b"")
        assert body == file.read_bytes()


@pytest.mark.parametrize(
    ("path", "body", "words", "status", "message"),
    [
        ("/api/search", None, {}, 400, "no query"),
        ("/api/search", None, {"text": "a", "k": "x"}, 400, "number"),
        ("/api/search", None, {"text": "a", "k": 10**6}, 400, "from 1 to"),
        ("/api/search", None, {"like": 10**6}, 400, "no window"),
        ("/api/search", b"no sound", {}, 415, "cannot be decoded"),
        ("/api/search", b"", {}, 415, "empty"),
        ("/api/tags", b"no sound", {"labels": "a"}, 415, "cannot be decoded"),
        ("/api/tags", b"no sound", {"labels": " , "}, 400, "labels"),
        ("/api/search", None, {"text": "a", "first": 1990}, 400, "first 2000"),
        ("/api/search", None, {"text": "a", "lowest": "nan"}, 400, "number"),
        ("/api/search", None, {"text": "a", "words": "nan"}, 400, "from 0 to 1"),
        ("/api/search", None, {"without": "a"}, 400, "no query"),
        ("/api/search", None, {"example": "0"}, 400, "drop it again"),
        ("/api/headers", None, {"sounds": "1,x"}, 400, "numbers"),
        ("/api/chosen", b"no JSON", {}, 400, "pairs"),
        ("/api/playlist", b"[[1, 2]]", {}, 400, "pairs"),
        ("/picture/100000/0", None, {}, 400, "no window"),
        ("/picture/100000", None, {}, 404, "no sound"),
        ("/excerpt/100000/0", None, {}, 400, "no window"),
        ("/file/100000", None, {}, 404, "no sound"),
    ],
)
def test_what_the_server_says_of_a_mistake(path, body, words, status, message, ask):
    method = "GET" if body is None else "POST"
    got, _, answer = ask(path, method, body, **words)
    assert got == status and message in json.loads(answer)["error"]


def test_what_was_sent_is_called_by_its_own_name(ask):
    """And nobody is told to type a command, for the server has no such file."""
    sent = {"body": b"no sound", "name": "my dog.wav"}
    error = json.loads(ask("/api/search", "POST", **sent)[2])["error"]
    assert error.startswith("my dog.wav: cannot be decoded")
    assert "convert it to WAV or FLAC" in error and "ffmpeg" not in error


def test_a_sound_may_not_be_huge(ask):
    status, _, answer = ask("/api/search", "POST", bytes(100 * 2**20 + 1))
    assert status == 413 and "100 MB" in json.loads(answer)["error"]


def test_a_port_in_use_is_an_error(index, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", str(index), "--port", port, "--no-open"]) == 1
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "safe"),
    [
        ("localhost:8642", True),
        ("LOCALHOST", True),
        ("192.168.1.5:80", True),
        ("[::1]:8642", True),
        ("[::1]", True),
        ("my.name:80", True),
        ("127.0.0.1.evil.example", False),
        ("my.name.evil.example", False),
        ("", False),
        ("[evil]", False),
        ("[::1].evil.example", False),
        ("[::1]evil.example", False),
        ("[::1]:80.evil.example", False),
        ("127.0.0.1:80:evil.example", False),
        ("evil.example@127.0.0.1", False),
        ("localhost:evil.example", False),
        ("[::1", False),
        ("::1", False),
        ("[127.0.0.1]", False),
        (" localhost", False),
        ("localhost\n", False),
    ],
)
def test_safe_hosts(host, safe):
    assert host_is_safe(host, ["My.Name"]) == safe


def test_a_host_that_is_named_twice_is_refused():
    """Which of them somebody else goes by is not ours to guess."""
    app = create_app(SimpleNamespace(sounds=None))
    answer = asyncio.run(asked(app, "/", hosts=(b"evil.example", b"localhost")))
    assert answer["status"] == 403 and b"twice" in answer["body"]


def aiff_of(store) -> int:
    """The sound that no browser plays."""
    return next(
        sound
        for sound in store.known_sounds().values()
        if any(path.endswith(".aiff") for path in store.files_of(sound))
    )


def test_a_copy_for_the_player_goes_by_what_it_is(index, tmp_path):
    """Not by an id, which another index may have for another sound."""
    opened = SearchIndex(index)
    sound = aiff_of(opened.store)
    service = Service(SimpleNamespace(index=opened), tmp_path)
    path = service.sounds.playable(sound).path
    assert path == tmp_path / f"{file_hash(str(sounds(index) / 'old.aiff'))}.wav"


def test_copies_for_the_player_do_not_pile_up(index, tmp_path):
    store = SearchIndex(index).store
    sound = aiff_of(store)
    playback = Playback(tmp_path)
    for place in range(40):
        playable = playback.of(f"{place}", store.files_of(sound))
        assert playable.path.exists() and playable.media_type == "audio/wav"
    assert len(list(tmp_path.iterdir())) <= 16


def asked(app, path: str, is_there: bool = True, hosts=(b"localhost",)) -> dict:
    """What an application sends for an address, and whether somebody waits for it."""

    async def receive():
        return {"type": "http.request" if is_there else "http.disconnect", "body": b""}

    async def ask():
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b""}
        sent = []

        async def send(message):
            sent.append(message)

        await app({**scope, "headers": [(b"host", h) for h in hosts]}, receive, send)
        return {"status": sent[0]["status"], "body": sent[1].get("body", b"")}

    return ask()


def test_an_error_may_name_a_file_that_is_not_utf8():
    """As the answer is text in UTF-8, with a mark in the place of such a byte."""

    def refuse(sound: int):
        raise AudioError(f"/sounds/{os.fsdecode(bytes([0xE8]))}.wav: is empty")

    app = create_app(SimpleNamespace(sounds=SimpleNamespace(playable=refuse)))
    answer = asyncio.run(asked(app, "/audio/1"))
    assert answer["status"] == 415
    assert json.loads(answer["body"])["error"] == "/sounds/\ufffd.wav: is empty"


def test_pictures_that_were_scrolled_by_are_not_drawn():
    """And those that wait keep no thread from what is asked for beside them."""
    drawn, go_on = [], threading.Event()

    def draw(sound: int):
        drawn.append(sound)
        assert go_on.wait(60)
        return b"png"

    sounds = SimpleNamespace(overview=draw, picture=None)
    app = create_app(SimpleNamespace(sounds=sounds, about=lambda: {"sounds": 3}))

    async def scroll():
        seen = [asyncio.create_task(asked(app, f"/picture/{k}")) for k in range(2)]
        while len(drawn) < 2:
            await asyncio.sleep(0.01)
        gone = [
            asyncio.create_task(asked(app, f"/picture/{k}", False))
            for k in range(2, 99)
        ]
        last = asyncio.create_task(asked(app, "/picture/100"))
        about = await asyncio.wait_for(asked(app, "/api/about"), 60)
        assert json.loads(about["body"]) == {"sounds": 3} and len(drawn) == 2
        go_on.set()
        answers = await asyncio.gather(*seen, last)
        assert {answer["body"] for answer in answers} == {b"png"}
        assert {answer["status"] for answer in await asyncio.gather(*gone)} == {204}

    asyncio.run(scroll())
    assert sorted(drawn) == [0, 1, 100]
