"""Debian's Chromium for tests of pages, and what its tests do in it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/bin/chromium")

needs_chromium = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}: apt install chromium"),
]
"""Marks of a module of browser tests."""

_SECONDS = 20.0


@contextmanager
def launched() -> Iterator[Any]:
    """Start a headless Chromium without background traffic."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@contextmanager
def opened_page(browser: Any, *, network: bool) -> Iterator[Any]:
    """Yield a page; fail if it writes an error to the console, or asks for anything without a network."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=not network)
    page = context.new_page()
    page.set_default_timeout(1_000 * _SECONDS)
    wrong: list[str] = []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    if not network:
        page.on("request", lambda r: None if r.url.startswith(("file:", "blob:")) else wrong.append(r.url))
    yield page
    context.close()
    assert wrong == []


def until(page: Any, condition: str) -> None:
    """Wait for a condition. Playwright's own waiting needs eval, which the policy of the page forbids."""
    deadline = time.monotonic() + _SECONDS
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"not reached: {condition}"
        page.wait_for_timeout(50)


def until_drawn(page: Any) -> None:
    """Wait for the first picture of the page."""
    until(page, "Boolean(Explorer.app && Explorer.app.pixels)")


def until_idle(page: Any) -> None:
    """Wait until all requests of the page are answered."""
    page.wait_for_timeout(300)
    until(page, "!Explorer.app.queue.running && !Explorer.app.first.running")


def move(page: Any, selector: str, value: float) -> None:
    """Move a slider."""
    page.eval_on_selector(
        selector,
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }",
        value,
    )
