"""`load`: from a configuration to images, in one form and two splits, prepared once and then cached."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from infogan import file_listing, storage
from infogan.config import DataConfig
from infogan.data import prepared, preprocessing
from infogan.data.dataset import Dataset, Found, Split
from infogan.data.download import cache_folder
from infogan.data.prepared import Prepared
from infogan.data.source import SOURCES, Source
from infogan.errors import ConfigError, DataError, StorageError, did_you_mean
from infogan.file_listing import Skipped

log = logging.getLogger(__name__)


def load(config: DataConfig) -> Dataset:
    """The images that a configuration names, in one form and in two splits.

    They are read from a prepared folder: the one that `data.path` names, or one in the cache, which is made
    where it is missing, damaged, or not of the files that are there. Sources without test images of their own
    are shuffled, the same way everywhere and always, and the last `held_out` images are the test split.

    Returns:
        train and test images, uint8 [N, size, size, channels].

    Raises:
        ConfigError: no source has that name, or a setting means nothing to the source.
        DataError: images are missing, unreadable or too few.
        StorageError: a download, or the prepared images, could not be kept.
    """
    entry, config, found = _prepared(config)
    config = config.model_copy(update={"crop": found.facts["settings"]["crop"]})  # as they were made
    every = found.all
    if found.train is not None and config.held_out is not None:
        raise ConfigError(
            f"data.held_out = {config.held_out}: these images of {entry.name} have test images of their own",
            "no held_out",
            "a configuration without data.held_out",
        )
    if found.train is None:
        train, test = _hold_out(every, config, entry)
    else:
        train, test = every.take(slice(found.train)), every.take(slice(found.train, None))
    return _dataset(entry, config, train, test, found.skipped)


def every(config: DataConfig) -> tuple[UInt8[np.ndarray, "n h w c"], list[str]]:
    """All images that a configuration names, in whatever split, and the name of each.

    Returns:
        The images as they were prepared; and their paths below the source's own, or their places.

    Raises:
        ConfigError, DataError, StorageError: as of `load`.
    """
    found = _prepared(config)[2]
    images = found.all.images
    return images, list(found.names) or [str(index) for index in range(len(images))]


def _prepared(config: DataConfig) -> tuple[Source, DataConfig, Prepared]:
    """The source that a configuration names, the configuration with its crop, and what was prepared of it."""
    entry = _find(config)
    config = _cropped(entry, config)
    given = _given(entry, config)
    return entry, config, _opened(entry, config)[1] if given is None else given


def prepare(config: DataConfig, out: Path | None = None) -> Path:
    """Prepares the images that a configuration names, and gives the folder.

    Args:
        config: its held_out and validation do not matter here.
        out: where; None: the cache, in which what is there already is left as it is.

    Raises:
        InfoGANError: as of `load`.
    """
    entry = _find(config)
    config = _cropped(entry, config)
    if out is not None:
        _write(entry, config, out)
        return out
    return _opened(entry, config)[0]


def cached(config: DataConfig) -> Path:
    """The folder in the cache in which these images are prepared, or would be."""
    entry, known = _find(config), SOURCES
    place = Path(config.path).expanduser() if config.path is not None else entry.place and entry.place()
    key = {
        "versions": [preprocessing.VERSION, prepared.VERSION],
        "sources": [[one, known[one].version] for one in (entry.name, *entry.accepts)],
        # Where they lie, too: two files of one name, size and time may still be different ones.
        "place": str(place.resolve()) if place else None,
        "files": [file_listing.listing(one) for one in _read_files(entry, place)],
        **config.model_dump(include={"size", "channels", "crop", "count"}),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return prepared_folder() / f"{entry.name}-{digest[:16]}"


def _read_files(entry: Source, place: Path | None) -> list[Path]:
    """What the images come from: where they lie, and what lies beside."""
    if place is None:
        return []
    return [place, *(path for name in entry.beside if (path := place.parent / name).exists())]


def prepared_folder() -> Path:
    """Where the cache keeps prepared images."""
    return cache_folder() / "prepared"


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
    entry = _find(config)
    every = Split(images, labels)
    size = config.size or preprocessing.common_size({(images.shape[2], images.shape[1])})
    brought = Split(preprocessing.bring(images, size, config.channels, config.crop), truth=every.truth)
    train, test = _hold_out(brought.take(prepared.shuffle(len(images))), config, entry)
    return _dataset(entry, config, train, test)


def _cropped(entry: Source, config: DataConfig) -> DataConfig:
    """The configuration with the source's own crop, where it has one and nobody says another."""
    if config.crop is not None or entry.crop is None:
        return config
    return config.model_copy(update={"crop": entry.crop})


