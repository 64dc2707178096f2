"""What requests carry: how much is taken, for how long, and from how many at once."""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

_MB = 2**20
# A dropped file may have, in bytes.
MOST_BYTES = 100 * _MB
# All that is held at once, of all requests, in bytes.
MOST_TOGETHER = 256 * _MB
# Requests with a body, at once.
MOST_AT_ONCE = 16
# Without a byte, and for all of them, in seconds.
LONGEST_SILENCE = 30.0
LONGEST = 600.0


class UploadRefused(ValueError):
    """What is sent is too much, or too slow.

    Arguments
    ---------
    status : int
        Of the answer: 408, 413, 429 or 503.
    message : str
        What was wrong, and what to do.

    Example
    -------
    >>> UploadRefused(413, "cut it").status
    413
    """

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Uploads:
    """Receives the bodies of requests, and knows how much all of them have.

    Example
    -------
    >>> Uploads().bytes_held
    0
    """

    def __init__(self):
        self.bytes_held = 0
        self._count = 0

    @contextlib.asynccontextmanager
    async def received(
        self, request: Request, most: int = MOST_BYTES
    ) -> AsyncIterator[bytes]:
        """Gives the body of a request; what it takes counts until one is done with it.

        Arguments
        ---------
        request : Request
            The request.
        most : int
            Bytes that it may have.

        Yields
        ------
        bytes

        Raises
        ------
        UploadRefused
            If it is too large (413), too slow (408), one too many (429), or if too much
            is held already (503).
        """
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            raise _too_large(most)
        if self._count >= MOST_AT_ONCE:
            raise UploadRefused(
                429, f"{self._count} files are being sent already: wait a moment"
            )
        held = _Held(self)
        self._count += 1
        try:
            yield await self._content(request, most, held)
        finally:
            self._count -= 1
            held.release()

    async def _content(self, request: Request, most: int, held: _Held) -> bytes:
        from anyio import fail_after

        content = io.BytesIO()
        try:
            with fail_after(LONGEST):
                parts = aiter(request.stream())
                while True:
                    with fail_after(LONGEST_SILENCE):
                        part = await anext(parts, None)
                    if part is None:
                        return content.getvalue()
                    if content.tell() + len(part) > most:
                        raise _too_large(most)
                    held.add(len(part))
                    content.write(part)
        except TimeoutError:
            raise UploadRefused(
                408,
                f"nothing came for {LONGEST_SILENCE:.0f} s, or not all of it in "
                f"{LONGEST:.0f} s: send it again",
            ) from None


class _Held:
    """What one request has of it."""

    def __init__(self, uploads: Uploads):
        self._uploads = uploads
        self._bytes = 0

    def add(self, count: int) -> None:
        if self._uploads.bytes_held + count > MOST_TOGETHER:
            raise UploadRefused(
                503,
                f"more than {MOST_TOGETHER // _MB} MB are being sent at once: wait a "
                "moment, then send it again",
            )
        self._uploads.bytes_held += count
        self._bytes += count

    def release(self) -> None:
        self._uploads.bytes_held -= self._bytes


def _too_large(most: int) -> UploadRefused:
    return UploadRefused(413, f"a file of more than {most // _MB} MB: cut it")
