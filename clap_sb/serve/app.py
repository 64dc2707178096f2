"""The web application: routes to the page, to answers, to sounds and pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clap_sb.data.audio import AudioError
from clap_sb.data.printable import printable
from clap_sb.search.errors import SearchError
from clap_sb.serve.guard import Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from clap_sb.serve.service import Service

PAGE = Path(__file__).parent / "page"
# A dropped file may have, in bytes.
MOST_BYTES = 100 * 2**20
_NUMBERS = {"like": int, "window": int, "k": int, "words": float}


class _TooLarge(ValueError):
    """More bytes than a dropped file may have."""


def create_app(service: Service, trusted: Collection[str] = ()) -> Callable[..., Any]:
    """Makes the application.

    Nothing in a request is a path: a sound goes by its id in the index, which no other
    sound ever gets, and a window by its number in the sound.

    Arguments
    ---------
    service : Service
        What answers.
    trusted : collection of str
        Names of this machine that requests may be made to, beside ``localhost``.

    Returns
    -------
    ASGI application
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Route
    from starlette.staticfiles import StaticFiles

    def page(request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    def about(request: Request) -> Response:
        return JSONResponse(service.about())

    async def search(request: Request) -> Response:
        words = _search_words(request)
        if request.method == "POST":
            words |= {"example": await _body(request), "is_picture": _picture(request)}
        return JSONResponse(await run_in_threadpool(service.search, **words))

    async def tags(request: Request) -> Response:
        labels = request.query_params.get("labels", "").replace("\n", ",").split(",")
        words = (await _body(request), labels, _picture(request))
        return JSONResponse(await run_in_threadpool(service.tags, *words))

    def audio(request: Request) -> Response:
        playable = service.playable(request.path_params["sound"])
        return FileResponse(
            playable.path,
            media_type=playable.media_type,
            content_disposition_type="inline",
        )

    def picture(request: Request) -> Response:
        png = service.picture(**request.path_params)
        return Response(png, media_type="image/png")

    def wrong(status: int) -> Callable[[Request, Exception], Response]:
        # an error may name a file, and an answer is text
        return lambda request, error: JSONResponse(
            {"error": printable(str(error))}, status
        )

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/api/about", about),
            Route("/api/search", search, methods=["GET", "POST"]),
            Route("/api/tags", tags, methods=["POST"]),
            Route("/audio/{sound:int}", audio),
            Route("/picture/{sound:int}/{window:int}", picture),
        ],
        exception_handlers={
            ValueError: wrong(400),
            AudioError: wrong(415),
            FileNotFoundError: wrong(404),
            OSError: wrong(415),  # no picture, or no CLIP to see it with
            _TooLarge: wrong(413),
        },
    )
    app.mount("/page", StaticFiles(directory=PAGE))
    return Guard(app, trusted)


def _search_words(request: Request) -> dict[str, Any]:
    """The parameters of a search, each of its type."""
    given = request.query_params
    words: dict[str, Any] = {"text": given.get("text", "")}
    try:
        for name, kind in _NUMBERS.items():
            if name in given:
                words[name] = kind(given[name])
    except ValueError as error:
        raise SearchError(f"a number is wrong: {error}") from None
    for name in ("fold", "every_window"):
        words[name] = given.get(name) == "true"
    return words


def _picture(request: Request) -> bool:
    """Whether what was sent is a picture."""
    return request.headers.get("content-type", "").startswith("image/")


async def _body(request: Request) -> bytes:
    """What was sent, unless it is too much."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise _TooLarge(f"a file of more than {MOST_BYTES // 2**20} MB: cut it")
        parts.append(part)
    return b"".join(parts)
