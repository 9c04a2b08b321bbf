"""onnxruntime-web, which runs networks in a browser: found in a folder, an archive, the cache, or by npm.

The package is not on the Python index, and too large to be a part of this one. Its files become part of
exported pages, so only the version whose SHA-256 sums are below is accepted.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infogan import storage
from infogan.data.download import cache_folder
from infogan.errors import InfoGANError, UsageError

VERSION = "1.30.0"
PACKAGE = "onnxruntime-web"

# The smallest build that needs neither threads nor special headers, and its WebAssembly module.
MODULE, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
_ARCHIVE = f"{PACKAGE}-{VERSION}.tgz"
_FETCH = f"npm pack {PACKAGE}@{VERSION} on any computer, then"

SHA256 = {
    MODULE: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}

_PLACES = ("", "dist", "package/dist", f"node_modules/{PACKAGE}/dist")
_SECONDS = 300  # for npm


@dataclass(frozen=True)
class Runtime:
    """The files of onnxruntime-web.

    Attributes:
        module: an ES module.
        wasm: the WebAssembly module.
    """

    module: bytes
    wasm: bytes


def find(place: Path | None, progress: Callable[[str], None]) -> Runtime:
    """Return the runtime from a folder or archive, else from the cache, else by `npm pack`.

    Args:
        place: a folder with the files, such as an unpacked npm package, or the package as .tgz file.
        progress: called with a message before something is downloaded.

    Raises:
        UsageError: it is not there, or is another version; says how to get it.
    """
    if place is not None:
        found = _from_archive(place) if place.is_file() else _from_folder(place)
        if found is None:
            raise _missing(f"{place} holds no {MODULE} and {WASM}")
        return found
    cached = cache_folder() / PACKAGE / VERSION
    found = _from_cache(cached)
    if found is None:
        found = _by_npm(progress)
        cached.parent.mkdir(parents=True, exist_ok=True)
        storage.write_folder(cached, {MODULE: found.module, WASM: found.wasm}, exactly=True)
    return found


def _from_cache(folder: Path) -> Runtime | None:
    try:
        return _checked(storage.read_folder(folder), str(folder)) if folder.is_dir() else None
    except InfoGANError:  # damaged: fetch it again
        storage.remove_folder(folder)
        return None


def _from_folder(folder: Path) -> Runtime | None:
    for place in _PLACES:
        inside = folder / place
        if all((inside / name).is_file() for name in SHA256):
            return _checked({name: (inside / name).read_bytes() for name in SHA256}, str(inside))
    return None


def _from_archive(archive: Path) -> Runtime | None:
    """Return the runtime of an npm package; nothing else in the archive is read."""
    files = {}
    try:
        with tarfile.open(archive) as package:
            for name in SHA256:
                member = package.extractfile(f"package/dist/{name}")
                if member is not None:
                    files[name] = member.read()
    except (tarfile.TarError, KeyError, OSError, EOFError):
        return None
    return _checked(files, str(archive)) if len(files) == len(SHA256) else None


def _by_npm(progress: Callable[[str], None]) -> Runtime:
    npm = shutil.which("npm")
    if npm is None:
        raise _missing("npm is not installed")
    progress(f"export: npm pack {PACKAGE}@{VERSION}, once")
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent"],
                cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _missing(f"npm pack failed: {error}") from None
        archives = sorted(Path(folder).glob("*.tgz"))
        found = _from_archive(archives[0]) if archives else None
        if found is None:
            reason = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0]
            raise _missing(f"npm pack failed: {reason}")
        return found


def _checked(files: dict[str, bytes], place: str) -> Runtime:
    for name, expected in SHA256.items():
        found = hashlib.sha256(files.get(name, b"")).hexdigest()
        if found != expected:
            raise UsageError(
                f"{place}: {name} is not that of {PACKAGE} {VERSION} (sha256 {found[:12]})",
                f"{PACKAGE} {VERSION}, sha256 {expected[:12]}",
                f"{_FETCH} runtime='{_ARCHIVE}'",
                command=f"{_FETCH} --runtime {_ARCHIVE}",
            )
    return Runtime(files[MODULE], files[WASM])


def _missing(happened: str) -> UsageError:
    return UsageError(
        f"the page needs {PACKAGE}: {happened}",
        f"a folder or .tgz file of {PACKAGE} {VERSION}, or npm",
        f"{_FETCH} runtime='{_ARCHIVE}'",
        command=f"{_FETCH} --runtime {_ARCHIVE}",
    )
