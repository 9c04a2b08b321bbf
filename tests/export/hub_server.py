"""A small server that speaks the protocol of the Hugging Face Hub: the bytes on the wire are real ones.

It has what an upload and a download use: creating a repository, the choice between git and LFS, LFS uploads,
commits, listing a revision and downloading files.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote

TOKEN = "hf_test"


@dataclass
class Hub:
    """State of the server.

    Attributes:
        revisions: files of each commit by its SHA, the newest one last, for each repository.
        private: repositories that were created as private.
        requests: method and path of every request.
    """

    revisions: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    endpoint: str = ""

    def newest(self, repository: str) -> str:
        return list(self.revisions[repository])[-1]

    def files(self, repository: str) -> dict[str, bytes]:
        return self.revisions[repository][self.newest(repository)]


@contextmanager
def serving() -> Iterator[Hub]:
    """Serve on a free port of this machine."""
    hub = Hub()

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._route()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _route(self) -> None:
        hub, path = self.state, unquote(self.path.partition("?")[0])
        body = self._body()
        hub.requests.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        writing = self.command in ("POST", "PUT") and parts[0] != "blob" and parts[-1] != "validate-yaml"
        if writing and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._json({"error": "Invalid credentials"}, 401)
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        if parts[0] == "blob":
            assert hashlib.sha256(body).hexdigest() == parts[1]
            hub.blobs[parts[1]] = body
            return self._send(b"", 200)
        if parts[:2] == ["api", "models"]:
            return self._api("/".join(parts[2:4]), parts[4:], body)
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._lfs(json.loads(body))
        if len(parts) > 4 and parts[2] == "resolve":
            return self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        return self._json({"error": f"unknown {path}"}, 404)

    def _create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        exists = name in self.state.revisions
        if not exists:
            self.state.revisions[name] = {"0" * 40: {}}
            if asked.get("private") or asked.get("visibility") == "private":
                self.state.private.add(name)
        self._json({"url": f"{self.state.endpoint}/{name}", "name": name}, 409 if exists else 200)

    def _api(self, repository: str, rest: list[str], body: bytes) -> None:
        if repository not in self.state.revisions:
            return self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        if rest and rest[0] == "preupload":
            modes = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith((".safetensors", ".png")) else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self._json({"files": modes})
        if rest and rest[0] == "commit":
            return self._commit(repository, body)
        revision = rest[1] if rest and rest[0] in ("revision", "tree") else "main"
        sha = self.state.newest(repository) if revision == "main" else revision
        if sha not in self.state.revisions[repository]:
            return self._json({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
        files = self.state.revisions[repository][sha]
        if rest and rest[0] == "tree":
            return self._json(
                [
                    {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for name, data in files.items()
                ]
            )
        siblings = [{"rfilename": name} for name in files]
        return self._json({"id": repository, "sha": sha, "siblings": siblings, "private": False})

    def _commit(self, repository: str, body: bytes) -> None:
        files = dict(self.state.files(repository))
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.state.blobs[value["oid"]]
        sha = hashlib.sha1(body).hexdigest()
        self.state.revisions[repository][sha] = files
        url = f"{self.state.endpoint}/{repository}/commit/{sha}"
        self._json({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})

    def _lfs(self, asked: dict[str, Any]) -> None:
        objects = []
        for one in asked["objects"]:
            upload = {"href": f"{self.state.endpoint}/blob/{one['oid']}"}
            objects.append({**one, "authenticated": True, "actions": {"upload": upload}})
        self._json({"transfer": "basic", "objects": objects})

    def _resolve(self, repository: str, revision: str, name: str) -> None:
        if repository not in self.state.revisions:
            return self._json({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
        sha = self.state.newest(repository) if revision == "main" else revision
        data = self.state.revisions[repository].get(sha, {}).get(name)
        if data is None:
            return self._json({}, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": sha}
        return self._send(data, 200, {**headers, "Content-Type": "application/octet-stream"})

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _json(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(
            json.dumps(content).encode(), status, {"Content-Type": "application/json", **(headers or {})}
        )

    def _send(self, data: bytes, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