def _opened(entry: Source, config: DataConfig) -> tuple[Path, Prepared]:
    """The images out of the cache, where they are put first if need be, and their folder."""
    folder = cached(config)
    if folder.exists():
        try:
            return folder, prepared.read(folder)
        except StorageError as error:
            log.warning("%s; it is made anew", str(error).partition("\n")[0])
            storage.remove_folder(folder)
    # A download may bring the files, and with them another folder.
    found = entry.read(config)
    folder = cached(config)
    _write(entry, config, folder, found)
    return folder, prepared.read(folder)


def _write(entry: Source, config: DataConfig, folder: Path, found: Found | None = None) -> None:
    from infogan import __version__  # late: the package's front imports this room

    facts: dict[str, Any] = {"source": entry.name, "infogan": __version__}
    facts["settings"] = config.model_dump(include={"size", "channels", "crop", "count", "path"})
    found = entry.read(config) if found is None else found
    count = prepared.count(found)
    if config.count not in (None, count):
        raise ConfigError(
            f"data.count = {config.count}: {config.path} holds {count} pictures, which are not drawn",
            "no count",
            "a configuration without data.count",
        )
    prepared.write(folder, found, config, facts)


def _given(entry: Source, config: DataConfig) -> Prepared | None:
    """What the path holds, where it is a prepared folder."""
    path = None if config.path is None else Path(config.path).expanduser()
    if path is None or not prepared.is_prepared(path):
        return None
    found = prepared.read(path)
    if found.facts["source"] not in (entry.name, *entry.accepts) and entry.name != "folder":
        raise DataError(
            f"{path} holds prepared images of {found.facts['source']}",
            f"images of {entry.name}",
            f"infogan data prepare {entry.name}, or --data with where its files lie",
        )
    settings = found.facts["settings"]
    is_of = {"size": found.images.shape[1], "channels": found.images.shape[3]}
    is_of |= {key: settings[key] for key in ("crop", "count")}
    for key, value in is_of.items():
        if getattr(config, key) not in (None, value):
            raise DataError(
                f"{path} holds images of {key} {value}, not {getattr(config, key)}",
                f"images prepared with {key} {getattr(config, key)}",
                f"infogan data prepare, with another --out; or no {key}, to take them as they are",
            )
    return found


def _dataset(
    entry: Source, config: DataConfig, train: Split, test: Split, skipped: tuple[Skipped, ...] = ()
) -> Dataset:
    split = "test"
    if config.validation is not None:
        train, test = _validation(train, config.validation)
        split = "validation"
    return Dataset(entry.name, train, test, skipped, entry.handwriting, split, config.crop)


def _find(config: DataConfig) -> Source:
    known = SOURCES
    if config.source not in known:
        raise ConfigError(
            f"data.source = {config.source!r}: no such source{did_you_mean(config.source, known)}",
            f"one of {', '.join(known)}",
            "infogan data list, or --set data.source=folder with --data FOLDER for own images",
        )
    entry = known[config.source]
    if config.path is not None and not entry.takes_path:
        raise ConfigError(
            f"data.path = {config.path!r}: {entry.name} reads no path, its images are its own",
            "no path",
            f"no --data for {entry.name}, or --set data.source=folder to read those images",
        )
    if config.held_out is not None and entry.held_out is None:
        raise ConfigError(
            f"data.held_out = {config.held_out}: {entry.name} has test images of its own",
            "no held_out",
            "a configuration without data.held_out",
        )
    if config.count is not None and not entry.draws:
        raise ConfigError(
            f"data.count = {config.count}: {entry.name} draws no images",
            f"a source that does: {', '.join(name for name, one in known.items() if one.draws)}",
            "a configuration without data.count",
        )
    if config.crop is not None and entry.draws and not entry.accepts:
        raise ConfigError(
            f"data.crop = {config.crop}: {entry.name} draws its images, whole",
            "no crop",
            "a configuration without data.crop",
        )
    return entry


def _hold_out(pool: Split, config: DataConfig, entry: Source) -> tuple[Split, Split]:
    """Training images, and behind them so many test images."""
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
    return pool.take(slice(count - held_out)), pool.take(slice(count - held_out, None))


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
    return train.take(slice(most + 1 - count)), train.take(slice(most + 1 - count, None))
