"""Load the images of a configuration: read the source once, cache the preprocessed images, and split them."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from infogan import file_listing, storage
from infogan.config import DataConfig
from infogan.data import prepared, preprocessing
from infogan.data.dataset import Dataset, Found, Split
from infogan.data.download import cache_folder
from infogan.data.prepared import Prepared
from infogan.data.source import SOURCES, Source, path_of, unsupported
from infogan.errors import DataError, StorageError
from infogan.file_listing import Skipped

log = logging.getLogger(__name__)


def load(config: DataConfig) -> Dataset:
    """Load the images that a configuration names, preprocessed and in two splits.

    They are read from a folder of preprocessed images: the one that `data.path` names, or one in the cache.
    The latter is created if it is missing, damaged or out of date. Images of a source without a test split
    are shuffled by a fixed permutation, and the last `held_out` of them become the test split.

    Returns:
        train and test images, uint8 [N, size, size, channels].

    Raises:
        UsageError: no source has that name.
        ConfigError: a setting does not apply to the source.
        DataError: images are missing, unreadable or too few.
        StorageError: a download or the prepared images could not be stored.
    """
    entry, stored = _open(config)
    config = config.model_copy(update={"crop": stored.facts["settings"]["crop"]})  # as they were prepared
    images = stored.all
    if stored.train is None:
        train, test = _hold_out(images, config, entry)
    elif config.held_out is not None:
        raise unsupported(config, "held_out", f"these images of {entry.name} have their own test split")
    else:
        train, test = images.take(slice(stored.train)), images.take(slice(stored.train, None))
    return _dataset(entry, config, train, test, stored.skipped)


def load_all(config: DataConfig) -> tuple[UInt8[np.ndarray, "n h w c"], list[str]]:
    """Load all images that a configuration names, of both splits, and the name of each.

    Returns:
        the prepared images; and their paths below `data.path`, or their indices if they are not files.

    Raises:
        UsageError, ConfigError, DataError, StorageError: as in `load`.
    """
    return _open(config)[1].named()


def prepare(config: DataConfig, out: Path | None = None) -> Path:
    """Preprocess the images that a configuration names, and return the folder that they are stored in.

    Args:
        config: its held_out and validation are ignored.
        out: the folder; None: one in the cache, which is reused if it exists.

    Raises:
        InfoGANError: as in `load`.
    """
    entry, config = _resolve(config)
    if out is None:
        return _open_cached(entry, config)[0]
    _write(entry, config, out, entry.read(config))
    return out


def cached(config: DataConfig) -> Path:
    """Return the folder in the cache in which these images are stored, if they are preprocessed."""
    entry, config = _resolve(config)
    path = path_of(config) if config.path is not None or entry.default_path else None
    files = [] if path is None else [path, *(path.parent / name for name in entry.sidecars)]
    key = {
        "versions": [preprocessing.VERSION, prepared.VERSION],
        "sources": [[name, SOURCES[name].version] for name in (entry.name, *entry.accepts)],
        # The path as well: two files of one name, size and time may have different contents.
        "place": str(path.resolve()) if path else None,
        "files": [file_listing.listing(file) for file in files if file == path or file.exists()],
        **config.model_dump(include={"size", "channels", "crop", "count"}),
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return prepared_folder() / f"{entry.name}-{digest[:16]}"


def prepared_folder() -> Path:
    """Return the part of the cache that holds prepared images."""
    return cache_folder() / "prepared"


def from_array(
    images: UInt8[np.ndarray, "n h w c"], config: DataConfig, labels: Int64[np.ndarray, " n"] | None = None
) -> Dataset:
    """Preprocess and split images in memory, in the same way as those of a folder.

    Args:
        images: 0..255, with 1, 3 or 4 channels.
        config: its size, channels, crop and held_out are used.
        labels: used for evaluation only.

    Raises:
        DataError: the array is not of that form, or has too few images.
    """
    entry, config = _resolve(config)
    given = Split(images, labels)
    size = config.size or preprocessing.common_size({(images.shape[2], images.shape[1])})
    pool = Split(preprocessing.preprocess(images, size, config.channels, config.crop), truth=given.truth)
    train, test = _hold_out(pool.take(prepared.shuffle(len(images))), config, entry)
    return _dataset(entry, config, train, test)


def _resolve(config: DataConfig) -> tuple[Source, DataConfig]:
    """Return the source that a configuration names, and the configuration with the source's default crop."""
    entry = SOURCES.find(config.source)
    name = entry.name
    renderers = ", ".join(other.name for other in SOURCES.values() if other.renders)
    for key, applies, reason in (
        ("path", entry.takes_path, f"{name} reads no path, its images are its own"),
        ("held_out", entry.held_out is not None, f"{name} has its own test split"),
        ("count", entry.renders, f"{name} renders no images; these sources do: {renderers}"),
        ("crop", not entry.renders or entry.accepts, f"{name} renders its images, which are not cropped"),
    ):
        if getattr(config, key) is not None and not applies:
            raise unsupported(config, key, reason)
    crop = entry.crop if config.crop is None else config.crop
    return entry, config.model_copy(update={"crop": crop})


