"""The web application: routes to the page, to answers, to sounds and pictures."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clap_sb.data.audio import AudioError
from clap_sb.data.printable import printable
from clap_sb.search.own_folders import NotOwnError
from clap_sb.serve.found_by_words import found_route
from clap_sb.serve.guard import Guard
from clap_sb.serve.list_routes import list_routes
from clap_sb.serve.sound_routes import sound_routes
from clap_sb.serve.uploads import UploadRefused, Uploads
from clap_sb.whole_file import WriteError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from clap_sb.serve.running import Running
    from clap_sb.serve.service import Service

PAGE = Path(__file__).parent / "page"


def create_app(
    service: Service, trusted: Collection[str] = (), running: Running | None = None
) -> Callable[..., Any]:
    """Makes the application.

    Arguments
    ---------
    service : Service
        What answers.
    trusted : collection of str
        Names of this machine that requests may be made to, beside ``localhost``.
    running : Running, optional
        What is announced to `clap-sb search`, which is not answered without.

    Returns
    -------
    ASGI application
    """
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect
    from starlette.responses import FileResponse, JSONResponse, Response
    from starlette.routing import Route
    from starlette.staticfiles import StaticFiles

    def page(request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    def wrong(status: int) -> Callable[[Request, Exception], Response]:
        # an error may name a file, and an answer is text
        return lambda request, error: JSONResponse(
            {"error": printable(str(error))}, status
        )

    def refused(request: Request, error: UploadRefused) -> Response:
        later = {"retry-after": "5"} if error.status in (429, 503) else None
        return JSONResponse({"error": str(error)}, error.status, later)

    def left(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # which nobody is there to read

    uploads = Uploads()
    routes = [Route("/", page), *list_routes(service, uploads)]
    routes += sound_routes(service.sounds)
    if running is not None:
        routes.append(found_route(service, running, uploads))
    app = Starlette(
        routes=routes,
        exception_handlers={
            ValueError: wrong(400),
            AudioError: wrong(415),
            FileNotFoundError: wrong(404),
            NotOwnError: wrong(403),
            OSError: wrong(415),  # no picture, or no CLIP to see it with
            WriteError: wrong(507),  # no room for a copy
            UploadRefused: refused,
            ClientDisconnect: left,
        },
    )
    app.mount("/page", StaticFiles(directory=PAGE))
    return Guard(app, trusted)
