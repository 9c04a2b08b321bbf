"""Downloads with mirrors, retries and checksums. The cache contains only verified files.

A file is verified by the sha256 of its decompressed bytes, because mirrors compress the same data differently
and some servers decompress it. These bytes are stored, decompressed, in the cache.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import logging
import os
import secrets
import textwrap
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infogan.errors import DataError, StorageError

with warnings.catch_warnings():
    # In a notebook without ipywidgets, tqdm warns that it has no bar; infogan uses none of pooch's bars.
    warnings.simplefilter("ignore")
    import pooch

log = logging.getLogger(__name__)

CACHE_VARIABLE = "INFOGAN_CACHE"
"""Environment variable with the path of the cache folder."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that is the same on every mirror.

    Attributes:
        name: on the mirrors, for example "train-images-idx3-ubyte.gz".
        sha256: of the decompressed bytes, in hex.
        size: of the decompressed file in bytes; no more is read.
    """

    name: str
    sha256: str
    size: int

    @property
    def unpacked_name(self) -> str:
        """Name of the file in the cache."""
        return self.name.removesuffix(".gz")


@dataclass(frozen=True)
class Mirrors:
    """Addresses of files, with timeouts and retries.

    With the defaults, two mirrors that do not respond cost less than a minute.

    Attributes:
        urls: folders, each ending in a slash, tried in order.
        timeout: seconds without a byte after which a request fails.
        tries: requests to one mirror, if the failure may be temporary.
        backoff: seconds before the second try, doubled for each further one.
    """

    urls: tuple[str, ...]
    timeout: float = 10.0
    tries: int = 2
    backoff: float = 1.0


def cache_folder() -> Path:
    """Return the cache folder: INFOGAN_CACHE if it is set, else the platform's default.

    Raises:
        StorageError: there is no default, because the user has no home folder.
    """
    named = os.environ.get(CACHE_VARIABLE)
    try:
        return Path(named).expanduser() if named else Path(pooch.os_cache("infogan"))
    except (RuntimeError, KeyError) as error:  # HOME is not set, and the user is not listed
        raise StorageError(
            f"there is no folder for the cache: {error}",
            f"a home folder, or the environment variable {CACHE_VARIABLE}",
            f"{CACHE_VARIABLE}=FOLDER in front of the command",
        ) from None


def fetch(file: RemoteFile, mirrors: Mirrors, folder: Path, by_hand: str) -> bytes:
    """Return the verified, decompressed bytes of a file: from `folder`, else downloaded and stored there.

    A damaged file in the folder is removed, with a warning, and downloaded again.

    Args:
        file: the file to fetch.
        mirrors: the servers to download it from.
        folder: of the cache; created if it is missing.
        by_hand: the error's advice: what a user can do without the download.

    Raises:
        DataError: no mirror provided the file; with each address and reason.
        StorageError: the folder cannot be written.
    """
    path = folder / file.unpacked_name
    cached = _read_cached(file, path)
    if cached is not None:
        return cached
    with _storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    failures: list[str] = []
    for url in (base + file.name for base in mirrors.urls):
        try:
            data = _from_mirror(file, url, mirrors)
        except _DownloadError as failure:
            log.warning("%s: %s", url, failure)
            failures.append(f"\n    {url}: {failure}")
        else:
            _store(path, data)
            return data
    raise DataError(
        f"could not download {file.name}:" + "".join(failures),
        f"a file of {file.size} bytes, decompressed, with the sha256 {file.sha256}",
        by_hand,
    )


class _DownloadError(Exception):
    """A failed download; `temporary` if another try may succeed."""

    def __init__(self, reason: str, *, temporary: bool = False) -> None:
        super().__init__(reason)
        self.temporary = temporary


class _Sink(io.BytesIO):
    """Stores a download in memory, up to the largest size that the file can have."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, chunk: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(chunk) > self.most:
            raise _DownloadError(f"sends more than the {self.most} bytes that the file can have")
        return super().write(chunk)


def _from_mirror(file: RemoteFile, url: str, mirrors: Mirrors) -> bytes:
    """Return the verified bytes from one mirror, after up to `mirrors.tries` requests."""
    for attempt in range(1, mirrors.tries + 1):
        log.info("downloading %s", url)
        try:
            return _verify(file, _download(url, file, mirrors.timeout))
        except _DownloadError as failure:
            if not failure.temporary or attempt == mirrors.tries:
                raise
        time.sleep(mirrors.backoff * 2 ** (attempt - 1))
    raise _DownloadError("no request was made: tries = 0")


def _download(url: str, file: RemoteFile, timeout: float) -> bytes:
    # gzip makes incompressible data a little longer.
    sink = _Sink(file.size + file.size // 1000 + 1024)
    try:
        pooch.HTTPDownloader(timeout=timeout)(url, sink, None)
    except OSError as error:  # all errors of requests, pooch's client, are of this kind
        status = getattr(getattr(error, "response", None), "status_code", None)
        # 4xx is final, except for "timed out" and "too many requests".
        temporary = status is None or status >= 500 or status in (408, 429)
        reason = f"HTTP status {status}" if status else f"{type(error).__name__}: {error}"
        raise _DownloadError(textwrap.shorten(reason, 200), temporary=temporary) from None
    return sink.getvalue()


def _verify(file: RemoteFile, payload: bytes) -> bytes:
    """Return the decompressed bytes, if their sha256 is that of the file."""
    data = payload
    if payload[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(payload)) as stream:
                data = stream.read(file.size + 1)
        except (OSError, EOFError, zlib.error) as error:
            reason = f"sends {len(payload)} bytes that do not decompress: {error}"
            raise _DownloadError(reason, temporary=True) from None
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 == file.sha256:
        return data
    if data.lstrip()[:1] == b"<":
        raise _DownloadError("sends a web page instead of the file")
    size = f"more than {file.size}" if len(data) > file.size else len(data)
    raise _DownloadError(f"sends another file: {size} bytes with the sha256 {sha256}")


def _read_cached(file: RemoteFile, path: Path) -> bytes | None:
    """Return the bytes of a file in the cache; None if it is missing, or damaged and now removed."""
    with _storing(path):
        try:
            with path.open("rb") as stream:
                data = stream.read(file.size + 1)
        except FileNotFoundError:
            return None
        if hashlib.sha256(data).hexdigest() == file.sha256:
            return data
        log.warning("%s is damaged (its sha256 differs) and is downloaded again", path)
        path.unlink(missing_ok=True)
    return None


def _store(path: Path, data: bytes) -> None:
    """Write verified bytes under a hidden name, then rename: a reader sees the whole file or none."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with _storing(path), part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turn an OSError into a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"the cache of downloads cannot be used: {path}: {error.strerror or error}",
            "a folder that can be read and written",
            f"{CACHE_VARIABLE}=FOLDER in front of the command, or a folder with existing files as data.path",
        ) from None