def _open(config: DataConfig) -> tuple[Source, Prepared]:
    """Return the source, and its prepared images: those in `data.path`, or those in the cache."""
    entry, config = _resolve(config)
    if config.path is not None and prepared.is_prepared(path_of(config)):
        return entry, _read_given(entry, config, path_of(config))
    return entry, _open_cached(entry, config)[1]


def _open_cached(entry: Source, config: DataConfig) -> tuple[Path, Prepared]:
    """Return the folder in the cache and its images; they are preprocessed first if necessary."""
    folder = cached(config)
    if folder.exists():
        try:
            return folder, prepared.read(folder)
        except StorageError as error:
            log.warning("%s; it is prepared again", str(error).partition("\n")[0])
            storage.remove_folder(folder)
    found = entry.read(config)
    folder = cached(config)  # again: a download changes the files, and with them the key
    _write(entry, config, folder, found)
    return folder, prepared.read(folder)


def _write(entry: Source, config: DataConfig, folder: Path, found: Found) -> None:
    from infogan import __version__  # late: infogan/__init__.py imports this package

    count = prepared.count(found)
    if config.count not in (None, count):
        raise unsupported(config, "count", f"{config.path} holds {count} pictures, which are not rendered")
    settings = config.model_dump(include={"size", "channels", "crop", "count", "path"})
    facts = {"source": entry.name, "infogan": __version__, "settings": settings}
    prepared.write(folder, found, config, facts)


def _read_given(entry: Source, config: DataConfig, path: Path) -> Prepared:
    """Return the images of a prepared folder, if they are of that source and have the configured form."""
    stored = prepared.read(path)
    if stored.facts["source"] not in (entry.name, *entry.accepts) and entry.name != "folder":
        raise DataError(
            f"{path} holds prepared images of {stored.facts['source']}",
            f"images of {entry.name}",
            f"infogan data prepare {entry.name}, or the path of its files as data.path",
        )
    settings = stored.facts["settings"]
    form = {"size": stored.images.shape[1], "channels": stored.images.shape[3]}
    for key, value in (form | {key: settings[key] for key in ("crop", "count")}).items():
        if getattr(config, key) not in (None, value):
            raise DataError(
                f"{path} holds images of {key} {value}, not {getattr(config, key)}",
                f"images prepared with {key} {getattr(config, key)}",
                f"no {key}, to use them as they are; or infogan data prepare, into another folder",
            )
    return stored


def _dataset(
    entry: Source, config: DataConfig, train: Split, test: Split, skipped: tuple[Skipped, ...] = ()
) -> Dataset:
    """Return the data set; with `data.validation` the last training images replace the test split.

    Hyperparameters are chosen on this validation split, so that the test images remain unseen.
    """
    split = "test"
    if config.validation is not None:
        train, test = _split_end(train, config.validation, "validation", entry.name)
        split = "validation"
    return Dataset(entry.name, train, test, skipped, entry.handwriting, split, config.crop)


def _hold_out(pool: Split, config: DataConfig, entry: Source) -> tuple[Split, Split]:
    """Hold out the last `data.held_out` images, or the number that the source declares."""
    if entry.held_out is None:
        raise TypeError(f"the source {entry.name!r} declares held_out=None, but returned no test images")
    held_out = config.held_out
    if held_out is None:
        default = entry.held_out
        held_out = default if isinstance(default, int) else max(1, round(default * len(pool.images)))
    return _split_end(
        pool, held_out, "held_out", f"{entry.name} in {config.path}" if config.path else entry.name
    )


def _split_end(pool: Split, count: int, key: str, where: str) -> tuple[Split, Split]:
    """Return all images except the last `count`, and the last `count` images."""
    total = len(pool.images)
    if count >= total:
        raise DataError(
            f"data.{key} = {count}: there are {total} images of {where}",
            f"at most {total - 1}, so that at least 1 is left for training",
            f"data.{key}={max(1, total // 10)}",
            command=f"--set data.{key}={max(1, total // 10)}",
        )
    return pool.take(slice(total - count)), pool.take(slice(total - count, None))
