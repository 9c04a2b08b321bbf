"""Fault 27: whatever a server sends, the cache never holds a file that was not verified."""

from __future__ import annotations

import gzip
import hashlib
import logging
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from infogan.config import DataConfig
from infogan.data import load
from infogan.data.download import Mirrors, RemoteFile, cache_folder, fetch
from infogan.data.sources import mnist
from infogan.errors import DataError, StorageError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = np.arange(5, dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


CONTENTS = {
    "train-images-idx3-ubyte.gz": idx(IMAGES),
    "train-labels-idx1-ubyte.gz": idx(LABELS),
    "t10k-images-idx3-ubyte.gz": idx(IMAGES[:3]),
    "t10k-labels-idx1-ubyte.gz": idx(LABELS[:3]),
}
FILES = tuple(
    RemoteFile(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in CONTENTS.items()
)
FILE = FILES[0]
GOOD = gzip.compress(CONTENTS[FILE.name])

Behaviour = Callable[["Handler", str], None]


@dataclass
class State:
    """What the server does below each folder, and what it was asked."""

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    state: State

    def do_GET(self) -> None:
        _, folder, name = self.path.split("/", 2)
        self.state.requests.append(self.path)
        self.state.behaviours[folder](self, name)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self, body: bytes, length: int | None = None, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Connection", "close")
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def good(handler: Handler, name: str) -> None:
    handler.answer(gzip.compress(CONTENTS[name]))


def not_found(handler: Handler, name: str) -> None:
    handler.answer(b"<html>not found</html>", status=404)


def overloaded(handler: Handler, name: str) -> None:
    handler.answer(b"", status=503)


def silent(handler: Handler, name: str) -> None:
    handler.state.stop.wait(10)


def stalling(handler: Handler, name: str) -> None:
    handler.answer(GOOD[:100], length=len(GOOD))
    handler.state.stop.wait(10)


def half(handler: Handler, name: str) -> None:
    handler.answer(GOOD[: len(GOOD) // 2], length=len(GOOD))


def cut(handler: Handler, name: str) -> None:
    handler.answer(GOOD[: len(GOOD) // 2])  # and says that this is all


def flipped(handler: Handler, name: str) -> None:
    other = bytearray(CONTENTS[name])
    other[100] ^= 1
    handler.answer(gzip.compress(bytes(other)))


def bad_crc(handler: Handler, name: str) -> None:
    handler.answer(GOOD[:-8] + bytes(8))


def html(handler: Handler, name: str) -> None:
    handler.answer(b"\n<!DOCTYPE html><html>Please log in to this network</html>")


def empty(handler: Handler, name: str) -> None:
    handler.answer(b"")


def endless(handler: Handler, name: str) -> None:
    handler.answer(bytes(10**6))


def bomb(handler: Handler, name: str) -> None:
    handler.answer(gzip.compress(bytes(10**6)))


def unpacking(handler: Handler, name: str) -> None:
    """Says that the gzip is only its way of sending: clients then unpack it by themselves."""
    handler.answer(gzip.compress(CONTENTS[name]), Content_Encoding="gzip")


def unpacked(handler: Handler, name: str) -> None:
    handler.answer(CONTENTS[name])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, State]]:
    """A server on this machine: its address, and what it does."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = State()
    handler = type("BoundHandler", (Handler,), {"state": state})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}", state
    state.stop.set()
    http.shutdown()
    http.server_close()
    thread.join(5)


def mirrors(address: str, *folders: str, tries: int = 2) -> Mirrors:
    return Mirrors(tuple(f"{address}/{name}/" for name in folders), timeout=0.3, tries=tries, backoff=0.01)


def held(folder: Path) -> dict[str, bytes]:
    """Everything that the cache holds, hidden files included."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FAULTS: list[tuple[Behaviour, str, int]] = [
    (not_found, "HTTP status 404", 1),
    (overloaded, "HTTP status 503", 2),
    (silent, "timed out", 2),
    (stalling, "timed out", 2),
    (half, "IncompleteRead", 2),
    (cut, "do not decompress", 2),
    (bad_crc, "do not decompress", 2),
    (flipped, "sends another file", 1),
    (html, "sends a web page", 1),
    (empty, "sends another file: 0 bytes", 1),
    (endless, "sends more than the", 1),
    (bomb, "sends another file: more than", 1),
]
every_fault = pytest.mark.parametrize(
    ("behaviour", "reason", "tries"), FAULTS, ids=[getattr(fault[0], "__name__", "") for fault in FAULTS]
)


@every_fault
def test_a_fault_ends_in_an_error_and_an_empty_cache(
    behaviour: Behaviour, reason: str, tries: int, server: tuple[str, State], tmp_path: Path
) -> None:
    address, state = server
    state.behaviours = {"one": behaviour, "two": behaviour}
    with pytest.raises(DataError) as caught:
        mnist.read_cached(tmp_path / "cache", FILES, mirrors(address, "one", "two"))
    error = caught.value
    for folder in ("one", "two"):  # each mirror with its own reason
        line = next(
            line for line in error.happened.splitlines() if f"{address}/{folder}/{FILE.name}: " in line
        )
        assert reason in line
    assert FILE.sha256 in error.expected
    assert all(name in error.advice for name in CONTENTS)
    assert "set data.path" in error.advice
    assert held(tmp_path) == {}
    assert len(state.requests) == 2 * tries  # what cannot change is not asked for twice


@every_fault
def test_the_second_mirror_makes_up_for_the_first(
    behaviour: Behaviour, reason: str, tries: int, server: tuple[str, State], tmp_path: Path
) -> None:
    address, state = server
    state.behaviours = {"one": behaviour, "two": good}
    assert fetch(FILE, mirrors(address, "one", "two"), tmp_path, "by hand") == CONTENTS[FILE.name]
    assert held(tmp_path) == {FILE.unpacked_name: CONTENTS[FILE.name]}


def test_a_second_try_makes_up_for_the_first(server: tuple[str, State], tmp_path: Path) -> None:
    address, state = server

    def recovering(handler: Handler, name: str) -> None:
        (half if len(state.requests) == 1 else good)(handler, name)

    state.behaviours = {"one": recovering}
    assert fetch(FILE, mirrors(address, "one"), tmp_path, "by hand") == CONTENTS[FILE.name]
    assert len(state.requests) == 2


@pytest.mark.parametrize("behaviour", [good, unpacking, unpacked])
def test_a_good_server_is_asked_once_for_each_file(
    behaviour: Behaviour, server: tuple[str, State], tmp_path: Path
) -> None:
    address, state = server
    state.behaviours = {"one": behaviour}
    for _ in range(2):
        found = mnist.read_cached(tmp_path, FILES, mirrors(address, "one"))
        assert (found.train.images[..., 0] == IMAGES).all()
        assert found.test is not None
        assert found.test.labels is not None
        assert found.test.labels.tolist() == [0, 1, 2]
    assert state.requests == [f"/one/{name}" for name in CONTENTS]
    assert held(tmp_path) == {file.unpacked_name: CONTENTS[file.name] for file in FILES}


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data + b"\0"])
def test_a_file_damaged_in_the_cache_is_downloaded_anew(
    damage: Callable[[bytes], bytes],
    server: tuple[str, State],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address, state = server
    state.behaviours = {"one": good}
    path = tmp_path / FILE.unpacked_name
    path.write_bytes(damage(CONTENTS[FILE.name]))
    with caplog.at_level(logging.WARNING):
        assert fetch(FILE, mirrors(address, "one"), tmp_path, "by hand") == CONTENTS[FILE.name]
    assert f"{path} is damaged" in caplog.text
    assert path.read_bytes() == CONTENTS[FILE.name]


def test_a_damaged_file_does_not_stay_where_no_mirror_answers(
    server: tuple[str, State], tmp_path: Path
) -> None:
    address, state = server
    state.behaviours = {"one": not_found}
    (tmp_path / FILE.unpacked_name).write_bytes(b"damaged")
    with pytest.raises(DataError):
        fetch(FILE, mirrors(address, "one"), tmp_path, "by hand")
    assert held(tmp_path) == {}


def test_a_cache_that_cannot_be_written_is_named_before_any_download(
    server: tuple[str, State], tmp_path: Path
) -> None:
    address, state = server
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError) as caught:
        fetch(FILE, mirrors(address, "one"), tmp_path / "file" / "cache", "by hand")
    assert str(tmp_path / "file" / "cache") in caught.value.happened
    assert "INFOGAN_CACHE" in caught.value.advice
    assert state.requests == []


def test_a_full_disk_leaves_no_part_of_a_file(
    server: tuple[str, State], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, state = server
    state.behaviours = {"one": good}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device"):
        fetch(FILE, mirrors(address, "one"), tmp_path, "by hand")
    assert held(tmp_path) == {}


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ConnectionError"):
        fetch(FILE, mirrors("http://127.0.0.1:9", "one"), tmp_path, "by hand")


def test_load_reads_the_cache_that_the_environment_names(
    server: tuple[str, State], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, state = server
    state.behaviours = {"one": good}
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(mnist, "FILES", FILES)
    monkeypatch.setattr(mnist, "MIRRORS", mirrors(address, "one"))
    dataset = load(DataConfig(source="mnist"))
    assert dataset.train.images.shape == (5, 28, 28, 1)
    assert set(held(tmp_path / "mnist")) == {file.unpacked_name for file in FILES}
    monkeypatch.setenv("INFOGAN_CACHE", "")
    assert "infogan" in str(cache_folder())


def test_the_real_mirrors_give_up_within_a_minute() -> None:
    patience = mnist.MIRRORS
    waits = sum(patience.backoff * 2**attempt for attempt in range(patience.tries - 1))
    assert len(patience.urls) >= 2
    assert all(url.startswith("https://") and url.endswith("/") for url in patience.urls)
    assert len(patience.urls) * (patience.tries * patience.timeout + waits) < 60


def test_a_hanging_server_costs_no_more_than_timeouts(server: tuple[str, State], tmp_path: Path) -> None:
    address, state = server
    state.behaviours = {"one": silent}
    start = time.monotonic()
    with pytest.raises(DataError):
        fetch(FILE, mirrors(address, "one", tries=1), tmp_path, "by hand")
    assert time.monotonic() - start < 3
