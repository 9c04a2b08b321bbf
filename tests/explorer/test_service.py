"""The answers of the server, and what it refuses."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from infogan.data.image_collection import open_collection
from infogan.data.preprocessing import Form
from infogan.errors import DataError
from infogan.explorer import Images
from infogan.explorer.description import Explored
from infogan.explorer.gallery import Gallery
from infogan.explorer.page_files import page_files
from infogan.explorer.service import Service
from infogan.model import InfoGAN
from infogan.runs import code_names

Ask = Callable[..., Any]


def row(model: InfoGAN, *numbers: float) -> bytes:
    return np.array([0.0] * model.latents.noise + list(numbers), "<f4").tobytes()


def picture(shade: int = 200, size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, shade).save(file, "PNG")
    return file.getvalue()


def test_every_file_of_the_page_is_served(client: TestClient) -> None:
    page = client.get("/").text
    for name in page_files():
        assert client.get(f"/{name}").status_code == 200
        assert name in page or name == "index.html"


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/static/../config.toml",
        "/config.toml",
        "/api/../codes.json",
    ],
)
def test_no_other_file_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_an_image_is_that_of_the_model(client: TestClient, model: InfoGAN) -> None:
    answer = client.post("/api/render", content=row(model, 2, 0.5, 0.25, 1) + row(model, 3, 0, 0, 0))
    images = np.frombuffer(answer.content, np.uint8).reshape(2, 8, 8, 1)
    values = {"digit": [2, 3], "slant": [0.5, 0.0], "turn": [0.25, 0.0], "flag": [1.0, 0.0]}
    codes = {
        name: torch.cat([model._code_values(name, value) for value in pair]) for name, pair in values.items()
    }
    expected = model.generate(torch.zeros(2, model.latents.noise), codes)
    assert np.array_equal(images, expected)


def test_a_picture_is_encoded_as_by_infogan_encode(
    client: TestClient, model: InfoGAN, tmp_path: Path
) -> None:
    (tmp_path / "own.png").write_bytes(picture())
    (batch,) = open_collection(tmp_path / "own.png", Form(8, 1)).batches()
    expected = batch.images
    found = client.post("/api/encode", content=picture()).json()
    assert base64.b64decode(found["pixels"]) == expected.tobytes()
    codes = model.encode(expected)
    assert found["codes"][0]["value"] == int(codes["digit"].argmax())
    assert found["codes"][0]["probabilities"] == pytest.approx(codes["digit"][0].tolist(), abs=1e-4)
    assert found["codes"][1]["mean"] == pytest.approx(float(codes["slant"][0]), abs=1e-4)
    assert found["codes"][1]["std"] > 0


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", picture()[:60], b"<svg/>"])
def test_a_file_that_is_no_picture_is_refused_with_the_reason(client: TestClient, content: bytes) -> None:
    answer = client.post("/api/encode", content=content)
    assert answer.status_code == 400
    assert "cannot be read as a picture" in answer.json()["error"]


def test_a_decompression_bomb_is_refused(client: TestClient) -> None:
    small = bytearray(picture(size=(8, 8)))
    small[16:24] = (60_000).to_bytes(4, "big") * 2  # width and height in the header
    assert client.post("/api/encode", content=bytes(small)).status_code == 400


def test_the_noise_of_an_image_is_found(client: TestClient, model: InfoGAN) -> None:
    noise, codes = model.draw(1, seed=1)
    found = client.post("/api/invert", content=model.generate(noise, codes).tobytes()).json()
    assert len(found["noise"]) == model.latents.noise
    assert 0 <= found["error"] < 0.5


def test_real_images_have_pictures_names_and_codes(
    client: TestClient, ask: Ask, model: InfoGAN, images: Images
) -> None:
    category = int(np.bincount(model.encode(images.pixels)["digit"].argmax(1)).argmax())
    ids = ask("/api/real/category", code="digit", category=category, order="typical", count=3)["ids"]
    assert len(ids) == 3
    body = np.array(ids, "<u4").tobytes()
    assert client.post("/api/real/pictures", content=body).content == images.pixels[ids].tobytes()
    assert client.post("/api/real/names", content=body).json() == [images.names[index] for index in ids]
    codes = ask("/api/real/codes", id=ids[0])
    assert codes[0]["value"] == category
    nearest = client.post("/api/real/nearest?count=2", content=images.pixels[ids[0]].tobytes()).json()
    assert nearest["ids"][0] == ids[0]


def test_the_map_has_a_place_and_a_value_for_every_image(client: TestClient, images: Images) -> None:
    assert len(client.get("/api/real/map").content) == 8 * len(images.pixels)
    for code in ("digit", "slant", "turn", "flag"):
        assert len(client.get("/api/real/values", params={"code": code}).content) == 4 * len(images.pixels)


def test_a_name_is_saved_in_the_run(client: TestClient, ask: Ask, run: Path, model: InfoGAN) -> None:
    note = {"code": "slant", "name": "lean", "description": "To the right.", "categories": {}}
    shown = client.post("/api/name", json=note).json()
    assert shown["controls"][1]["title"] == "lean"
    assert code_names.read(run, model.config.latents.codes).shown("slant") == "lean"
    assert ask("/api/model")["controls"][1]["description"] == "To the right."


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"code": "slant"',
        b"{}",
        b'{"code": "../x", "name": "a"}',
        b'{"code": "slant", "name": "../../x"}',
        b'{"code": "slant", "name": 5}',
        b'{"code": "slant", "path": "/etc/passwd"}',
        b"[" * 100_000,
    ],
)
def test_a_name_that_does_not_fit_is_refused(client: TestClient, run: Path, content: bytes) -> None:
    assert client.post("/api/name", content=content).status_code == 400
    assert not (run / "codes.json").exists()


@pytest.mark.parametrize(
    "path",
    [
        "/api/real/category?code=nothing&category=0",
        "/api/real/category?code=slant&category=0",
        "/api/real/category?code=digit&category=-1",
        "/api/real/category?code=digit&category=1e309",
        "/api/real/category?code=digit&category=0&order=../../x",
        "/api/real/category?code=digit&category=" + "9" * 5000,
        "/api/real/along?code=slant&of=slant",
        "/api/real/along?code=slant&count=nan",
        "/api/real/codes?id=½",
        "/api/real/values",
    ],
)
def test_a_question_that_makes_no_sense_is_refused(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 400


def test_large_numbers_are_clamped(ask: Ask, images: Images) -> None:
    count = 9_999_999_999
    assert len(ask("/api/real/along", code="slant", count=count)["ids"]) == len(images.pixels)
    assert ask("/api/real/category", code="digit", category=count, count=count)["total"] >= 0


def test_images_that_do_not_exist_are_refused(client: TestClient) -> None:
    for ids in ([300], [2**32 - 1], [0] * 501):
        assert client.post("/api/real/pictures", content=np.array(ids, "<u4").tobytes()).status_code == 400
    for path in ("/api/real/pictures", "/api/real/names", "/api/real/nearest", "/api/invert", "/api/predict"):
        assert client.post(path, content=b"abc").status_code == 400


def test_a_run_without_its_images_generates_and_says_why(model: InfoGAN, run: Path) -> None:
    def gone() -> Images:
        raise DataError("images/ does not exist", "the images", "data_path")

    gallery = Gallery(model, gone, None)
    gallery.compute()
    names = code_names.read(run, model.config.latents.codes)
    client = TestClient(Service(Explored(model, names, run, "digits"), gallery).application())
    assert client.get("/api/real").json()["state"] == "absent"
    assert "images/ does not exist" in client.get("/api/real").json()["message"]
    assert client.get("/api/real/map").status_code == 400
    assert client.post("/api/render", content=row(model, 0, 0, 0, 0)).status_code == 200


def test_the_description_is_json_that_every_browser_reads(ask: Ask) -> None:
    assert json.loads(json.dumps(ask("/api/model"), allow_nan=False))["title"] == "digits"
