"""Routes to lists of sounds, and to what they are chosen by."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from clap_sb.search.errors import SearchError
from clap_sb.serve.examples import Sent
from clap_sb.serve.wanted import Wanted

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from clap_sb.serve.service import Service

# A dropped file may have, in bytes.
MOST_BYTES = 100 * 2**20
_SOME = 6
_MOST_CHOSEN = 10_000


class TooLarge(ValueError):
    """More bytes than a dropped file may have."""


def list_routes(service: Service) -> list[Route]:
    """Makes them.

    Arguments
    ---------
    service : Service
        What answers.

    Returns
    -------
    list of Route
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def about(request: Request) -> Response:
        return JSONResponse(service.about())

    def choices(request: Request) -> Response:
        return JSONResponse(service.choices(request.query_params.get("read") == "true"))

    def some(request: Request) -> Response:
        return JSONResponse(service.some(_SOME))

    async def search(request: Request) -> Response:
        wanted = Wanted.of(request.query_params)
        sent = await _sent(request) if request.method == "POST" else None
        return JSONResponse(await run_in_threadpool(service.search, wanted, sent))

    async def tags(request: Request) -> Response:
        labels = request.query_params.get("labels", "").replace("\n", ",").split(",")
        sent = await _sent(request)
        return JSONResponse(await run_in_threadpool(service.tags, sent, labels))

    async def chosen(request: Request) -> Response:
        windows = _windows(await _body(request))
        return JSONResponse(await run_in_threadpool(service.chosen, windows))

    async def playlist(request: Request) -> Response:
        windows = _windows(await _body(request))
        text = await run_in_threadpool(service.playlist, windows)
        # names of files as they are, which need not be valid Unicode
        return Response(os.fsencode(text), media_type="audio/x-mpegurl")

    return [
        *(Route(f"/api/{one.__name__}", one) for one in (about, choices, some)),
        Route("/api/search", search, methods=["GET", "POST"]),
        *(
            Route(f"/api/{one.__name__}", one, methods=["POST"])
            for one in (tags, chosen, playlist)
        ),
    ]


async def _sent(request: Request) -> Sent:
    """The file in a request; the parameter ``name`` is its name."""
    is_picture = request.headers.get("content-type", "").startswith("image/")
    name = request.query_params.get("name", "")
    return Sent(await _body(request), name, is_picture)


def _windows(body: bytes) -> list[tuple[str, int]]:
    """Pairs of a sound's hash and a window's number, in JSON."""
    try:
        windows = [(digest, window) for digest, window in json.loads(body)]
    except (ValueError, TypeError, RecursionError):
        windows = None
    if windows is None or not all(
        isinstance(digest, str) and type(window) is int for digest, window in windows
    ):
        raise SearchError("a list of pairs of a hash and a number is wanted, in JSON")
    if len(windows) > _MOST_CHOSEN:
        raise SearchError(f"more than {_MOST_CHOSEN} favourites: take some out")
    return windows


async def _body(request: Request) -> bytes:
    """What was sent, unless it is too much."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise TooLarge(f"a file of more than {MOST_BYTES // 2**20} MB: cut it")
        parts.append(part)
    return b"".join(parts)
