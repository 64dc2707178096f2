"""Clients that are silent are not waited for without end; others are left alone."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from unittest import mock

import pytest

uvicorn = pytest.importorskip("uvicorn")

from uvicorn.protocols.http.h11_impl import H11Protocol  # noqa: E402
from uvicorn.server import ServerState  # noqa: E402

from clap_sb.serve import patience  # noqa: E402
from clap_sb.serve.server import bind  # noqa: E402


class Protocol(patience.Patience, H11Protocol):
    """As the page has it."""


ASKED = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope, receive, send):
    """Answers at once, after a while, or with more than anybody takes."""
    much = scope["path"] == "/much"
    if scope["path"] == "/late":
        await asyncio.sleep(0.6)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000 if much else 0):
        body = bytes(2**16)
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b"end"})


@pytest.fixture(scope="module")
def place():
    with bind("127.0.0.1", 0) as taken:
        config = uvicorn.Config(app, http=Protocol, lifespan="off", log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield taken.getsockname()
        server.should_exit = True
        thread.join(60)


@pytest.fixture
def connection(place, monkeypatch):
    monkeypatch.setattr(patience, "LONGEST_HEAD", 0.3)
    monkeypatch.setattr(patience, "LONGEST_UNREAD", 0.3)
    with socket.create_connection(place, timeout=60) as connection:
        yield connection


def is_closed(connection) -> bool:
    try:
        return connection.recv(1000) == b""
    except ConnectionError:
        return True


def answer(connection) -> bytes:
    got = b""
    while not got.endswith(b"end\r\n0\r\n\r\n"):
        part = connection.recv(2**16)
        assert part
        got += part
    return got


@pytest.mark.parametrize("said", [b"", b"GET /", ASKED[:-2] % b""])
def test_half_a_head_is_not_waited_for(said, connection):
    connection.sendall(said)
    assert is_closed(connection)


def test_nor_is_the_next_one(connection):
    connection.sendall(ASKED % b"")
    assert b"200 OK" in answer(connection)
    connection.sendall(b"GET")  # which stops uvicorn's own clock
    assert is_closed(connection)


def test_an_answer_that_takes_long_is_given(connection):
    """And a connection that is used again and again is not closed in between."""
    for _ in range(2):
        connection.sendall(ASKED % b"late")
        assert b"200 OK" in answer(connection)


def test_who_takes_no_answer_is_left(connection, place):
    connection.sendall(ASKED % b"much")
    time.sleep(1.0)
    got = 0
    try:
        while part := connection.recv(2**20):
            got += len(part)
    except ConnectionError:
        pass
    assert got < 1000 * 2**16


def test_who_takes_it_slowly_is_not():
    """What is waited for begins again with each time that something was taken."""
    loop, transport = mock.Mock(), mock.Mock()
    transport.get_extra_info.return_value = None
    config = uvicorn.Config(app, lifespan="off", log_level="error")
    protocol = Protocol(config, ServerState(), {}, loop)
    protocol.connection_made(transport)
    for _ in range(2):
        loop.call_later.reset_mock(return_value=True)
        protocol.pause_writing()
        longest = patience.LONGEST_UNREAD
        loop.call_later.assert_called_once_with(longest, transport.abort)
        waiting = loop.call_later.return_value
        waiting.cancel.assert_not_called()
        protocol.resume_writing()
        waiting.cancel.assert_called_once()
