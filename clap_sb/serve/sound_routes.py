"""Routes to single sounds: to hear them, to see them, to take them away."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from clap_sb.data.printable import printable
from clap_sb.search.errors import SearchError
from clap_sb.serve.sound_response import SoundResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from clap_sb.serve.sounds import Sounds

_MOST_HEADERS = 100
_DRAWN_AT_ONCE = 2
# A sound's bytes never change, and so neither do its pictures.
_KEEP = {"cache-control": "private, max-age=86400"}


def sound_routes(sounds: Sounds) -> list[Route]:
    """Makes them.

    Nothing in a request is a path: a sound goes by its id in the index, which no other
    sound ever gets, and a window by its number in the sound.

    Arguments
    ---------
    sounds : Sounds
        What answers.

    Returns
    -------
    list of Route
    """
    from anyio import CapacityLimiter
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Route

    drawing = CapacityLimiter(_DRAWN_AT_ONCE)

    def headers(request: Request) -> Response:
        ids = request.query_params.get("sounds", "").split(",")[:_MOST_HEADERS]
        if not all(word.isdecimal() for word in ids):
            raise SearchError("sounds go by their numbers, with commas between")
        return JSONResponse({word: sounds.header(int(word)) for word in ids})

    def audio(request: Request) -> SoundResponse:
        playable = sounds.playable(request.path_params["sound"])
        file = FileResponse(
            playable.path,
            media_type=playable.media_type,
            content_disposition_type="inline",
        )
        return SoundResponse(file)

    def file(request: Request) -> SoundResponse:
        path = sounds.path_of(request.path_params["sound"])
        return SoundResponse(FileResponse(path, filename=printable(path.name)))

    def excerpt(request: Request) -> Response:
        name, content = sounds.excerpt(**request.path_params)
        disposition = f"attachment; filename*=utf-8''{quote(name)}"
        return Response(
            content,
            media_type="audio/wav",
            headers={"content-disposition": disposition},
        )

    async def picture(request: Request) -> Response:
        """The page names the sound's hash, too: another index may have other ids."""
        draw = sounds.picture if "window" in request.path_params else sounds.overview
        # who waits has no thread, or those of all others would be taken
        async with drawing:
            if await request.is_disconnected():  # it was scrolled by
                return Response(status_code=204)
            png = await run_in_threadpool(draw, **request.path_params)
        return Response(png, media_type="image/png", headers=_KEEP)

    return [
        Route("/api/headers", headers),
        Route("/audio/{sound:int}", audio),
        Route("/file/{sound:int}", file),
        Route("/excerpt/{sound:int}/{window:int}", excerpt),
        Route("/picture/{sound:int}", picture),
        Route("/picture/{sound:int}/{window:int}", picture),
    ]
