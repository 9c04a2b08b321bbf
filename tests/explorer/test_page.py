"""The page in a browser: what a user does with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infogan import api
from infogan.explorer import Images
from infogan.explorer.address import Address
from infogan.explorer.description import Explored
from infogan.explorer.gallery import Gallery
from infogan.explorer.service import Service
from infogan.model import InfoGAN
from infogan.runs import code_names
from tests.browser import move, needs_chromium, opened_page, until, until_drawn, until_idle
from tests.explorer.conftest import served

AXE = "INFOGAN_AXE"
"""Environment variable with the path of axe.min.js, from the npm package axe-core."""

pytestmark = needs_chromium

PICTURE = "document.getElementById('picture').toDataURL()"
WIDTHS = [390, 1280]


@pytest.fixture(scope="module")
def folder(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("page") / "digits"
    shutil.copytree(trained, copy)
    return copy


@pytest.fixture(scope="module")
def url(folder: Path, model: InfoGAN, images: Images) -> Iterator[str]:
    """The address of a page that is served for all tests of this module."""
    gallery = Gallery(model, lambda: images, None)
    gallery.compute()
    names = code_names.read(folder, model.config.latents.codes)
    application = Service(Explored(model, names, folder, "digits"), gallery).application()
    with served(application, Address()) as url:
        yield url


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    with opened_page(browser, network=True) as page:
        yield page


def opened(page: Any, url: str, query: str = "") -> str:
    """Open the page; return its picture once it is drawn."""
    page.goto(url + query)
    until_drawn(page)
    page.wait_for_timeout(300)
    picture: str = page.evaluate(PICTURE)
    return picture


def settled(page: Any) -> str:
    """Return the picture after all requests."""
    until_idle(page)
    picture: str = page.evaluate(PICTURE)
    return picture


def moved(page: Any, selector: str, value: float) -> str:
    move(page, selector, value)
    return settled(page)


def test_a_slider_changes_the_picture_and_the_grid(page: Any, url: str) -> None:
    before = opened(page, url)
    grid = "document.querySelectorAll('.samples canvas')[7].toDataURL()"
    grid_before = page.evaluate(grid)
    assert moved(page, "#control-slant", 0.9) != before
    assert page.evaluate(grid) != grid_before
    assert page.inner_text("output[for=control-slant]") == "0.90"


def test_a_link_restores_the_picture(page: Any, url: str, browser: Any) -> None:
    opened(page, url, "?seed=3&digit=4&slant=.4")
    page.click("[role=radio][aria-label='digit 2']")
    page.check("#control-flag")
    shown = moved(page, "#control-slant", -0.613)
    until(page, "location.search.includes('slant=-0.613')")
    link = page.url
    assert "seed=3" in link and "digit=2" in link and "flag=1" in link
    other = browser.new_page()
    assert opened(other, link) == shown
    other.close()


def test_a_wrong_link_opens_with_defaults(page: Any, url: str) -> None:
    opened(page, url, "?seed=-4&digit=99&slant=NaN&turn=1e309&range=x&view=nothing&noise=%00%ff&__proto__=1")
    assert page.evaluate("Explorer.app.state.values") == [5, 0, 0, 0]
    assert page.evaluate("Explorer.app.state.seed") == 0


def test_noise_is_held_until_new_noise_is_asked_for(page: Any, url: str) -> None:
    first = opened(page, url, "?seed=3")
    moved(page, "#control-slant", 0.5)
    assert moved(page, "#control-slant", 0) == first
    page.click("#new-noise")
    assert settled(page) != first
    page.uncheck("#hold-noise")
    seed = page.evaluate("Explorer.app.state.seed")
    moved(page, "#control-slant", 0.5)
    assert page.evaluate("Explorer.app.state.seed") != seed


def test_the_range_can_be_left(page: Any, url: str) -> None:
    opened(page, url)
    page.select_option("#range", "2")
    moved(page, "#control-slant", 1.7)
    assert page.evaluate("Explorer.app.state.values[1]") == 1.7
    page.select_option("#range", "1")
    assert page.evaluate("Explorer.app.state.values[1]") == 1


def test_the_keyboard_controls_every_sort_of_code(page: Any, url: str) -> None:
    opened(page, url)
    page.focus("#control-slant")
    page.keyboard.press("ArrowRight")
    page.focus("#control-turn")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("PageDown")
    page.focus("[role=radio][aria-checked=true]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.focus("#control-flag")
    page.keyboard.press("Space")
    digit, slant, turn, flag = page.evaluate("Explorer.app.state.values")
    assert (digit, flag) == (2, 1)
    assert slant == pytest.approx(0.05) and turn == pytest.approx(-6 / 36, abs=1e-5)
    assert page.get_attribute("#control-turn", "aria-valuetext") == "-30°"
    page.focus("#tab-generate")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#tab-traversals", "aria-selected") == "true"


def test_traversals_show_every_code_and_set_it(page: Any, url: str) -> None:
    opened(page, url, "?view=traversals")
    settled(page)
    assert page.locator("#panel-traversals section").count() == 4
    page.click("#panel-traversals [aria-label='slant 0.75']")
    settled(page)
    assert page.evaluate("Explorer.app.state.values[1]") == 0.75
    assert page.locator("#panel-traversals [aria-current=true]").count() >= 2


def test_real_images_follow_the_category_and_show_their_codes(page: Any, url: str, model: InfoGAN) -> None:
    category = 2
    opened(page, url, f"?digit={category}&view=real")
    page.wait_for_selector("text=Most typical")
    page.select_option("#panel-real select >> nth=0", label="slant")
    page.wait_for_selector("text=Ordered along slant")
    page.wait_for_selector("[aria-label^='Nearest image 1']")
    page.click("[aria-label^='Image 3,']")
    page.wait_for_selector("dialog[open] table")
    page.click("text=Use its codes")
    settled(page)
    assert not page.is_visible("dialog")
    assert page.evaluate("Explorer.app.state.values[1]") != 0


def test_a_lasso_selects_images_and_copies_their_names(page: Any, url: str) -> None:
    opened(page, url, "?view=map")
    page.wait_for_selector(".legend .entry")
    page.click("button:text-is('Lasso')")
    box = page.locator("canvas.points").bounding_box()
    corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)]
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()
    page.wait_for_selector("text=300 selected images")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("text=Copy file names")
    page.wait_for_selector("text=300 names copied")
    assert len(page.evaluate("navigator.clipboard.readText()").split("\n")) == 300


def test_a_smaller_lasso_selects_only_what_is_inside(page: Any, url: str) -> None:
    opened(page, url, "?view=map")
    page.wait_for_selector(".legend .entry")
    page.wait_for_timeout(300)
    scatter = "Explorer.views.find((view) => view.name === 'map').scatter"
    inside = page.evaluate(f"{scatter}.inside([[-2, -2], [0, -2], [0, 2], [-2, 2]]).length")
    positions = page.evaluate(f"Array.from({scatter}.positions)")[::2]
    assert inside == sum(x < 0 for x in positions) and 0 < inside < 300


def drop(page: Any, path: Path) -> None:
    page.set_input_files("#own-file", str(path))
    page.wait_for_selector("text=edited along each code", timeout=30_000)
    settled(page)


@pytest.fixture
def own(tmp_path: Path, images: Images) -> Path:
    path = tmp_path / "own picture.png"
    Image.fromarray(images.pixels[5, :, :, 0]).resize((64, 64)).save(path)
    return path


def test_a_dropped_picture_gets_codes_and_is_edited(page: Any, url: str, own: Path, browser: Any) -> None:
    before = opened(page, url, "?view=picture")
    drop(page, own)
    assert page.locator("#panel-picture table.codes tbody tr").count() == 4
    assert "certain" in page.inner_text("#panel-picture table.codes")
    page.click("text=Edit with the sliders")
    edited = settled(page)
    assert edited != before
    assert moved(page, "#control-slant", 0.95) != edited
    until(page, "location.search.includes('noise=')")
    shown, other = settled(page), browser.new_page()
    assert opened(other, page.url) == shown  # the link holds the noise of the picture
    other.close()


def test_a_picture_with_dark_strokes_can_be_inverted(page: Any, url: str, own: Path) -> None:
    opened(page, url, "?view=picture")
    drop(page, own)
    pixels = "Array.from(Explorer.views.find((view) => view.name === 'picture').own.pixels)"
    before = page.evaluate(pixels)
    page.click("text=Swap dark and light")
    until(page, f"{pixels}[0] === {255 - before[0]}")
    page.wait_for_selector("text=edited along each code")
    settled(page)
    assert page.evaluate(pixels) == [255 - level for level in before]


def test_a_file_that_is_no_picture_is_refused_with_the_reason(browser: Any, url: str, tmp_path: Path) -> None:
    page = browser.new_page()  # whose console shows the status of the answer
    (tmp_path / "notes.png").write_text("no picture")
    opened(page, url, "?view=picture")
    page.set_input_files("#own-file", str(tmp_path / "notes.png"))
    page.wait_for_selector("#status:has-text('cannot be read as a picture')")
    page.close()


def test_a_name_is_shown_everywhere_and_saved(page: Any, url: str, folder: Path, model: InfoGAN) -> None:
    opened(page, url, "?view=codes")
    page.fill("#name-slant", "lean")
    page.fill("#name-slant-about", "Leans to the right.")
    page.click("form:has(#name-slant) button")
    page.wait_for_selector("text=Saved the names of slant")
    assert page.inner_text("label[for=control-slant]") == "lean"
    names = code_names.read(folder, model.config.latents.codes)
    assert names.note("slant").description == "Leans to the right."
    page.fill("#name-slant", "")
    page.fill("#name-slant-about", "")
    page.click("form:has(#name-slant) button")
    until(page, "document.querySelector('label[for=control-slant]').textContent === 'slant'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_screen(browser: Any, url: str, own: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    opened(page, url)
    for view in ("generate", "traversals", "real", "map", "picture", "codes"):
        page.click(f"#tab-{view}")
        if view == "picture":
            drop(page, own)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
    if shots := os.environ.get("INFOGAN_SCREENSHOTS"):
        page.screenshot(path=f"{shots}/{width}-{scheme}.png", full_page=True)
    context.close()


@pytest.mark.skipif(AXE not in os.environ, reason=f"{AXE} does not name axe.min.js (npm pack axe-core)")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_no_serious_violation(browser: Any, url: str, own: Path, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True
    )
    page = context.new_page()
    opened(page, url)
    page.add_script_tag(path=os.environ[AXE])
    found = []
    for view in ("generate", "traversals", "real", "map", "picture", "codes"):
        page.click(f"#tab-{view}")
        if view == "picture":
            drop(page, own)
        settled(page)
        violations = page.evaluate("axe.run().then((result) => result.violations)")
        found += [
            (view, one["id"], one["nodes"][0]["html"])
            for one in violations
            if one["impact"] in ("serious", "critical")
        ]
    context.close()
    assert found == []


def test_the_page_asks_no_other_server(page: Any, url: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, url, "?view=map")
    settled(page)
    assert asked and all(one.startswith(url) for one in asked)


def test_a_server_that_has_ended_is_named(browser: Any, trained: Path) -> None:
    model = api.load(trained)
    gallery = Gallery(model, lambda: pytest.fail("not loaded"), None)
    names = code_names.read(trained, model.config.latents.codes)
    application = Service(Explored(model, names, trained, "digits"), gallery).application()
    page = browser.new_page()
    with served(application, Address()) as url:
        opened(page, url)
    page.click("#new-noise")
    page.wait_for_selector("#status:has-text('Is infogan explore still running?')")
    page.close()


@pytest.mark.long
def test_the_benchmark_measures_both_targets(trained: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.explorer", str(trained), "--moves", "3"]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    times = json.loads(found.stdout)["milliseconds"]
    assert set(times) == {"picture", "grid"}
    assert all(0 < entry["median"] <= entry["largest"] for entry in times.values())
