"""The page under load: many search at once, beside clients that send or ask nonsense.

    python tests/faults/load.py

A server is asked by 200 at once, first alone, then beside each kind of broken client.
No search fails, what the others are told is their own mistake, the server's memory
stays within what it may hold, and its log has no traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import itertools
import json
import os
import random
import socket
import struct
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from builders import CAPTIONS
from serving import served, write_index

_MB = 2**20
_RATE = 1000


def silence(hours: float, tells_length: bool = True) -> bytes:
    """FLAC of digital silence, which takes next to nothing.

    Arguments
    ---------
    hours : float
        How much.
    tells_length : bool
        Whether the header says so; else it leaves it open.

    Returns
    -------
    bytes
    """
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", _RATE, 1, "PCM_16", format="FLAC") as sound:
        for _ in range(round(60 * hours)):
            sound.write(np.zeros(60 * _RATE, np.int16))
    content = bytearray(file.getvalue())
    if not tells_length:  # the last 36 bits before the MD5, in STREAMINFO
        content[21] &= 0xF0
        content[22:26] = bytes(4)
    return bytes(content)


@dataclass
class Client:
    """Whoever talks to a server, rightly or not.

    Arguments
    ---------
    url : str
        The page.
    """

    url: str
    place: tuple[str, int] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.place = parts.hostname, parts.port

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **words: object
    ) -> tuple[int, bytes]:
        """Sends a request as it should be; gives status and body."""
        connection = http.client.HTTPConnection(*self.place, timeout=300)
        try:
            connection.request(method, f"{path}?{urlencode(words)}", body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    @contextlib.contextmanager
    def raw(self, *parts: bytes) -> Iterator[socket.socket]:
        """Sends bytes as they are."""
        with socket.create_connection(self.place, timeout=300) as connection:
            # who is refused may not come to send it all
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    connection.sendall(part)
            yield connection

    def head(self, line: str, length: int | None = None) -> bytes:
        """The head of a request."""
        lengths = "" if length is None else f"Content-Length: {length}\r\n"
        return f"{line} HTTP/1.1\r\nHost: localhost\r\n{lengths}\r\n".encode()


# Each talks to a server, and gives the status that it was told, or None of no answer.
Broken = Callable[[Client, int], int | None]


def cut_upload(client: Client, sound: int) -> None:
    """Leaves in the middle of what it sends."""
    head = client.head("POST /api/search?text=rain", 10**6)
    with client.raw(head, bytes(random.Random(sound).randrange(10**5))):
        pass


def reset_upload(client: Client, sound: int) -> None:
    """Leaves so, and rudely."""
    head = client.head("POST /api/tags?labels=rain", 10**6)
    with client.raw(head, bytes(1000)) as connection:
        now = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)


def left_answer(client: Client, sound: int) -> None:
    """Leaves in the middle of a sound."""
    with client.raw(client.head(f"GET /audio/{sound}")) as connection:
        connection.recv(10)


def left_range(client: Client, sound: int) -> None:
    """Leaves in the middle of a part of it."""
    head = client.head(f"GET /file/{sound}")[:-2] + b"Range: bytes=10-\r\n\r\n"
    with client.raw(head) as connection:
        connection.recv(10)


def left_search(client: Client, sound: int) -> None:
    """Asks, and does not wait."""
    with client.raw(client.head(f"GET /api/search?text=rain{sound}")):
        pass


def half_head(client: Client, sound: int) -> None:
    """Says half of what it wants."""
    with client.raw(b"GET /api/about HT"):
        time.sleep(0.2)


def no_http(client: Client, sound: int) -> int:
    """Speaks something else."""
    with client.raw(b"\x16\x03\x01\x02\x00\r\n\r\n") as connection:
        return int(connection.recv(100).split()[1])


def only_head(client: Client, sound: int) -> int:
    """Asks for a sound's head alone."""
    return client.ask(f"/audio/{sound}", "HEAD")[0]


def no_sound(client: Client, sound: int) -> int:
    """Sends what is none."""
    return client.ask("/api/search", "POST", b"no sound" * sound)[0]


def long_silence(client: Client, sound: int) -> int:
    """Sends four hours in some kilobytes."""
    return client.ask("/api/search", "POST", _FOUR_HOURS[sound % 2], text="rain")[0]


def declared(client: Client, sound: int) -> int:
    """Says that it has much to send."""
    with client.raw(client.head("POST /api/search", 10**12)) as connection:
        return int(connection.recv(100).split()[1])


