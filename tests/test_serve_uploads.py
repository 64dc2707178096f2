"""What is sent to the page: how much, how long, by whom; and who waits for it."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from faults.load import (
    BROKEN,
    Client,
    broken_beside,
    check_log,
    search_at_once,
    silence,
    unfinished,
)
from serving import served, write_index

from clap_sb.data.audio_file import AudioFile
from clap_sb.search.searcher import Searcher
from clap_sb.serve import listening, uploads
from clap_sb.serve.app import create_app
from clap_sb.serve.examples import Sent
from clap_sb.serve.fair_lock import FairLock
from clap_sb.serve.service import Service
from clap_sb.serve.uploads import UploadRefused, Uploads
from clap_sb.serve.wanted import Wanted

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return write_index(tmp_path_factory.mktemp("uploads"))


@pytest.fixture(scope="module")
def server(index):
    with served(index, index.parent / "log") as (url, _):
        yield SimpleNamespace(client=Client(url), log=index.parent / "log")


@pytest.fixture(scope="module")
def client(server):
    return server.client


@pytest.mark.parametrize("tells_length", [True, False])
def test_few_bytes_are_no_four_hours(tells_length, client):
    content = silence(4, tells_length)
    assert len(content) < 2**17
    begin = time.monotonic()
    status, body = client.ask("/api/search", "POST", content, name="night.flac")
    error = json.loads(body)["error"]
    assert status == 413 and error.startswith("night.flac: is longer than 10 minutes")
    assert time.monotonic() - begin < 10  # it took some twenty seconds


def test_many_channels_of_high_rates_are_refused(monkeypatch):
    monkeypatch.setattr(listening, "_MOST_SAMPLES_A_SECOND", 999)
    with pytest.raises(UploadRefused, match="make it mono") as caught:
        listening.embedding_of(None, Sent(silence(0.1)), FairLock())
    assert caught.value.status == 413


def test_a_picture_of_very_many_pixels_is_refused(monkeypatch):
    from PIL import Image

    file = io.BytesIO()
    Image.new("1", (300, 200)).save(file, "png")
    monkeypatch.setattr(listening, "_MOST_PIXELS", 300 * 200 - 1)
    with pytest.raises(UploadRefused, match="300 x 200 pixels"):
        listening.embedding_of(None, Sent(file.getvalue(), "a.png", True), FairLock())


def test_a_file_is_decoded_beside_what_others_ask(index, tmp_path, monkeypatch):
    """The index and the model are others' but for the batches, one at a time."""
    searcher = Searcher.open(index)
    service = Service(searcher, tmp_path)
    expected = searcher.clap.embed_files([_long(tmp_path)])[0].numpy()
    held, batches, holder = [], [], [None]
    read, encode = AudioFile.read, searcher.clap.encode_heard

    def noted_read(self, begin, end):
        held.append(holder[0] == threading.get_ident())
        return read(self, begin, end)

    def noted_encode(heard):
        assert service._lock._is_held
        batches.append(len(heard.first))
        holder[0] = threading.get_ident()
        try:
            return encode(heard)
        finally:
            holder[0] = None

    monkeypatch.setattr(AudioFile, "read", noted_read)
    monkeypatch.setattr(searcher.clap, "encode_heard", noted_encode)
    sent = Sent(_long(tmp_path).read_bytes())
    answer = service.search(Wanted(), sent)
    assert held and not any(held)
    assert len(batches) > 2 and max(batches) <= 4
    got = service._queries._examples.of(answer["example"])
    np.testing.assert_allclose(got, expected, atol=1e-5)
    batches.clear()
    service.tags(sent, ["dog", "cat"])
    assert len(batches) > 2 and not any(held)


def _long(folder):
    from indexes import WINDOW, write_sound

    return write_sound(folder / "long.wav", 3, 9.5 * WINDOW)


def test_a_lock_is_given_in_the_order_in_which_it_was_asked_for():
    """One who lets go, and asks again at once, waits for those who came before."""
    lock, order, is_in = FairLock(), [], threading.Event()

    def busy():
        for turn in range(3):
            with lock:
                order.append(f"busy {turn}")
                is_in.set()
                while turn == 0 and len(lock._waiting) < 2:
                    time.sleep(0.001)

    def other(name):
        with lock:
            order.append(name)

    threads = [threading.Thread(target=busy)]
    threads[0].start()
    assert is_in.wait(60)
    for name in ("first", "second"):
        threads.append(threading.Thread(target=other, args=(name,)))
        threads[-1].start()
        while len(lock._waiting) < len(threads) - 1:
            time.sleep(0.001)
    for thread in threads:
        thread.join(60)
    assert order == ["busy 0", "first", "second", "busy 1", "busy 2"]
    assert not lock._is_held


