"""The files of the page, which `infogan export --to html` uses, too. Imports no server."""

from __future__ import annotations

from importlib import resources

PAGE = "index.html"


def page_files() -> dict[str, bytes]:
    """Return the files of the page by name, index.html first."""
    folder = resources.files("infogan.explorer") / "static"
    found = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    return {name: found[name] for name in sorted(found, key=lambda name: (name != PAGE, name))}
