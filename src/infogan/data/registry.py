"""The registry of sources, and `load`: the one way from a configuration to images.

`load` does for every source alike what no source should do by itself: one size, one number of channels, and
the same split into training and test images on every machine.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8

from infogan.config import DataConfig
from infogan.data.dataset import Dataset, Found, Split
from infogan.data.form import bring, common_size
from infogan.errors import ConfigError, DataError, did_you_mean

_SPLIT_KEY = 20160612
"""Key of the shuffle before images are held out. Part of every published number: never change it."""

Read = Callable[[DataConfig], Found]


@dataclass(frozen=True)
class Source:
    """An entry of the registry.

    Attributes:
        name: as in `data.source` of a configuration.
        summary: first line of the function's docstring.
        read: finds the images.
        held_out: test images by default, a count (int) or a share (float); None: the source has its own.
        takes_path: whether `data.path` means something to it.
        handwriting: whether its images are strokes, white on black.
    """

    name: str
    summary: str
    read: Read
    held_out: int | float | None
    takes_path: bool
    handwriting: bool = False


_SOURCES: dict[str, Source] = {}


def source(
    name: str, *, held_out: int | float | None = 0.1, takes_path: bool = True, handwriting: bool = False
) -> Callable[[Read], Read]:
    """Registers a function from a configuration to images as the source `name`.

    Args:
        name: as users type it.
        held_out: how many images make the test split by default, a count (int) or a share (float); None: the
            source has test images of its own, and returns them.
        takes_path: False: a `data.path` is refused, because the source would ignore it.
        handwriting: True: the images are strokes, white on black, and are measured as such.
    """

    def register(read: Read) -> Read:
        if name in _SOURCES:
            raise ValueError(f"two sources are named {name!r}: {_SOURCES[name].read.__module__} has one")
        if not read.__doc__:
            raise ValueError(f"the source {name!r} has no docstring; its first line is what users read")
        summary = read.__doc__.strip().splitlines()[0]
        _SOURCES[name] = Source(name, summary, read, held_out, takes_path, handwriting)
        return read

    return register


def sources() -> dict[str, str]:
    """The names that `data.source` may have, each with what it is, in one line."""
    _import_all()
    return {name: _SOURCES[name].summary for name in sorted(_SOURCES)}


def load(config: DataConfig) -> Dataset:
    """The images that a configuration names, in one form and in two splits.

    Sources without test images of their own are shuffled, the same way everywhere and always, and the last
    `held_out` images are the test split.

    Returns:
        train and test images, uint8 [N, size, size, channels].

    Raises:
        ConfigError: no source has that name, or a setting means nothing to the source.
        DataError: images are missing, unreadable or too few.
        StorageError: a download could not be kept.
    """
    entry = _find(config)
    return _prepare(entry, entry.read(config), config)


def from_array(
    images: UInt8[np.ndarray, "n h w c"], config: DataConfig, labels: Int64[np.ndarray, " n"] | None = None
) -> Dataset:
    """Images that are already in memory, split and brought to one form as those of a folder are.

    Args:
        images: 0..255, with 1, 3 or 4 channels.
        config: its size, channels and held_out.
        labels: only for measuring.

    Raises:
        DataError: the array is not of that form, or has too few images.
    """
    return _prepare(_find(config), Found(Split(images, labels)), config)


def _prepare(entry: Source, found: Found, config: DataConfig) -> Dataset:
    """Two splits of one form."""
    train, test = found.train, found.test
    if test is None:
        train, test = _hold_out(found.train, config, entry)
    if config.validation is not None:
        train, test = _validation(train, config.validation)
    size = config.size
    if size is None:
        size = common_size({(split.images.shape[2], split.images.shape[1]) for split in (train, test)})
    train = Split(bring(train.images, size, config.channels), train.labels)
    test = Split(bring(test.images, size, config.channels), test.labels)
    if train.images.shape[1:] != test.images.shape[1:]:
        raise DataError(
            f"{entry.name}: training images have {train.images.shape[3]} channels, "
            f"test images {test.images.shape[3]}",
            "one number for all",
            "--set data.channels=1, to make all gray",
        )
    split = "test" if config.validation is None else "validation"
    return Dataset(entry.name, train, test, found.skipped, entry.handwriting, split)


def _import_all() -> None:
    """Imports every file of the package, so that each has registered its source."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")


def _find(config: DataConfig) -> Source:
    known = sources()
    if config.source not in known:
        raise ConfigError(
            f"data.source = {config.source!r}: no such source{did_you_mean(config.source, known)}",
            f"one of {', '.join(known)}",
            "infogan data list, or --set data.source=folder with --data FOLDER for own images",
        )
    entry = _SOURCES[config.source]
    if config.path is not None and not entry.takes_path:
        raise ConfigError(
            f"data.path = {config.path!r}: {entry.name} reads no path, it comes inside a package",
            "no path",
            f"no --data for {entry.name}, or --set data.source=folder to read those images",
        )
    if config.held_out is not None and entry.held_out is None:
        raise ConfigError(
            f"data.held_out = {config.held_out}: {entry.name} has test images of its own",
            "no held_out",
            "a configuration without data.held_out",
        )
    return entry


def _hold_out(pool: Split, config: DataConfig, entry: Source) -> tuple[Split, Split]:
    count = len(pool.images)
    default = entry.held_out
    if default is None:
        raise TypeError(f"the source {entry.name!r} is registered with test images of its own, gave none")
    held_out = config.held_out
    if held_out is None:
        held_out = default if isinstance(default, int) else max(1, round(default * count))
    if held_out >= count:
        where = f" in {config.path}" if config.path else ""
        raise DataError(
            f"data.held_out = {held_out}: {entry.name} has {count} images{where}",
            f"at most {count - 1}, so that at least 1 is left to train on",
            f"--set data.held_out={max(1, count // 10)}",
        )
    order = _shuffle(count)
    return _take(pool, order[:-held_out]), _take(pool, order[-held_out:])


def _validation(train: Split, count: int) -> tuple[Split, Split]:
    """The training images without their last `count`, and these: constants are chosen on them.

    The test images are left alone, so that whoever chooses does not look at them.
    """
    most = len(train.images) - 1
    if count > most:
        raise DataError(
            f"data.validation = {count}: there are {most + 1} training images",
            f"at most {most}, so that at least 1 is left to train on",
            f"--set data.validation={max(1, most // 6)}",
        )
    order = np.arange(most + 1)
    return _take(train, order[:-count]), _take(train, order[-count:])


def _shuffle(count: int) -> Int64[np.ndarray, " count"]:
    """A fixed order of `count` images.

    Sorts Philox's raw numbers: numpy promises that those stay, and promises no such thing of `permutation`.
    """
    return np.argsort(np.random.Philox(key=_SPLIT_KEY).random_raw(count), kind="stable")


def _take(split: Split, order: Int64[np.ndarray, " m"]) -> Split:
    return Split(split.images[order], None if split.labels is None else split.labels[order])
