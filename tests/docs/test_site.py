"""The documentation as a website: it is complete, and every link and anchor of its pages resolves."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAVIGATION = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.M)


class Page(HTMLParser):
    """Collects the ids, the links and the resources of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := values.get(name))}
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        source = values.get("href") if tag == "link" else values.get("src")
        if source and values.get("rel") not in ("canonical", "author"):
            self.resources.append(source)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy of the sources: a build writes next to its configuration."""
    program = shutil.which("zensical")
    if program is None:
        pytest.skip("zensical is not installed: pip install 'infogan[docs]'")
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    for name in ("docs", "src"):
        shutil.copytree(ROOT / name, folder / name)
    command = [program, "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def pages(site: Path) -> Iterator[tuple[Path, Page]]:
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":  # whose links are absolute
            yield path, Page(path.read_text(encoding="utf-8"))


def test_the_navigation_names_every_page_of_the_first_level() -> None:
    listed = {name for name in NAVIGATION if "/" not in name}
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")}
    assert all((ROOT / "docs" / name).is_file() for name in NAVIGATION)


@pytest.mark.slow
def test_every_link_and_anchor_resolves(site: Path) -> None:
    found = dict(pages(site))
    broken = []
    for path, page in found.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            target, anchor = urldefrag(unquote(link))
            other = (path.parent / target).resolve() if target else path
            other = other / "index.html" if other.is_dir() else other
            if not other.is_file() or (anchor and other in found and anchor not in found[other].ids):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


@pytest.mark.slow
def test_nothing_is_loaded_from_another_server(site: Path) -> None:
    loaded = [link for _, page in pages(site) for link in page.resources if re.match(r"(https?:)?//", link)]
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    loaded += [link for style in styles for link in re.findall(r"url\([\"']?(https?:[^)]*)", style)]
    assert loaded == []


@pytest.mark.slow
def test_the_api_page_has_the_docstrings(site: Path) -> None:
    text = (site / "api.html").read_text(encoding="utf-8")
    named = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), flags=re.M)
    assert [name for name in named if f'id="{name}"' not in text] == []
    assert "number of training steps, each with one update of D" in text
