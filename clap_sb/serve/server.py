"""Runs the application on a socket."""

from __future__ import annotations

import logging
import socket
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path

from clap_sb.search.errors import SearchError
from clap_sb.search.searcher import Searcher
from clap_sb.serve.app import create_app
from clap_sb.serve.patience import Patience
from clap_sb.serve.running import Running, announce, withdraw
from clap_sb.serve.service import Service

logger = logging.getLogger(__name__)

# Fewer than the files that a process may have open.
_MOST_CONNECTIONS = 500


def bind(host: str, port: int) -> socket.socket:
    """Takes a port.

    Arguments
    ---------
    host : str
        Address of this machine to be reached by.
    port : int
        0 for any that is free.

    Returns
    -------
    socket.socket

    Raises
    ------
    SearchError
        If it is in use, or is not ours to take.

    Example
    -------
    >>> with bind("127.0.0.1", 0) as taken:
    ...     taken.getsockname()[0]
    '127.0.0.1'
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise SearchError(
            f"{host}:{port} cannot be listened on ({error.strerror or error}): name "
            "another --port, or 0 for one that is free"
        ) from None
    return taken


def url_of(taken: socket.socket) -> str:
    """The page's address.

    Arguments
    ---------
    taken : socket.socket
        From :func:`bind`.

    Returns
    -------
    str
    """
    host, port = taken.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(
    searcher: Searcher,
    taken: socket.socket,
    trusted: Collection[str] = (),
    on_ready: Callable[[], object] = lambda: None,
    play_from: Collection[str] = (),
) -> None:
    """Answers until it is interrupted.

    Arguments
    ---------
    searcher : Searcher
        The index and its model.
    taken : socket.socket
        From :func:`bind`.
    trusted : collection of str
        See :func:`~clap_sb.serve.app.create_app`.
    on_ready : callable
        Called once requests are answered.
    play_from : collection of str
        See :class:`~clap_sb.serve.service.Service`.
    """
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    index = searcher.index.store.folder.absolute()
    running = Running.of(taken.getsockname()[:2], str(searcher.clap.device))

    class Protocol(Patience, H11Protocol):
        """By h11 in any case, which bounds the head of a request."""

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            try:
                announce(index, running)
            except OSError as error:  # the page is answered all the same
                logger.warning("`clap-sb search` will not find this server: %s", error)
            on_ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # here: after a SIGTERM nothing that comes later is run
            withdraw(index, running)
            await super().shutdown(sockets)

    with tempfile.TemporaryDirectory(prefix="clap-sb-") as folder:
        service = Service(searcher, Path(folder), play_from)
        app = create_app(service, trusted, running)
        config = uvicorn.Config(
            app,
            log_level="warning",
            lifespan="off",
            http=Protocol,
            ws="none",
            limit_concurrency=_MOST_CONNECTIONS,
        )
        Server(config).run(sockets=[taken])
