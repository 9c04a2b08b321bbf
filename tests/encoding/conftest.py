"""A small model, and a folder of images as users have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.config import Config, DataConfig, LatentsConfig, NetworkConfig, parse_codes
from infogan.data.image_collection import Form
from infogan.model import InfoGAN

FORM = Form(8, 1)


def pixels(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="session")
def model() -> InfoGAN:
    """A model with random weights and one code of each sort; its predictions differ between images."""
    codes = parse_codes("digit:4 slant:u turn:p flag:b")
    return InfoGAN(
        Config(
            data=DataConfig(source="digits", size=8, channels=1),
            latents=LatentsConfig(noise=6, codes=codes),
            network=NetworkConfig(width=0.125, recognition_init_std=1.0),
        )
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Thirty images in two folders with the same names, and one file that is no image."""
    folder = tmp_path / "photos"
    for number, image in enumerate(pixels(30)):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / "ab"[number % 2] / f"{number // 2}.png")
    (folder / "a" / "broken.png").write_text("no image")
    return folder
