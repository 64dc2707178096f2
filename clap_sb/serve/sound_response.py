"""A file as the answer to a request, also where it is cut while it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.responses import FileResponse


class SoundResponse:
    """A file; one that turns out shorter than it was is broken off, and not ended.

    Who asked sees then that something is missing, and the server says so in a line.

    Arguments
    ---------
    file : FileResponse
        The file.
    """

    def __init__(self, file: FileResponse):
        self._file = file

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Sends it."""
        promised, sent = 0, 0

        async def counted(message: dict[str, Any]) -> None:
            nonlocal promised, sent
            if message["type"] == "http.response.start" and scope["method"] != "HEAD":
                promised = int(dict(message["headers"])[b"content-length"])
            sent += len(message.get("body", b""))
            if not message.get("more_body", False) and sent < promised:
                message = {**message, "more_body": True}
            await send(message)

        await self._file(scope, receive, counted)
