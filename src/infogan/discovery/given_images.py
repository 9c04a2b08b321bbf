"""The images of a discovery: files at a path, or images that Python holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from infogan import data
from infogan.config import DataConfig
from infogan.data import Dataset, loading, prepared


class GivenImages:
    """Loads the images of a discovery in the form of a configuration.

    Args:
        images: a path, or images as `infogan.train` takes them.
    """

    def __init__(self, images: Any) -> None:
        self.in_memory = not isinstance(images, str | Path)
        self._images = images

    @property
    def source(self) -> str | Path:
        """The source of the configuration, as in `infogan.configure`."""
        return "folder" if self.in_memory else self._images

    def __str__(self) -> str:
        return "the images" if self.in_memory else str(self._images)

    def load(self, config: DataConfig) -> Dataset:
        """Return the images in two splits."""
        if self.in_memory:
            return data.from_found(data.as_found(self._images, config), config)
        return data.load(config)

    def native_size(self, config: DataConfig) -> tuple[int, bool]:
        """Return the size of the images if none is configured, and True if they are prepared in it."""
        if self.in_memory:
            return prepared.form(data.as_found(self._images, config), config)[0], False
        path = Path(str(config.path)).expanduser()
        return loading.native_form(config)[0], prepared.is_prepared(path)

    def load_all(self, config: DataConfig) -> tuple[UInt8[np.ndarray, "n h w c"], list[str]]:
        """Return all images of both splits, and the name of each."""
        if self.in_memory:
            return data.collect(data.as_found(self._images, config), config).named()
        return data.load_all(config)

    def audit_lines(self, config: DataConfig, dataset: Dataset) -> list[str]:
        """Return lines about the images."""
        if not self.in_memory:
            return list(dataset.audit)
        count, height, width, channels = dataset.train.images.shape
        return [
            f"{count + len(dataset.test.images):,} images of {height}x{width}x{channels}, given in Python: "
            "only files are audited"
        ]
