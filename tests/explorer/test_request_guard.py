"""What is refused before a request reaches a handler."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from infogan.explorer.request_guard import Guard, Limits

PORT = 8420
HOME = f"http://127.0.0.1:{PORT}"


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


async def _slow(_: Request) -> PlainTextResponse:
    await asyncio.sleep(60)
    return PlainTextResponse("late")


def client(base: str = HOME, **settings: Any) -> TestClient:
    routes = [
        Route("/api/echo", _echo, methods=["GET", "POST"]),
        Route("/api/slow", _slow),
        Route("/", _echo),
    ]
    hosts = frozenset({"127.0.0.1", "localhost", "::1"})
    guard = Guard(Starlette(routes=routes), hosts, PORT, **settings)
    return TestClient(guard, base_url=base)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_this_computer_is_let_in_by_all_of_its_names(host: str) -> None:
    assert client().get("/", headers={"Host": f"{host}:{PORT}"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8420",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1.evil.example:8420",
        "localhost:8420@evil",
        "",
        "10.0.0.1:8420",
    ],
)
def test_an_unknown_host_is_refused(host: str) -> None:
    assert client().get("/", headers={"Host": host}).status_code == 403


def test_a_request_of_another_page_is_refused() -> None:
    for origin in (
        "http://evil.example",
        "null",
        f"http://localhost.evil.example:{PORT}",
        "http://127.0.0.1:9999",
    ):
        assert client().post("/api/echo", headers={"Origin": origin}).status_code == 403
    assert client().post("/api/echo", headers={"Origin": HOME}).status_code == 200


def test_a_token_is_needed_for_everything_but_the_page() -> None:
    guarded = client(token="secret")
    assert guarded.get("/").status_code == 200
    assert guarded.get("/api/echo").status_code == 401
    assert guarded.get("/api/echo", headers={"X-Infogan-Token": "guess"}).status_code == 401
    assert guarded.get("/api/echo", headers={"X-Infogan-Token": "schlüssel".encode()}).status_code == 401
    assert guarded.get("/api/echo", headers={"X-Infogan-Token": "secret"}).status_code == 200


def test_an_address_is_known_where_the_server_listens_on_all() -> None:
    guarded = client(any_address=True)
    assert guarded.get("/", headers={"Host": f"192.168.1.7:{PORT}"}).status_code == 200
    assert guarded.get("/", headers={"Host": f"evil.example:{PORT}"}).status_code == 403


def test_a_body_over_the_limit_is_refused_also_without_its_length() -> None:
    guarded = client(limits=Limits(body=100))
    assert guarded.post("/api/echo", content=b"x" * 100).status_code == 200
    assert guarded.post("/api/echo", content=b"x" * 101).status_code == 413
    assert guarded.post("/api/echo", content=(b"x" * 50 for _ in range(100))).status_code == 413


def test_a_false_length_is_refused() -> None:
    for length in ("-1", "a", "1e3"):
        assert client().post("/api/echo", headers={"Content-Length": length}).status_code in (400, 413)


def test_too_many_requests_are_refused_and_later_ones_are_not() -> None:
    guarded = client(limits=Limits(rate=50, burst=3))
    statuses = [guarded.get("/").status_code for _ in range(20)]
    assert statuses[:3] == [200] * 3 and 429 in statuses
    time.sleep(0.1)
    assert guarded.get("/").status_code == 200


def test_a_request_that_takes_too_long_is_ended() -> None:
    assert client(limits=Limits(seconds=0.05)).get("/api/slow").status_code == 503


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/api/echo", "query_string": b"",
        "headers": [(b"host", f"127.0.0.1:{PORT}".encode())],
    }  # fmt: skip
    guard = Guard(Starlette(), frozenset({"127.0.0.1"}), PORT, limits=Limits(body_seconds=0.05))
    asyncio.run(guard(scope, never, send))
    assert sent[0]["status"] == 408


def test_other_methods_and_long_addresses_are_refused() -> None:
    assert client().delete("/api/echo").status_code == 405
    assert client().get("/", params={"x": "y" * 5000}).status_code == 414


def test_every_answer_forbids_scripts_of_others() -> None:
    for answer in (client().get("/"), client().get("/nothing"), client().get("/", headers={"Host": "evil"})):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
