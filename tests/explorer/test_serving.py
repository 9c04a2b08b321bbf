"""The server: its port, its address, its token, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
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
from tests.explorer.conftest import served


async def _hello(_: Any) -> PlainTextResponse:
    return PlainTextResponse("hello")


HELLO = Starlette(routes=[Route("/api/hello", _hello)])


def test_the_next_free_port_is_used() -> None:
    with served(HELLO, Address()) as first, served(HELLO, Address()) as second:
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
    with served(HELLO, Address("0.0.0.0")) as url:
        base, _, token = url.partition("#token=")
        port = int(base.rsplit(":", 1)[1].strip("/"))
        hello = f"http://127.0.0.1:{port}/api/hello"
        assert len(token) >= 20
        assert httpx.get(hello).status_code == 401
        assert httpx.get(hello, headers={"X-Infogan-Token": token}).text == "hello"


def test_many_requests_at_once_leave_the_server_alive() -> None:
    with served(HELLO, Address()) as url, ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: httpx.get(f"{url}api/hello", timeout=30).status_code, range(100)))
        assert set(answers) <= {200, 429, 503} and 200 in answers
        assert httpx.get(f"{url}api/hello").status_code == 200


def test_a_large_body_is_refused_before_it_is_read() -> None:
    with (
        served(HELLO, Address()) as url,
        socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as client,
    ):
        head = f"POST /api/hello HTTP/1.1\r\nHost: 127.0.0.1:{httpx.URL(url).port}\r\n"
        client.sendall(f"{head}Content-Length: 1000000000\r\n\r\n".encode())
        client.settimeout(10)
        assert b" 413 " in client.recv(1000)


def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_HEAD_SECONDS", 0.1)
    with (
        served(HELLO, Address()) as url,
        socket.create_connection(("127.0.0.1", httpx.URL(url).port)) as client,
    ):
        client.sendall(b"GET / HT")
        client.settimeout(10)
        assert client.recv(1000) == b""


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
