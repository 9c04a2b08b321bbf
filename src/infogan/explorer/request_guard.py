"""Checks of every request before it reaches a handler: who asks, how much, how often and for how long.

A page of another origin cannot use the explorer: its name must be in the Host header, which stops DNS
rebinding, and a request that another page makes the browser send has the other page's Origin.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import time
from dataclasses import dataclass, field

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-infogan-token"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Attributes:
        body: most bytes of a request; a picture that is dropped in is the largest.
        url: most bytes of a path with its query.
        rate: most requests per second, on average.
        burst: most requests at once beyond the average.
        waiting: most requests that are handled at the same time.
        body_seconds: most seconds until a body has arrived.
        seconds: most seconds for a whole request.
    """

    body: int = 20_000_000
    url: int = 4_000
    rate: float = 200.0
    burst: int = 400
    waiting: int = 24
    body_seconds: float = 10.0
    seconds: float = 30.0


@dataclass
class Guard:
    """ASGI middleware with these checks.

    Args:
        app: the application.
        hosts: names and addresses that the Host header may have, in lower case.
        port: the port of the server.
        token: required in the header X-Infogan-Token of every request under /api; None: none is required.
        any_address: the server listens on all addresses: an IP address in the Host header is accepted.
        limits: limits of requests.
    """

    app: ASGIApp
    hosts: frozenset[str]
    port: int
    token: str | None = None
    any_address: bool = False
    limits: Limits = field(default_factory=Limits)
    _allowance: float = 0.0
    _checked: float = float("-inf")  # long ago: the first requests have the whole allowance
    _active: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with an error."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # no handler supports WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await _answer(*refusal)(scope, receive, send)
            return
        self._active += 1
        try:
            await self._limited(scope, receive, send)
        finally:
            self._active -= 1

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Return the status and the reason with which a request is refused before its body is read."""
        headers = _headers(scope)
        if not self._known_host(headers.get("host", "")):
            return 403, "unknown Host"
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{headers['host']}", f"https://{headers['host']}"):
            return 403, "another Origin"
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "method not allowed"
        if len(scope["path"]) + len(scope["query_string"]) > self.limits.url:
            return 414, "the address is too long"
        if scope["path"].startswith("/api") and self.token is not None:
            given = headers.get(TOKEN_HEADER, "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return 401, "the token is missing or wrong: open the address that infogan explore printed"
        return self._overload(headers)

    def _overload(self, headers: dict[str, str]) -> tuple[int, str] | None:
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self.limits.body:
            return 413, f"over {self.limits.body:,} bytes"
        if self._active >= self.limits.waiting:
            return 503, "too many requests at once"
        now = time.monotonic()
        gained = (now - self._checked) * self.limits.rate
        self._allowance = (
            min(self.limits.burst, self._allowance + gained) if self._checked else 1.0 * (self.limits.burst)
        )
        self._checked = now
        if self._allowance < 1:
            return 429, f"over {self.limits.rate:g} requests a second"
        self._allowance -= 1
        return None

    def _known_host(self, host: str) -> bool:
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]"):  # no port: that of http
            name, port = host, "80"
        name = name.strip("[]").lower()
        if port != str(self.port):
            return False
        if name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body within the limits, then run the handler within its time."""
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                body = await self._body(receive)
        except TimeoutError:
            await _answer(408, "the body did not arrive in time")(scope, receive, send)
            return
        if body is None:
            await _answer(413, f"over {self.limits.body:,} bytes")(scope, receive, send)
            return
        started = False

        async def observed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(self.limits.seconds):
                await self.app(scope, _replayed(body, receive), observed)
        except TimeoutError:
            if not started:
                await _answer(503, "the request took too long")(scope, receive, send)

    async def _body(self, receive: Receive) -> bytes | None:
        """Return the body, or None as soon as it is over the limit."""
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(parts)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self.limits.body:
                return None
            if not message.get("more_body", False):
                return b"".join(parts)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _answer(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that yields a body that was read already."""
    done = False

    async def replay() -> Message:
        nonlocal done
        if done:
            return await receive()
        done = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(send: Send) -> Send:
    added = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending
