"""Routes to lists of sounds, and to what they are chosen by."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clap_sb.search.errors import SearchError
from clap_sb.serve.examples import Sent
from clap_sb.serve.wanted import Wanted

if TYPE_CHECKING:
    from anyio import CapacityLimiter
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from clap_sb.serve.service import Service
    from clap_sb.serve.uploads import Uploads

# Sounds to begin with: of all, and of those that pass filters.
_SOME, _SOME_FILTERED = 6, 30
_MOST_CHOSEN = 10_000
# Of a list of these, in bytes.
_MOST_LISTED = 2 * 2**20
# Threads that ask for lists, and that listen to what was sent. Those of sounds and
# pictures are others: whoever searches keeps nobody from listening.
_ASKING, _LISTENING = 8, 2


def list_routes(service: Service, uploads: Uploads) -> list[Route]:
    """Makes them.

    Arguments
    ---------
    service : Service
        What answers.
    uploads : Uploads
        Receives what is sent.

    Returns
    -------
    list of Route
    """
    from anyio import CapacityLimiter
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    asking, listening = CapacityLimiter(_ASKING), CapacityLimiter(_LISTENING)

    async def about(request: Request) -> Response:
        return JSONResponse(await _in_thread(asking, service.about))

    async def choices(request: Request) -> Response:
        reads = request.query_params.get("read") == "true"
        return JSONResponse(await _in_thread(asking, service.choices, reads))

    async def some(request: Request) -> Response:
        wanted = Wanted.of(request.query_params)
        count = _SOME_FILTERED if wanted.is_filtered else _SOME
        return JSONResponse(await _in_thread(asking, service.some, count, wanted))

    async def search(request: Request) -> Response:
        wanted = Wanted.of(request.query_params)
        if request.method != "POST":
            return JSONResponse(await _in_thread(asking, service.search, wanted))
        async with uploads.received(request) as body:
            sent = _sent(request, body)
            found = await _if_there(request, listening, service.search, wanted, sent)
        return JSONResponse(found)

    async def tags(request: Request) -> Response:
        labels = request.query_params.get("labels", "").replace("\n", ",").split(",")
        async with uploads.received(request) as body:
            sent = _sent(request, body)
            found = await _if_there(request, listening, service.tags, sent, labels)
        return JSONResponse(found)

    async def chosen(request: Request) -> Response:
        async with uploads.received(request, _MOST_LISTED) as body:
            windows = _windows(body)
        return JSONResponse(await _in_thread(asking, service.chosen, windows))

    async def playlist(request: Request) -> Response:
        async with uploads.received(request, _MOST_LISTED) as body:
            windows = _windows(body)
        text = await _in_thread(asking, service.playlist, windows)
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


async def _in_thread(limiter: CapacityLimiter, ask: Callable, *about: Any) -> Any:
    """Who waits for one has no thread."""
    from anyio import to_thread

    return await to_thread.run_sync(ask, *about, limiter=limiter)


async def _if_there(
    request: Request, limiter: CapacityLimiter, ask: Callable, *about: Any
) -> Any:
    """The same, but for those who have left by the time that it is their turn."""
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect

    async with limiter:
        if await request.is_disconnected():
            raise ClientDisconnect
        return await run_in_threadpool(ask, *about)


def _sent(request: Request, body: bytes) -> Sent:
    """The file in a request; the parameter ``name`` is its name."""
    is_picture = request.headers.get("content-type", "").startswith("image/")
    return Sent(body, request.query_params.get("name", ""), is_picture)


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