def request(*parts: bytes, silent: float = 0.0, **headers: str):
    """What an upload is for those who receive it."""

    async def stream():
        for part in parts:
            yield part
        await asyncio.sleep(silent)

    return SimpleNamespace(stream=stream, headers=headers)


def refusal(receive) -> tuple[int, str]:
    with pytest.raises(UploadRefused) as caught:
        asyncio.run(receive())
    return caught.value.status, str(caught.value)


def test_what_all_uploads_hold_is_counted_and_given_back(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_TOGETHER", 250)
    every = Uploads()

    async def two():
        async with every.received(request(bytes(100), bytes(100))) as body:
            assert body == bytes(200) and every.bytes_held == 200
            async with every.received(request(bytes(51))):
                raise AssertionError("it is too much")

    status, message = refusal(two)
    assert status == 503 and "wait" in message and every.bytes_held == 0

    async def again():
        async with every.received(request(bytes(250))):
            return every.bytes_held

    assert asyncio.run(again()) == 250 and every.bytes_held == 0


def test_so_many_send_at_once_and_no_more(monkeypatch):
    monkeypatch.setattr(uploads, "MOST_AT_ONCE", 1)
    every = Uploads()

    async def two():
        async with every.received(request(b"a")), every.received(request(b"b")):
            raise AssertionError("it is one too many")

    assert refusal(two)[0] == 429 and every._count == 0


def test_an_upload_is_refused_by_what_it_says_that_it_has():
    async def one():
        async with Uploads().received(request(**{"content-length": str(2**60)})):
            raise AssertionError("it is too large")

    assert refusal(one) == (413, "a file of more than 100 MB: cut it")


@pytest.mark.parametrize("name", ["LONGEST", "LONGEST_SILENCE"])
def test_who_sends_nothing_is_not_waited_for(name, monkeypatch):
    monkeypatch.setattr(uploads, name, 0.02)

    async def one():
        async with Uploads().received(request(b"a", silent=60)):
            raise AssertionError("it never ended")

    assert refusal(one)[0] == 408


def test_searches_are_answered_beside_broken_clients(server):
    """Of `make faults`, a sample; nothing in the log but a line of what is no HTTP."""
    with broken_beside(server.client, 4, 1) as told:
        while len(told) < len(BROKEN):
            search_at_once(server.client, 20)
    with unfinished(server.client, 3, 95 * 2**20) as refused:
        search_at_once(server.client, 8)
    assert refused == [503]
    assert check_log(server.log) <= told["no_http"] + 1


def test_a_sound_that_is_cut_while_it_is_sent_is_broken_off(tmp_path):
    """Neither is it ended as if all had been there, nor waited for."""
    from starlette.responses import FileResponse

    from clap_sb.serve.sound_response import SoundResponse

    path = tmp_path / "a.wav"
    path.write_bytes(bytes(300_000))
    sent = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)
        if message["type"] == "http.response.start":
            path.write_bytes(bytes(1000))

    scope = {"type": "http", "method": "GET", "headers": [], "extensions": {}}
    asyncio.run(SoundResponse(FileResponse(path))(scope, receive, send))
    assert dict(sent[0]["headers"])[b"content-length"] == b"300000"
    assert sum(len(message["body"]) for message in sent[1:]) == 1000
    assert all(message["more_body"] for message in sent[1:])


def test_who_has_left_is_not_listened_to():
    """A sound that waits for its turn is none of a page that is closed by then."""
    heard, go_on = [], threading.Event()

    def search(wanted, sent):
        heard.append(sent.name)
        assert go_on.wait(60)
        return {}

    app = create_app(SimpleNamespace(search=search, sounds=None))

    async def send_one(name: str, stays: bool) -> int:
        messages = iter([{"type": "http.request", "body": b"a", "more_body": False}])
        told = []

        async def receive():
            if (message := next(messages, None)) is not None:
                return message
            if stays:
                await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        async def send(message):
            told.append(message.get("status"))

        scope = {"type": "http", "method": "POST", "path": "/api/search"}
        query = f"name={name}".encode()
        headers = [(b"host", b"localhost")]
        await app({**scope, "query_string": query, "headers": headers}, receive, send)
        return told[0]

    async def all_of_them():
        first = [asyncio.create_task(send_one(f"{k}", True)) for k in range(2)]
        while len(heard) < 2:
            await asyncio.sleep(0.01)
        then = [asyncio.create_task(send_one(f"{k}", k == 3)) for k in range(2, 5)]
        await asyncio.sleep(0.05)
        go_on.set()
        return [await task for task in (*first, *then)]

    assert asyncio.run(all_of_them()) == [200, 200, 400, 200, 400]
    assert sorted(heard) == ["0", "1", "3"]
