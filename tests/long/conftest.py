"""Files of every source that has files, in their true format, from the writers of the sources' own tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan import presets
from infogan.data import SOURCES
from infogan.data.sources import mnist
from tests.data.sources import test_aubry_chairs, test_celeba, test_mnist, test_svhn

COUNT, TESTED = 80, 30
"""Images of a written set, and how many of them are test images where the files say so."""


def blobs(size: int, channels: int) -> np.ndarray:
    """uint8 [COUNT, size, size, channels]: a soft spot each, whose place, width and light differ."""
    draw = np.random.default_rng(0)
    across, down = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    x, y = draw.uniform(-0.5, 0.5, (2, COUNT, 1, 1))
    spots = np.exp(-((across - x) ** 2 + (down - y) ** 2) / draw.uniform(0.02, 0.3, (COUNT, 1, 1)))
    return np.uint8(255 * spots[..., None] * draw.uniform(0.4, 1, (COUNT, 1, 1, channels)))


def write_idx(folder: Path) -> Path:
    images, labels = blobs(28, 1)[..., 0], np.uint8(np.arange(COUNT) % 10)
    parts = (slice(TESTED, None), slice(TESTED))
    arrays = [array[part] for part in parts for array in (images, labels)]
    for file, array in zip(mnist.FILES, arrays, strict=True):
        (folder / file.unpacked_name).write_bytes(test_mnist.idx(array))
    return folder


def write_svhn(folder: Path) -> Path:
    images, labels = blobs(32, 3), np.uint8(1 + np.arange(COUNT) % 10)
    for name, part in (("train", slice(TESTED, None)), ("test", slice(TESTED))):
        test_svhn.write(
            folder / f"{name}_32x32.mat", X=images[part].transpose(1, 2, 3, 0), y=labels[part, None]
        )
    return folder


def write_pictures(folder: Path) -> Path:
    for number, image in enumerate(blobs(16, 3)):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return folder


WRITERS: dict[str, Callable[[Path], Path]] = {
    "mnist": write_idx,
    "fashion-mnist": write_idx,
    "svhn": write_svhn,
    "celeba": test_celeba.standard,
    "chairs": lambda folder: test_aubry_chairs.pack(folder / "rendered_chairs.tar"),
    "folder": write_pictures,
}
"""By source. One that is not here draws its images or has them in a package, or its preset's test fails."""

PACKAGED = {"digits", "mnist-5k"}


@pytest.fixture
def files(tmp_path: Path) -> Callable[[str], Path | None]:
    """From a preset to its files, newly written; None where its source needs none."""

    def write(preset: str) -> Path | None:
        source = presets.load(preset).data.source
        if source in WRITERS:
            folder = tmp_path / "files"
            folder.mkdir()
            return WRITERS[source](folder)
        assert SOURCES[source].renders or source in PACKAGED, f"no writer for {source}: add one to WRITERS"
        return None

    return write
