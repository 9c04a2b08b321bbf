from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from infogan.errors import UsageError
from infogan.export import web_runtime

FILES = {web_runtime.MODULE: b"export {};", web_runtime.WASM: b"\0asm"}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The runtime of these tests is a few bytes; nothing is in the cache, and npm is not installed."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(web_runtime, "SHA256", sums)
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def write_package(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as package:
        for name, content in {"package.json": b"{}", **files}.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            package.addfile(member, io.BytesIO(content))
    return path


def write_npm(folder: Path, script: str) -> None:
    """Write a stand-in for npm, which packs what a test says."""
    folder.mkdir(exist_ok=True)
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)


def no_messages(text: str) -> None:
    raise AssertionError(text)


@pytest.mark.parametrize("place", ["", "dist", "package/dist", "node_modules/onnxruntime-web/dist"])
def test_the_runtime_is_found_in_the_usual_folders(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "runtime" / place
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    found = web_runtime.find(tmp_path / "runtime", no_messages)
    assert (found.module, found.wasm) == tuple(FILES.values())


def test_the_runtime_is_read_from_the_package_that_npm_packs(tmp_path: Path) -> None:
    package = write_package(tmp_path / "ort.tgz", FILES)
    assert web_runtime.find(package, no_messages).wasm == FILES[web_runtime.WASM]


def test_npm_packs_the_fixed_version_once_and_the_cache_has_it_afterwards(tmp_path: Path) -> None:
    write_package(tmp_path / "ort.tgz", FILES)
    log = tmp_path / "log"
    write_npm(tmp_path / "bin", f'echo "$@" >> {log}; /bin/cp {tmp_path}/ort.tgz .')
    messages: list[str] = []
    for _ in range(2):
        assert web_runtime.find(None, messages.append).module == FILES[web_runtime.MODULE]
    assert log.read_text() == f"pack onnxruntime-web@{web_runtime.VERSION} --silent\n"
    assert len(messages) == 1


def test_a_damaged_cache_is_fetched_again(tmp_path: Path) -> None:
    write_package(tmp_path / "ort.tgz", FILES)
    write_npm(tmp_path / "bin", f"/bin/cp {tmp_path}/ort.tgz .")
    web_runtime.find(None, lambda _: None)
    (cached,) = (tmp_path / "cache").rglob(web_runtime.WASM)
    cached.write_bytes(b"x")
    assert web_runtime.find(None, lambda _: None).wasm == FILES[web_runtime.WASM]


def test_another_version_is_refused(tmp_path: Path) -> None:
    package = write_package(tmp_path / "ort.tgz", {**FILES, web_runtime.MODULE: b"alert(1)"})
    with pytest.raises(UsageError, match=r"ort.wasm.bundle.min.mjs is not that of onnxruntime-web"):
        web_runtime.find(package, no_messages)


def test_without_npm_the_error_says_how_to_get_the_runtime() -> None:
    with pytest.raises(UsageError, match=r"npm is not installed") as caught:
        web_runtime.find(None, no_messages)
    assert f"npm pack onnxruntime-web@{web_runtime.VERSION} on any computer" in str(caught.value)
    assert f"--runtime onnxruntime-web-{web_runtime.VERSION}.tgz" in caught.value.for_command_line


def test_npm_without_a_network_is_reported(tmp_path: Path) -> None:
    write_npm(tmp_path / "bin", "echo 'npm error code ENOTFOUND' >&2; exit 1")
    with pytest.raises(UsageError, match="npm pack failed: npm error code ENOTFOUND"):
        web_runtime.find(None, lambda _: None)


@pytest.mark.parametrize("content", [b"", b"not an archive"])
def test_a_file_that_is_no_package_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tgz").write_bytes(content)
    with pytest.raises(UsageError, match=r"x.tgz holds no ort.wasm"):
        web_runtime.find(tmp_path / "x.tgz", no_messages)
    assert os.listdir(tmp_path) == ["x.tgz"]