def stranger(client: Client, sound: int) -> int:
    """Is of another site."""
    with client.raw(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n") as connection:
        return int(connection.recv(100).split()[1])


_FOUR_HOURS = silence(4), silence(4, tells_length=False)
BROKEN: dict[Broken, set[int | None]] = {
    cut_upload: {None},
    reset_upload: {None},
    left_answer: {None},
    left_range: {None},
    left_search: {None},
    half_head: {None},
    no_http: {400},
    only_head: {200},
    # 429 where more are sending than may
    no_sound: {415, 429},
    long_silence: {413, 429},
    declared: {413},
    stranger: {403},
}


@dataclass(frozen=True)
class Searches:
    """How some searches went.

    Arguments
    ---------
    seconds : list of float
        Of each, in their order.
    """

    seconds: list[float]

    def __str__(self) -> str:
        median, p95 = np.percentile(self.seconds, [50, 95])
        return (
            f"{len(self.seconds)} searches, median {median:.2f} s, p95 {p95:.2f} s, "
            f"slowest {self.seconds[-1]:.2f} s"
        )


def search_at_once(client: Client, number: int) -> Searches:
    """Searches from as many threads; all of them have an answer.

    Arguments
    ---------
    client : Client
        Asks.
    number : int
        Searches.

    Returns
    -------
    Searches
    """

    def search(place: int) -> float:
        begin = time.monotonic()
        text = f"{CAPTIONS[place % len(CAPTIONS)]} {place}"
        status, body = client.ask("/api/search", text=text)
        assert status == 200 and json.loads(body)["hits"], (status, body)
        return time.monotonic() - begin

    with ThreadPoolExecutor(number) as threads:
        return Searches(sorted(threads.map(search, range(number))))


@contextlib.contextmanager
def broken_beside(client: Client, threads: int, sound: int) -> Iterator[Counter]:
    """Broken clients of all kinds, until the block is left; gives who was told what."""
    told: Counter = Counter()
    ends, faults, kinds = threading.Event(), [], itertools.cycle(BROKEN)

    def be_one() -> None:
        while not ends.is_set():
            kind = next(kinds)
            status = kind(client, sound)
            if status not in BROKEN[kind]:
                faults.append((kind.__name__, status))
            told[kind.__name__] += 1

    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(be_one) for _ in range(threads)]
        try:
            yield told
        finally:
            ends.set()
    for one in running:
        one.result()
    assert not faults, faults


@contextlib.contextmanager
def unfinished(client: Client, number: int, size: int) -> Iterator[list[int]]:
    """Uploads that have all but their last byte; gives what the refused were told."""
    head = client.head("POST /api/search?text=rain", size)
    with contextlib.ExitStack() as stack:
        refused = []
        for _ in range(number):
            connection = stack.enter_context(client.raw(head, bytes(size - 1)))
            connection.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                refused.append(int(connection.recv(100).split()[1]))
        yield refused


def memory(pid: int, name: str = "VmRSS") -> float:
    """What a process takes, or took at most (VmHWM), in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(name)) / 1024


def check_log(log: Path) -> int:
    """Gives how many lines there are; none is of a traceback."""
    said = log.read_text(errors="replace")
    assert "Traceback" not in said and "ERROR" not in said, said[-2000:]
    return said.count("\n")


def main() -> None:
    """Prints a line each; an assertion ends it where something went otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200, help="searches at once")
    number = parser.parse_args().number
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        index, log = write_index(Path(folder)), Path(folder, "log")
        with served(index, log) as (url, process):
            client = Client(url)
            search_at_once(client, 8)  # what is slow the first time
            for _ in range(2):
                print(f"alone: {search_at_once(client, number)}", flush=True)
                with broken_beside(client, 8, 1) as told:
                    searches = search_at_once(client, number)
                print(f"beside {told.total()} broken clients: {searches}", flush=True)
            before = memory(process.pid)
            with unfinished(client, 12, 95 * _MB) as refused:
                taken = memory(process.pid, "VmHWM") - before
                print(
                    f"12 unfinished uploads of 95 MB take {taken:.0f} MB, "
                    f"{len(refused)} are refused ({sorted(set(refused))}); "
                    f"beside them: {search_at_once(client, number)}"
                )
            assert taken < 400 and set(refused) == {503}
            print(
                f"the log has {check_log(log)} lines and no traceback, load "
                f"{os.getloadavg()[0]:.0f}"
            )


if __name__ == "__main__":
    main()
