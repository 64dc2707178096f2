"""Who may talk to the server: the page that it served, and nobody else's."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

# As RFC 3986 (3.2.2) has it, and nothing before or behind.
_HOST = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/?#@\s\\]+))(?::[0-9]{1,5})?"
)
_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
]


def host_is_safe(host: str, names: Collection[str]) -> bool:
    """Whether a Host header cannot come from somebody else's domain.

    A page of another domain can have that domain resolve to this machine, and then
    read what a local server answers (DNS rebinding); its requests carry the domain's
    name. An address in numbers, or this machine's own name, is no such domain.

    Arguments
    ---------
    host : str
        The header, with or without a port.
    names : collection of str
        Further names that are trusted.

    Returns
    -------
    bool

    Example
    -------
    >>> [host_is_safe(h, ()) for h in ("localhost:80", "127.0.0.1", "[::1]:80")]
    [True, True, True]
    >>> host_is_safe("evil.example", ()), host_is_safe("me.example:80", ["me.example"])
    (False, True)
    """
    parts = _HOST.fullmatch(host)
    if parts is None:
        return False
    if parts["v6"] is not None:
        return _is_address(ipaddress.IPv6Address, parts["v6"])
    name = parts["name"].lower()
    trusted = {"localhost", *(name.lower() for name in names)}
    return name in trusted or _is_address(ipaddress.IPv4Address, name)


def _is_address(kind: Callable[[str], object], word: str) -> bool:
    try:
        kind(word)
    except ValueError:
        return False
    return True


def is_of_this_page(headers: Mapping[str, str]) -> bool:
    """Whether a request cannot be another site's, as far as a browser tells.

    Browsers send ``Sec-Fetch-Site`` to this machine itself and over HTTPS; over plain
    HTTP to another address they leave it out. ``Origin`` comes either way, but not with
    what a page merely embeds: such an answer is kept from it by our own headers.

    Arguments
    ---------
    headers : mapping
        The request's, by names in lower case.

    Returns
    -------
    bool

    Example
    -------
    >>> here = {"host": "192.168.1.5:8642"}
    >>> is_of_this_page(here), is_of_this_page({**here, "sec-fetch-site": "same-site"})
    (True, False)
    >>> is_of_this_page({**here, "origin": "http://192.168.1.5:8642"})
    True
    >>> is_of_this_page({**here, "origin": "http://evil.example"})
    False
    """
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()


class Guard:
    """Turns away other sites' requests, and tells browsers to be strict (ASGI).

    Arguments
    ---------
    app : callable
        The application behind it.
    names : collection of str
        Names of this machine that are trusted, beside ``localhost``.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], names: Collection[str]):
        self.app = app
        self.names = names

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        reason = self._objection(scope)
        if reason is not None:
            await _refuse(send, reason)
            return

        async def strict(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        await self.app(scope, receive, strict)

    def _objection(self, scope: dict[str, Any]) -> str | None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        host = headers.get("host", "")
        if sum(name.lower() == b"host" for name, _ in scope["headers"]) > 1:
            return "the host is named twice"
        if not host_is_safe(host, self.names):
            return f"the host {host} is not trusted: name it by --trust-host"
        # a link from elsewhere may lead to the page, and to nothing else
        if scope["path"] != "/" and not is_of_this_page(headers):
            return "this is for the page of this server only"
        return None


async def _refuse(send: Any, reason: str) -> None:
    head = {"type": "http.response.start", "status": 403}
    plain = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({**head, "headers": plain})
    await send({"type": "http.response.body", "body": reason.encode()})
