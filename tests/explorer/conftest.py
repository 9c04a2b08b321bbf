"""A small trained run with a code of every sort, and the service of its page."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import infogan
from infogan import api, data
from infogan.explorer import Images
from infogan.explorer.address import Address
from infogan.explorer.description import Explored
from infogan.explorer.gallery import Gallery
from infogan.explorer.service import Service
from infogan.explorer.serving import serve
from infogan.model import InfoGAN
from infogan.runs import code_names


@contextmanager
def served(application: Starlette, address: Address) -> Iterator[str]:
    """Serve in a thread of its own; yield the printed address."""
    urls: list[str] = []
    servers: list[Any] = []
    thread = Thread(
        target=serve,
        args=(application, address),
        kwargs={"announce": urls.append, "open_browser": False, "started": lambda s, _: servers.append(s)},
    )
    thread.start()
    deadline = time.monotonic() + 30
    while not (servers and servers[0].started) and time.monotonic() < deadline:
        time.sleep(0.02)
    yield urls[0]
    servers[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()


CODES = "digit:6 slant:u turn:p flag:b"


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 steps on 8x8 digits; do not write into it."""
    run = tmp_path_factory.mktemp("explored") / "digits"
    infogan.train(
        "digits", out=run, codes=CODES, steps=60, recipe="paper", progress=False,
        settings={"network.width": 0.25, "training.batch_size": 32},
    )  # fmt: skip
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    copy = tmp_path / "digits"
    shutil.copytree(trained, copy)
    return copy


@pytest.fixture(scope="session")
def model(trained: Path) -> InfoGAN:
    return api.load(trained)


@pytest.fixture(scope="session")
def images(model: InfoGAN) -> Images:
    pixels, names = data.load_all(model.config.data)
    return Images(pixels[:300], names[:300], "fingerprint")


@pytest.fixture
def gallery(model: InfoGAN, images: Images) -> Gallery:
    """Real images that are ready."""
    gallery = Gallery(model, lambda: images, None)
    gallery.compute()
    return gallery


@pytest.fixture
def client(model: InfoGAN, run: Path, gallery: Gallery) -> TestClient:
    names = code_names.read(run, model.config.latents.codes)
    return TestClient(Service(Explored(model, names, run, "digits"), gallery).application())


@pytest.fixture
def ask(client: TestClient) -> Callable[..., Any]:
    """Return the JSON answer to a GET request; assert that it is one."""

    def asked(path: str, **query: Any) -> Any:
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return asked
