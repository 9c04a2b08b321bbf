"""The exported page in a browser without a network, opened as a file."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import infogan
from benchmarks.exports import with_varied_weights
from infogan import InfoGAN
from infogan.config import Config, DataConfig, LatentsConfig, NetworkConfig, parse_codes
from infogan.data.preprocessing import fit
from infogan.errors import UsageError
from infogan.explorer.latent_rows import controls
from infogan.export import web_runtime
from infogan.runs.code_names import CodeNames, Note
from tests.browser import move, needs_chromium, opened_page, until, until_drawn, until_idle

RUNTIME = "INFOGAN_ONNXRUNTIME_WEB"
"""Environment variable with the path of onnxruntime-web; without it, npm fetches it."""

pytestmark = needs_chromium

SIZE, IMAGES = 12, 40


@pytest.fixture(scope="module")
def runtime() -> Path:
    given = os.environ.get(RUNTIME)
    if given:
        return Path(given)
    try:
        web_runtime.find(None, lambda _: None)
    except UsageError as error:
        pytest.skip(f"{error.happened}; or set {RUNTIME}")
    return Path(os.environ["INFOGAN_CACHE"]) / web_runtime.PACKAGE / web_runtime.VERSION


@pytest.fixture(scope="module")
def model() -> InfoGAN:
    codes = parse_codes("digit:4 slant:u angle:p flag:b2")
    config = Config(
        data=DataConfig(source="folder", size=SIZE, channels=3),
        latents=LatentsConfig(noise=6, codes=codes),
        network=NetworkConfig(width=0.125),
    )
    return with_varied_weights(InfoGAN(config))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for number in range(IMAGES):
        pixels = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"image-{number:02}.png")
    return folder


@pytest.fixture(scope="module")
def file(runtime: Path, model: InfoGAN, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "colours <1>"
    model.save_pretrained(run)
    notes = {"digit": Note("shape", "", {2: "ring"})}
    CodeNames(model.config.latents.codes, notes).write(run)
    return infogan.export_model(run, "html", runtime=runtime, images=pictures, limit=30)


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    """The page, ready, without a network."""
    with opened_page(browser, network=False) as page:
        page.goto(f"{file.as_uri()}?seed=3&digit=2&slant=0.4")
        until_drawn(page)
        yield page


def settled(page: Any) -> np.ndarray:
    """Return the pixels of the picture after all requests."""
    until_idle(page)
    return np.array(page.evaluate("Array.from(Explorer.app.pixels)"), np.uint8).reshape(SIZE, SIZE, 3)


def generated(page: Any, model: InfoGAN) -> np.ndarray:
    """Return what torch generates for the latents of the page."""
    noise = torch.tensor(page.evaluate("Array.from(Explorer.app.noise)"))[None]
    values = page.evaluate("Explorer.app.state.values")
    codes = {}
    for name, prior in model.latents.priors.items():
        own = [value for c, value in zip(controls(model.latents), values, strict=True) if c.code == name]
        is_category = prior.code.kind == "categorical"
        codes[name] = torch.eye(4)[own[:1]] if is_category else torch.tensor([own], dtype=torch.float32)
    return model.generate(noise.float(), codes)[0]


def as_png(image: Image.Image) -> dict[str, Any]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"name": "own.png", "mimeType": "image/png", "buffer": buffer.getvalue()}


def encode(page: Any, image: Image.Image) -> None:
    page.click("#tab-picture")
    page.evaluate("document.addEventListener('explorer:drawn', (e) => { window.layer = e.detail.layer; })")
    page.set_input_files("#own-file", as_png(image))
    until(page, "window.layer === 'edited'")
    settled(page)


def test_the_picture_is_that_of_torch_and_follows_the_slider(page: Any, model: InfoGAN) -> None:
    before = settled(page)
    assert page.evaluate("Explorer.app.state.values") == [2, 0.4, 0, 0, 0]  # those of the link
    assert np.abs(before.astype(int) - generated(page, model)).max() <= 2
    move(page, "#control-slant", -0.9)
    page.click("[role=radio][aria-label='shape 1']")
    after = settled(page)
    assert np.abs(after.astype(int) - before).max() > 10
    assert np.abs(after.astype(int) - generated(page, model)).max() <= 2


def test_samples_and_traversals_are_rendered(page: Any) -> None:
    settled(page)
    pictures = page.evaluate("[...document.querySelectorAll('.samples canvas')].map((c) => c.toDataURL())")
    assert len(set(pictures)) == 25
    page.click("#tab-traversals")
    settled(page)
    assert page.locator("#panel-traversals section").count() == 5


def test_a_picture_that_is_dropped_in_gets_the_codes_of_torch_and_is_edited(
    page: Any, model: InfoGAN
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    encode(page, Image.fromarray(pixels))
    codes = page.evaluate("Explorer.app.views.find((view) => view.name === 'picture').own.codes")
    expected = model.encode(pixels[None])
    np.testing.assert_allclose(codes[0]["probabilities"], expected["digit"][0], atol=5e-3)
    np.testing.assert_allclose(codes[1]["mean"], expected["slant"][0], atol=5e-3)
    np.testing.assert_allclose(codes[2]["mean"], expected["angle"][0], atol=5e-3)
    np.testing.assert_allclose(
        [codes[3]["probability"], codes[4]["probability"]], expected["flag"][0], atol=5e-3
    )
    assert "this page does not optimise it" in page.inner_text("#panel-picture")
    page.click("text=Edit with the sliders")
    assert np.abs(settled(page).astype(int) - generated(page, model)).max() <= 2


@pytest.mark.parametrize("form", ["photo", "enlarged", "transparent"])
def test_a_picture_is_preprocessed_as_in_training(page: Any, form: str) -> None:
    rng = np.random.default_rng(2)
    shapes = {"photo": (90, 130, 3), "enlarged": (7, 9, 3), "transparent": (50, 40, 4)}
    small = Image.fromarray(rng.integers(0, 256, shapes[form], dtype=np.uint8))
    image = small.resize((small.width * 2, small.height * 2), Image.Resampling.BICUBIC)
    encode(page, image)
    found = page.evaluate("Array.from(Explorer.app.views.find((view) => view.name === 'picture').own.pixels)")
    expected = fit(image.copy(), SIZE, 3)
    difference = np.abs(np.array(found).reshape(SIZE, SIZE, 3) - expected.astype(int))
    assert difference.max() <= 2


def test_a_file_that_is_no_picture_is_reported(page: Any) -> None:
    page.click("#tab-picture")
    page.set_input_files("#own-file", {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    until(page, "document.getElementById('status').textContent.includes('cannot read the file as a picture')")


def test_real_images_are_shown_by_code(page: Any, model: InfoGAN, pictures: Path) -> None:
    chosen = np.linspace(0, IMAGES - 1, 30).round().astype(int)
    names = [f"image-{number:02}.png" for number in chosen]
    pixels = np.stack([np.asarray(Image.open(pictures / name)) for name in names])
    expected = model.encode(pixels)
    page.click("#tab-real")
    settled(page)
    backend = "Explorer.app.backend"
    assert page.evaluate(f"{backend}.names([0, 7, 29])") == [names[0], names[7], names[29]]
    shown = page.evaluate(f"{backend}.pictures([7]).then((pixels) => Array.from(pixels))")
    np.testing.assert_array_equal(np.array(shown).reshape(SIZE, SIZE, 3), pixels[7])
    category = int(np.bincount(expected["digit"].argmax(1)).argmax())
    found = page.evaluate(
        f"{backend}.category(Explorer.app.model.controls[0], {category}, 'typical', 0, 3, 0)"
    )
    members = np.flatnonzero(expected["digit"].argmax(1) == category)
    best = members[np.argsort(-expected["digit"][members, category], kind="stable")]
    assert found["total"] == len(members)
    assert found["values"] == pytest.approx(expected["digit"][best[:3], category].tolist(), abs=1e-4)
    along = page.evaluate(f"{backend}.along(Explorer.app.model.controls[1], 5, null)")
    assert along["values"] == sorted(along["values"])
    assert along["ids"][0] == int(expected["slant"].argmin())
    itself = page.evaluate(f"{backend}.pictures([11]).then((p) => {backend}.nearest(p, false, 3))")
    assert itself["ids"][0] == 11 and itself["values"][0] < 0.1
    page.click("#tab-map")
    settled(page)
    assert page.locator(".legend .entry").count() > 0


def test_what_needs_a_server_is_hidden(page: Any) -> None:
    assert page.locator("[role=tab]").all_inner_texts() == [
        "Samples",
        "Traversals",
        "Real images",
        "Map",
        "Your picture",
    ]
    assert page.inner_text("#title") == "colours <1>"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows(page: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_file_refers_to_nothing_outside(file: Path) -> None:
    """Apart from the data, which are base64, no address occurs."""
    text = re.sub(r'<script type="text/plain".*?</script>', "", file.read_text(), flags=re.S)
    assert re.findall(r"https?://(?!www\.w3\.org)\S+", text) == []
    assert "connect-src" not in text and "default-src 'none'" in text
