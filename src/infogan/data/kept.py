"""Images that a run keeps: those of a training on images in memory, so that the run needs nothing else.

They are a prepared folder, RUN/images, whose manifest also has the split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from infogan.config import DataConfig
from infogan.data import prepared
from infogan.data.dataset import Dataset, Found
from infogan.errors import StorageError

_ENTRY = "dataset"


def in_memory(dataset: Dataset) -> bool:
    """Return True if the images are not a memory map of prepared images, which can be loaded again."""
    return not isinstance(dataset.train.images, np.memmap)


def write(folder: Path, dataset: Dataset) -> None:
    """Write both splits of a data set.

    Args:
        folder: to write; an existing one is replaced.
        dataset: square images.

    Raises:
        UsageError, StorageError: as in `prepared.write`.
    """
    _, size, _, channels = dataset.train.images.shape
    form: dict[str, Any] = {"size": size, "channels": channels}
    entry = {
        "split": dataset.split,
        "split_version": dataset.split_version,
        "split_at": dataset.split_at,
        "crop": dataset.crop,
        "handwriting": dataset.handwriting,
    }
    facts = {
        "source": dataset.name,
        "settings": {**form, "crop": dataset.crop, "count": None, "path": None},
        _ENTRY: entry,
    }
    given = {"source": dataset.name, "split_version": dataset.split_version, **form}
    config = DataConfig.model_validate(given)
    prepared.write(folder, Found(dataset.train, dataset.test), config, facts)


def holds(folder: Path) -> bool:
    """Return True if `write` wrote this folder; the files are not verified."""
    return _ENTRY in prepared.facts_of(folder)


def read(folder: Path) -> Dataset:
    """Read a data set that `write` wrote: the same images in the same splits.

    Raises:
        StorageError: a file is missing or damaged.
    """
    stored = prepared.read(folder)
    try:
        start, split = int(stored.train or 0), dict(stored.facts[_ENTRY])
        train, test = (stored.all.take(rows) for rows in (slice(start), slice(start, None)))
        return Dataset(str(stored.facts["source"]), train, test, **split)
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{folder} is not a data set that a run keeps: {error!r}",
            "the folder images of a run that was trained on images in memory",
            "another copy of the run",
        ) from None
