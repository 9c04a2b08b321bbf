"""Downloads with mirrors, retries and checked contents. The cache only ever holds verified files.

A file is verified by the sha256 of its decompressed bytes: mirrors pack the same data differently, and some
servers unpack it on the way. What is verified is what is used, and what is stored, unpacked, in the cache.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import logging
import os
import secrets
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

import pooch

from infogan.errors import DataError, StorageError

log = logging.getLogger(__name__)

CACHE_VARIABLE = "INFOGAN_CACHE"
"""Environment variable that names another cache folder."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that is the same on every mirror.

    Attributes:
        name: on the mirrors, for example "train-images-idx3-ubyte.gz".
        sha256: of the decompressed bytes, in hex.
        size: of the decompressed file in bytes; reading stops there.
    """

    name: str
    sha256: str
    size: int

    @property
    def unpacked_name(self) -> str:
        """The name in the cache."""
        return self.name.removesuffix(".gz")


@dataclass(frozen=True)
class Mirrors:
    """Where files are, and how patiently they are asked for.

    The defaults give up after less than a minute where two mirrors do not answer at all.

    Attributes:
        urls: folders, each ending in a slash, tried in order.
        timeout: seconds without a byte before a request is given up.
        tries: requests to one mirror, where another may help.
        backoff: seconds before the second try, doubled for each further one.
    """

    urls: tuple[str, ...]
    timeout: float = 10.0
    tries: int = 2
    backoff: float = 1.0


def cache_folder() -> Path:
    """The folder of downloads: INFOGAN_CACHE where it is set, else the platform's folder for caches."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path(pooch.os_cache("infogan"))


def fetch(file: RemoteFile, mirrors: Mirrors, folder: Path, by_hand: str) -> bytes:
    """The verified, decompressed bytes of a file: from `folder`, else downloaded and kept there.

    A file in the folder that has been damaged is removed, with a warning, and downloaded anew.

    Args:
        file: what to fetch.
        mirrors: from where.
        folder: of the cache; created where it is missing.
        by_hand: what a user can do without the download, for the error's advice.

    Raises:
        DataError: no mirror gave the file; with each address and reason.
        StorageError: the folder cannot be written.
    """
    path = folder / file.unpacked_name
    cached = _read_cached(file, path)
    if cached is not None:
        return cached
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_stored(folder, error) from None
    failures: list[str] = []
    for url in mirrors.urls:
        try:
            data = _from_mirror(file, url + file.name, mirrors)
        except _DownloadError as failure:
            log.warning("%s%s: %s", url, file.name, failure)
            failures.append(f"{url}{file.name}: {failure}")
            continue
        _store(path, data)
        return data
    raise DataError(
        f"could not download {file.name}:" + "".join(f"\n    {failure}" for failure in failures),
        f"a file of {file.size} bytes, decompressed, with the sha256 {file.sha256}",
        by_hand,
    )


class _DownloadError(Exception):
    """A download that did not give the file, and whether asking again may help."""

    def __init__(self, reason: str, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class _Sink(io.BytesIO):
    """Takes a download into memory, and no more of it than the file can have."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def write(self, chunk: bytes, /) -> int:  # type: ignore[override]
        if self.tell() + len(chunk) > self.most:
            raise _DownloadError(f"sends more than the {self.most} bytes that the file can have", again=False)
        return super().write(chunk)


def _from_mirror(file: RemoteFile, url: str, mirrors: Mirrors) -> bytes:
    """The verified bytes from one mirror, asked up to `mirrors.tries` times."""
    for attempt in range(1, mirrors.tries + 1):
        log.info("downloading %s", url)
        try:
            return _verify(file, _download(url, file, mirrors.timeout))
        except _DownloadError as failure:
            if not failure.again or attempt == mirrors.tries:
                raise
        time.sleep(mirrors.backoff * 2 ** (attempt - 1))
    raise _DownloadError("was asked 0 times", again=False)


def _download(url: str, file: RemoteFile, timeout: float) -> bytes:
    # gzip makes what it cannot compress a little longer.
    sink = _Sink(file.size + file.size // 1000 + 1024)
    try:
        pooch.HTTPDownloader(timeout=timeout)(url, sink, None)
    except OSError as error:  # all errors of requests, pooch's client, are of this kind
        status = getattr(getattr(error, "response", None), "status_code", None)
        # 4xx is the server's last word, except for "timed out" and "too many requests".
        again = status is None or status >= 500 or status in (408, 429)
        raise _DownloadError(f"HTTP status {status}" if status else _shorten(error), again) from None
    return sink.getvalue()


def _verify(file: RemoteFile, payload: bytes) -> bytes:
    """The decompressed bytes, where they are those of the file."""
    data = payload
    if payload[:2] == b"\x1f\x8b":
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(payload)) as stream:
                data = stream.read(file.size + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise _DownloadError(
                f"sends {len(payload)} bytes that do not decompress: {error}", again=True
            ) from None
    found = hashlib.sha256(data).hexdigest()
    if found == file.sha256:
        return data
    if data.lstrip()[:1] == b"<":
        raise _DownloadError("sends a web page in place of the file", again=False)
    more = "more than " if len(data) > file.size else ""
    size = min(len(data), file.size)
    raise _DownloadError(f"sends another file: {more}{size} bytes with the sha256 {found}", again=False)


def _read_cached(file: RemoteFile, path: Path) -> bytes | None:
    """The bytes of a file in the cache; None where it is missing or damaged."""
    try:
        with path.open("rb") as stream:
            data = stream.read(file.size + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _not_stored(path, error) from None
    if hashlib.sha256(data).hexdigest() == file.sha256:
        return data
    log.warning("%s is damaged (its sha256 is another one) and is downloaded anew", path)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _not_stored(path, error) from None
    return None


def _store(path: Path, data: bytes) -> None:
    """Writes verified bytes under a hidden name first: a reader sees the whole file or none."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        raise _not_stored(path, error) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _not_stored(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the cache of downloads cannot be used: {path}: {error.strerror or error}",
        "a folder that can be read and written",
        f"{CACHE_VARIABLE}=FOLDER in front of the command, or --data FOLDER with files that are there",
    )


def _shorten(error: OSError) -> str:
    """The cause of a client's error, without the object addresses around it."""
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= 200 else f"{text[:197]}..."
