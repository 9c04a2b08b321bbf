"""Run the explorer's server: find a port, print the address, open the browser, end at Ctrl-C."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from infogan.errors import UsageError
from infogan.explorer.address import FIRST_PORT, Address
from infogan.explorer.request_guard import Guard

_TRIED = 20
_HEAD_SECONDS = 10.0

Announce = Callable[[str], None]


def serve(
    application: Starlette,
    address: Address,
    *,
    announce: Announce,
    open_browser: bool = True,
    started: Callable[[uvicorn.Server, str], None] | None = None,
) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Args:
        application: from `Service.application`.
        address: where to listen.
        announce: called with the address of the page.
        open_browser: open the page in the user's browser, if there is one.
        started: called with the server and the address before it starts; `should_exit = True` ends it.

    Raises:
        UsageError: the port is in use, or the host is not an address of this computer.
    """
    listener = _listen(address)
    port = listener.getsockname()[1]
    token = None if address.local else secrets.token_urlsafe(16)
    hosts = {"127.0.0.1", "localhost", "::1"} if address.local else {address.host.lower()}
    if address.everywhere:
        hosts |= {"localhost", socket.gethostname().lower(), socket.getfqdn().lower()}
    guarded = Guard(application, frozenset(hosts), port, token, any_address=address.everywhere)
    shown = socket.gethostname() if address.everywhere else address.host
    url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/" + (f"#token={token}" if token else "")
    server = uvicorn.Server(
        uvicorn.Config(
            guarded,
            log_level="error",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            http=_ImpatientProtocol,
            limit_concurrency=64,
            timeout_keep_alive=10,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=16_384,
        )
    )
    announce(url)
    if started is not None:
        started(server, url)
    if open_browser:
        Thread(target=_open, args=(url,), daemon=True).start()
    with listener:
        server.run(sockets=[listener])


class _ImpatientProtocol(H11Protocol):
    """Closes a connection that does not complete its request header in time, since it occupies a slot."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(_HEAD_SECONDS, self._close_silent)

    def _close_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


def _open(url: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(url)


def _listen(address: Address) -> socket.socket:
    """Return a listening socket. Only the default port is replaced by the next free one."""
    ports = range(FIRST_PORT, FIRST_PORT + _TRIED) if address.port is None else [address.port]
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    for port in ports:
        # asyncio sets TCP_NODELAY only where the protocol is named; without it, every answer waits 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address.host, port))
            listener.listen(64)
            return listener
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise _unusable(address, error) from None
        except OverflowError:
            listener.close()
            raise _unusable(address, OSError("a port is a number from 0 to 65535")) from None
    raise UsageError(
        f"port {ports[0]} of {address.host} is in use" if len(ports) == 1 else "20 ports are in use",
        "a free port",
        f"port={_free_port(address)}",
        command=f"--port {_free_port(address)}",
    )


def _unusable(address: Address, error: OSError) -> UsageError:
    return UsageError(
        f"cannot listen on {address.host} port {address.port or FIRST_PORT}: {error.strerror or error}",
        "an address of this computer and a port that this user may use",
        "host='127.0.0.1' and no port",
        command="infogan explore RUN, without --host and --port",
    )


def _free_port(address: Address) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
