"""The server: its port, its address, its token, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from infogan import explorer
from infogan.errors import UsageError
from infogan.explorer import serving
from infogan.explorer.address import FIRST_PORT, Address


async def _hello(_: Any) -> PlainTextResponse:
    return PlainTextResponse("hello")


@contextmanager
def served(address: Address) -> Iterator[str]:
    """Serve in a thread of its own; yield the printed address."""
    urls: list[str] = []
    servers: list[Any] = []
    application = Starlette(routes=[Route("/api/hello", _hello)])
    thread = Thread(
        target=serving.serve,
        args=(application, address),
        kwargs={"announce": urls.append, "open_browser": False, "started": lambda s, _: servers.append(s)},
    )
    thread.start()
    deadline = time.monotonic() + 30
    while not (servers and servers[0].started) and time.monotonic() < deadline:
        time.sleep(0.02)
    yield urls[0]
    servers[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()


def test_the_next_free_port_is_used() -> None:
    with served(Address()) as first, served(Address()) as second:
        ports = [int(url.rsplit(":", 1)[1].strip("/")) for url in (first, second)]
        assert FIRST_PORT <= ports[0] < ports[1]
        for url in (first, second):
            assert httpx.get(f"{url}api/hello").text == "hello"


def test_a_given_port_in_use_is_refused_with_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} of 127.0.0.1 is in use") as raised:
            serving.serve(Starlette(), Address(port=port), announce=print, open_browser=False)
    assert "--port" in raised.value.for_command_line


def test_an_address_of_another_computer_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"):
        serving.serve(Starlette(), Address("192.0.2.1"), announce=print, open_browser=False)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("192.168.1.7", False)],
)
def test_only_a_loopback_address_is_local(host: str, local: bool) -> None:
    assert Address(host).local is local


def test_without_a_local_address_a_token_is_needed() -> None:
    with served(Address("0.0.0.0")) as url:
        base, _, token = url.partition("#token=")
        port = int(base.rsplit(":", 1)[1].strip("/"))
        hello = f"http://127.0.0.1:{port}/api/hello"
        assert len(token) >= 20
        assert httpx.get(hello).status_code == 401
        assert httpx.get(hello, headers={"X-Infogan-Token": token}).text == "hello"


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UsageError, match="needs starlette and uvicorn") as raised:
        explorer.session.check_installed()
    assert "pip install 'infogan[explore]'" in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_command(trained: Path, number: int) -> None:
    command = [sys.executable, "-m", "infogan", "explore", str(trained), "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stderr is not None
        assert "http://127.0.0.1:" in process.stderr.readline()
        time.sleep(0.5)
        process.send_signal(number)
        assert process.wait(30) == 0
        assert "Traceback" not in process.stderr.read()
