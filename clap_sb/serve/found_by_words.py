"""Hits from a server that runs, for `clap-sb search`: who asks, and who answers.

Both show that they have the key of the server's note, and it is never sent: whoever
else reaches the port learns nothing here that the page would not tell, and a stranger
on the port is not believed.
"""

from __future__ import annotations

import hmac
import http.client
import json
import os
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clap_sb.search.formats import as_data
from clap_sb.search.hits import Hit
from clap_sb.serve.running import Running, find_running

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from clap_sb.serve.service import Service
    from clap_sb.serve.uploads import Uploads

PATH = "/api/found"
_PATIENCE = 20.0  # seconds; loading the model takes less
_MOST_BYTES = 2**20
_NONCE, _PROOF = "x-clap-sb-nonce", "x-clap-sb-proof"


class Asked:
    """Asks the server of an index, as long as it answers.

    Arguments
    ---------
    index : str or path-like
        The index.
    device : str
        Where the model is to be, by any of its names: another gives other bits.
    """

    def __init__(self, index: str | os.PathLike, device: str):
        self._running = find_running(index, device)

    def find(self, texts: Sequence[str], **how: Any) -> tuple[str, list[Hit]] | None:
        """Finds what `Searcher.find` would.

        Arguments
        ---------
        texts : sequence of str
            What is to be heard.
        **how : Any
            `weights`, `k`, `every_window` and `fold` of it.

        Returns
        -------
        (str, list of Hit) or None
            The model in words, and the hits; None if there is no such server, or it
            has no answer: whoever asked finds the reason by searching themselves.
        """
        if self._running is None:
            return None
        try:
            answer = _sent(self._running, json.dumps({"texts": texts, **how}).encode())
            hits = [_hit(fields) for fields in answer["hits"]]
            return answer["model"], hits
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            self._running = None
            return None


def _sent(running: Running, question: bytes) -> Any:
    nonce = secrets.token_hex(16)
    connection = http.client.HTTPConnection(running.host, running.port, _PATIENCE)
    try:
        proof = running.proof("question", nonce, question)
        connection.request("POST", PATH, question, {_NONCE: nonce, _PROOF: proof})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    shown = answer.headers.get(_PROOF, "")
    if not _is_same(shown, running.proof("answer", nonce, content)):
        raise ValueError("it is another server")
    if answer.status != 200:
        raise ValueError("it has no answer")
    return json.loads(content)


def _hit(fields: dict[str, Any]) -> Hit:
    folded = tuple(map(_hit, fields.pop("folded")))
    lists = {name: tuple(fields.pop(name)) for name in ("copies", "similar")}
    return Hit(**fields, **lists, folded=folded)


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def found_route(service: Service, running: Running, uploads: Uploads) -> Route:
    """Makes the route that answers it.

    Arguments
    ---------
    service : Service
        What finds.
    running : Running
        What was announced.
    uploads : Uploads
        Receives what is sent.

    Returns
    -------
    Route
    """
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import Response
    from starlette.routing import Route

    def answered(status: int, content: bytes, nonce: str) -> Response:
        proof = running.proof("answer", nonce, content)
        return Response(content, status, {_PROOF: proof}, "application/json")

    async def found(request: Request) -> Response:
        nonce = request.headers.get(_NONCE, "")
        async with uploads.received(request, _MOST_BYTES) as question:
            pass
        proof = running.proof("question", nonce, question)
        if not _is_same(request.headers.get(_PROOF, ""), proof):
            return Response("this is for this machine's `clap-sb search`", 403)
        asked = json.loads(question)
        try:
            model, hits = await run_in_threadpool(service.found, **asked)
        except (ValueError, OSError) as error:
            told = json.dumps({"error": str(error)})
            return answered(400, told.encode(), nonce)
        answer = {"model": model, "hits": [as_data(hit, "score") for hit in hits]}
        # ASCII: names of files need not be valid Unicode
        return answered(200, json.dumps(answer).encode(), nonce)

    return Route(PATH, found, methods=["POST"])
