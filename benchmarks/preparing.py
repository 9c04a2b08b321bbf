"""Cost of preprocessing relative to decoding with Pillow, and the share of a step that waits for images.

The images are smooth like photographs, 178x218 pixels as in CelebA, and are written as JPEG files.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT, SIZE = 178, 218, 32
_COARSE = 12  # an image is an enlarged random image of this size


def write_pictures(folder: Path, count: int) -> None:
    """Write `count` random JPEG files."""
    rng = np.random.Generator(np.random.Philox(key=0))
    for number in range(count):
        coarse = rng.integers(0, 256, (_COARSE, _COARSE, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number:06d}.jpg", quality=90)


def over_bare_decoding(count: int) -> float:
    """Return the CPU time of preprocessing relative to decoding, cropping and resizing the same files."""
    from infogan.config import DataConfig
    from infogan.data import prepare

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "pictures"
        folder.mkdir()
        write_pictures(folder, count)
        edge = (HEIGHT - WIDTH) // 2
        started = time.process_time()
        for file in sorted(os.scandir(folder), key=lambda entry: entry.name):
            with Image.open(file.path) as picture:
                square = picture.crop((0, edge, WIDTH, edge + WIDTH))
                np.asarray(square.resize((SIZE, SIZE), Image.Resampling.LANCZOS))
        bare = time.process_time() - started
        started = time.process_time()
        prepare(
            DataConfig(source="folder", path=str(folder), size=SIZE, channels=3), Path(temporary) / "prepared"
        )
        return (time.process_time() - started) / bare


def share_of_waiting(steps: int) -> float:
    """Time in which a step of the paper's SVHN networks fetches its images from the map, over all of it."""
    import torch

    from infogan import api
    from infogan.config import DataConfig
    from infogan.data import load
    from infogan.model import InfoGAN
    from infogan.training import engine
    from infogan.training.trainer import Trainer

    config = api.configure("svhn", recipe="paper", settings={"training.precision": "float32"})
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "images.npy"
        rng = np.random.Generator(np.random.Philox(key=0))
        np.save(path, rng.integers(0, 256, (20_000, SIZE, SIZE, 3), dtype=np.uint8))
        os.environ["INFOGAN_CACHE"] = temporary
        images = load(DataConfig(source="folder", path=str(path))).train.images
        engine.keep_freed_memory()
        trainer = Trainer(
            InfoGAN(config),
            torch.from_numpy(np.asarray(images)),
            device=torch.device("cpu"),
            precision="float32",
        )
        waited, batches = 0.0, trainer.batches

        def timed() -> list[torch.Tensor]:
            nonlocal waited
            started = time.perf_counter()
            images_of_step = batches()
            waited += time.perf_counter() - started
            return images_of_step

        trainer.batches = timed  # type: ignore[method-assign]
        started = time.perf_counter()
        for _ in range(steps):
            trainer.advance()
        return waited / (time.perf_counter() - started)
