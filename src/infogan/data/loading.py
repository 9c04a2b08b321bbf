"""Load the images of a configuration: read the source once, cache the preprocessed images, and split them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from infogan import file_listing, storage
from infogan.config import DataConfig
from infogan.config.value_range import ValueRange
from infogan.data import cache, kept, prepared, preprocessing, splits, verification
from infogan.data.audit import Audit
from infogan.data.dataset import Dataset, Found, Split
from infogan.data.prepared import Prepared
from infogan.data.source import SOURCES, Source, path_of, unsupported
from infogan.errors import DataError, StorageError
from infogan.file_listing import Skipped

log = logging.getLogger(__name__)

OWN = ("fit", "range", "background", "frames", "exclude", "allow_unreadable", "follow_links", "split_by",
       "revision")  # fmt: skip
"""Settings that only some sources use."""

_ANY = 10**7  # files that may be unreadable

Keys: TypeAlias = Float64[np.ndarray, " n"]

_OF_SPLIT = ("held_out", "split_at", "validation")


def load(config: DataConfig) -> Dataset:
    """Load the images that a configuration names, preprocessed and in two splits.

    They are read from a folder of preprocessed images: the one that `data.path` names, or one in the cache.
    The latter is created if it is missing, damaged or out of date. If a source has no test images, some are
    held out as `infogan.data.splits` describes.

    Returns:
        train and test images, uint8 [N, size, size, channels].

    Raises:
        UsageError: no source has that name.
        ConfigError: a setting does not apply to the source.
        DataError: images are missing, unreadable or too few.
        StorageError: a download or the prepared images could not be stored.
    """
    if config.path is not None and kept.holds(path_of(config)):
        return kept.read(path_of(config))
    return _split(*_open(config), config)


def _split(entry: Source, stored: Prepared, config: DataConfig) -> Dataset:
    """Return prepared images in two splits."""
    as_prepared = {
        "crop": stored.facts["settings"]["crop"],
        "split_version": stored.facts.get("split_version", splits.BY_NUMBER),
    }
    return _from_prepared(entry, config.model_copy(update=as_prepared), stored)


def _from_prepared(entry: Source, config: DataConfig, stored: Prepared) -> Dataset:
    """Return prepared images in two splits."""
    if stored.train is None:
        start = _test_start(len(stored.images), stored.keys, config, entry)
    else:
        start = stored.train
        for key in ("held_out", "split_at"):
            if getattr(config, key) is not None:
                raise unsupported(config, key, f"these images of {entry.name} have their own test split")
    keys = stored.keys if stored.train is None else None
    dataset = _dataset(entry, config, _Pool(stored.all, keys, start, stored.skipped))
    value_range = stored.facts.get("range")
    # A prepared folder of a hub's data set may be given as a folder, which has no revision.
    revision = stored.facts.get("settings", {}).get("revision") if "revision" in entry.settings else None
    dataset = replace(
        dataset, value_range=value_range, revision=revision, audit=stored.audit, problem=stored.problem
    )
    return _with_fingerprint(dataset, stored)


def audit_lines(config: DataConfig) -> tuple[str, ...]:
    """Return the lines of the audit of a user's own images, which are prepared first if necessary.

    Raises:
        InfoGANError: as in `load`.
    """
    return _open(config)[1].audit


def audit(config: DataConfig) -> Audit:
    """Decode all images of a user's own once, and return what they are. Nothing is written.

    Raises:
        InfoGANError: as in `load`; but any number of files may be unreadable.
    """
    entry, config = _resolve(config)
    config = config.model_copy(update={"allow_unreadable": _ANY})
    return prepared.examine(entry.read(config), config)


def native_form(config: DataConfig) -> tuple[int, int]:
    """Return the size and the channels that images have if none are configured; none of them is decoded.

    Raises:
        InfoGANError: as in `load`.
    """
    entry, resolved = _resolve(config)
    if config.path is not None and prepared.is_prepared(path_of(config)):
        shape = prepared.read(path_of(config)).images.shape[1:]
    else:
        shape = prepared.form(entry.read(resolved), resolved)
    return shape[0], shape[2]


def _with_fingerprint(dataset: Dataset, stored: Prepared) -> Dataset:
    """Return the data set; with its fingerprint, if it is kept for these images."""
    if stored.folder is None or not verification.is_large(stored.facts):
        return dataset
    split = (
        f"{len(dataset.train.images)} {len(dataset.test.images)}"  # the first images, and those after them
    )
    known = verification.fingerprint(stored.folder, stored.facts, split)
    if known is None:
        verification.remember_fingerprint(stored.folder, stored.facts, split, dataset.fingerprint)
        return dataset
    return replace(dataset, known_fingerprint=known)


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
        folder, stored = _open_cached(entry, config)
    else:
        _write(entry, config, out, entry.read(config))
        folder, stored = out, prepared.read(out)
    if verification.is_large(stored.facts):  # so that training need not read all images before its first step
        _split(entry, stored, config.model_copy(update=dict.fromkeys(_OF_SPLIT)))
    return folder


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
        "files": [
            file_listing.listing(file, follow_links=bool(config.follow_links))
            for file in files
            if file == path or file.exists()
        ],
        **config.model_dump(include={"size", "channels", "crop", "count"}),
    }
    key |= {name: value for name in OWN if (value := getattr(config, name)) is not None}
    if config.split_version != splits.BY_NUMBER:  # which earlier releases knew alone
        key["split_version"] = config.split_version
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache.prepared_folder() / f"{entry.name}-{digest[:16]}"


def from_array(
    images: UInt8[np.ndarray, "n h w c"], config: DataConfig, labels: Int64[np.ndarray, " n"] | None = None
) -> Dataset:
    """Preprocess and split images in memory, in the same way as those of a folder.

    Args:
        images: 0..255, with 1, 3 or 4 channels.
        config: its size, channels, crop, and what concerns the split are used.
        labels: used for evaluation only.

    Raises:
        DataError: the array is not of that form, or has too few images.
    """
    return from_found(Found(Split(images, labels)), config)


def from_found(found: Found, config: DataConfig) -> Dataset:
    """Preprocess and split images into memory, in the same way as those of a folder.

    Args:
        found: the images, such as those of `python_images.as_found`.
        config: as in `from_array`.

    Raises:
        DataError: over 1 % of the images cannot be read, or too few are left.
    """
    entry, config = _resolve(config)
    chosen = None if config.range is None else ValueRange.parse(config.range)
    if chosen is not None and chosen.percentiles:
        config = config.model_copy(update={"range": str(_percentiles(found, chosen))})
    dataset = _from_prepared(entry, config, prepared.collect(found, config))
    return replace(dataset, value_range=config.range)


def _percentiles(found: Found, chosen: ValueRange) -> ValueRange:
    """Return the values at two percentiles of images in memory."""
    if not isinstance(found.train, Split):
        raise preprocessing.percentiles_unmeasured(str(chosen))
    low, high = np.percentile(found.train.images, [chosen.low, chosen.high]).tolist()
    return ValueRange.spanning(low, high)


def _resolve(config: DataConfig) -> tuple[Source, DataConfig]:
    """Return the configuration's source, and the configuration with the source's crop and split version."""
    entry = SOURCES.find(config.source)
    name = entry.name
    renderers = ", ".join(other.name for other in SOURCES.values() if other.renders)
    for key, applies, reason in (
        ("path", entry.takes_path, f"{name} reads no path, its images are its own"),
        ("held_out", entry.held_out is not None, f"{name} has its own test split"),
        ("count", entry.renders, f"{name} renders no images; these sources do: {renderers}"),
        ("crop", not entry.renders or entry.accepts, f"{name} renders its images, which are not cropped"),
        *((key, key in entry.settings, f"{name} does not use it") for key in OWN),
    ):
        if getattr(config, key) is not None and not applies:
            raise unsupported(config, key, reason)
    defaults = {"crop": entry.crop, "split_version": entry.split_version}
    unset = {key: value for key, value in defaults.items() if getattr(config, key) is None}
    return entry, config.model_copy(update=unset)


def _open(config: DataConfig) -> tuple[Source, Prepared]:
    """Return the source, and its prepared images: those in `data.path`, or those in the cache."""
    entry, resolved = _resolve(config)
    if config.path is not None and prepared.is_prepared(path_of(config)):
        given = resolved.model_copy(update={"split_version": config.split_version})
        return entry, _read_given(entry, given, path_of(config))
    return entry, _open_cached(entry, resolved)[1]


def _open_cached(entry: Source, config: DataConfig) -> tuple[Path, Prepared]:
    """Return the folder in the cache and its images; they are preprocessed first if necessary."""
    key, note = _note(entry, config)
    known = {key: note.read_text(encoding="utf-8")} if note is not None and note.is_file() else {}
    folder = cached(config.model_copy(update=known))
    if (stored := _read_cached(folder)) is not None:
        return folder, stored
    # Without prepared images, a branch of the hub is looked up again: it may have moved.
    found = entry.read(config if key == "revision" else config.model_copy(update=known))
    if (value := found.revision if key == "revision" else found.value_range) is not None:
        _, note = _note(entry, config)
        if note is not None and str(value) != getattr(config, key):
            note.parent.mkdir(parents=True, exist_ok=True)
            storage.write_text(note, str(value))
        config = config.model_copy(update={key: str(value)})
    folder = cached(config)  # again: a download changes the files, and with them the key
    with cache.writing(folder):
        if (stored := _read_cached(folder)) is None:  # not prepared by another process meanwhile
            if folder.exists():
                storage.remove_folder(folder)
            _write(entry, config, folder, found)
            stored = prepared.read(folder)
    return folder, stored


def _read_cached(folder: Path) -> Prepared | None:
    """Return the prepared images in a folder of the cache; None if there are none, or they are damaged."""
    if not folder.exists():
        return None
    try:
        stored = prepared.read(folder)
    except StorageError as error:
        log.warning("%s; it is prepared again", str(error).partition("\n")[0])
        return None
    cache.mark_used(folder)
    return stored


def _note(entry: Source, config: DataConfig) -> tuple[str, Path | None]:
    """Return a setting that reading the images resolves, and the file with its value.

    It is the values at percentiles, or the commit of a branch of the hub. Without either, there is no file.
    """
    place = cache.prepared_folder().parent
    if "revision" in entry.settings:
        return "revision", place / "revisions" / cached(config).name
    percentiles = config.range is not None and ValueRange.parse(config.range).percentiles
    return "range", place / "ranges" / cached(config).name if percentiles else None


def _write(entry: Source, config: DataConfig, folder: Path, found: Found) -> None:
    from infogan import __version__  # lazy: infogan/__init__.py imports this package

    count = prepared.count(found)
    if config.count not in (None, count):
        raise unsupported(config, "count", f"{config.path} holds {count} pictures, which are not rendered")
    settings = config.model_dump(include={"size", "channels", "crop", "count", "path"})
    settings |= {name: value for name in OWN if (value := getattr(config, name)) is not None}
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
    form |= {key: settings[key] for key in ("crop", "count")}
    form["split_version"] = stored.facts.get("split_version", splits.BY_NUMBER)
    for key, value in form.items():
        if getattr(config, key) not in (None, value):
            raise DataError(
                f"{path} holds images of {key} {value}, not {getattr(config, key)}",
                f"images prepared with {key} {getattr(config, key)}",
                f"no {key}, to use them as they are; or infogan data prepare, into another folder",
            )
    _check_settings(config, settings | {"range": stored.facts.get("range")}, path)
    return stored


def _check_settings(config: DataConfig, settings: Mapping[str, Any], path: Path) -> None:
    """Check that no setting differs from those that images were prepared with."""
    for name in OWN:
        known, wanted = settings.get(name), getattr(config, name)
        known = tuple(known) if isinstance(known, list) else known
        if wanted not in (None, known):
            raise DataError(
                f"{path} holds images prepared with {name} {known}, not {wanted}",
                f"images prepared with {name} {wanted}",
                f"no {name}, to use them as they are; or infogan data prepare, into another folder",
            )


@dataclass(frozen=True)
class _Pool:
    """All images in the order of the split.

    Attributes:
        images: training images, then test images.
        keys: of the images, where the split is by content.
        start: index of the first test image.
        skipped: files that could not be read.
    """

    images: Split
    keys: Keys | None
    start: int
    skipped: tuple[Skipped, ...] = ()

    @property
    def split_at(self) -> float | None:
        """Key of the first test image, unless a training image has the same one."""
        if self.keys is None or self.keys[self.start - 1] == self.keys[self.start]:
            return None
        return float(self.keys[self.start])


def _dataset(entry: Source, config: DataConfig, pool: _Pool) -> Dataset:
    """Return the data set; with `data.validation` the last training images replace the test split.

    Hyperparameters are chosen on this validation split, so that the test images remain unseen.
    """
    train, test, split = slice(pool.start), slice(pool.start, None), "test"
    if config.validation is not None:
        keys = None if pool.keys is None else pool.keys[: pool.start]
        start = _end(pool.start, keys, config.validation, "validation", entry.name)
        train, test, split = slice(start), slice(start, pool.start), "validation"
    return Dataset(
        entry.name,
        pool.images.take(train),
        pool.images.take(test),
        pool.skipped,
        entry.handwriting,
        split,
        config.crop,
        config.split_version or entry.split_version,
        pool.split_at,
    )


def _test_start(total: int, keys: Keys | None, config: DataConfig, entry: Source) -> int:
    """Return the index of the first test image: at `data.split_at`, or for `data.held_out` test images."""
    if entry.held_out is None:
        raise TypeError(f"the source {entry.name!r} declares held_out=None, but returned no test images")
    where = f"{entry.name} in {config.path}" if config.path else entry.name
    if config.split_at is not None:
        return _start_at(config.split_at, keys, config, where)
    held_out = config.held_out
    if held_out is None:
        default = entry.held_out
        held_out = default if isinstance(default, int) else max(1, round(default * total))
    return _end(total, keys, held_out, "held_out", where)


def _start_at(split_at: float, keys: Keys | None, config: DataConfig, where: str) -> int:
    """Return the index of the first image whose key is `split_at` or above."""
    if keys is None:
        raise unsupported(config, "split_at", "these images are not split by their content")
    if config.held_out is not None:
        raise unsupported(config, "held_out", f"data.split_at = {split_at} sets the test images")
    start = int(np.searchsorted(keys, split_at))
    if start in (0, len(keys)):
        raise DataError(
            f"none of {len(keys)} images of {where} is a {'test' if start else 'training'} image: their keys "
            f"are from {keys[0]:.3f} to {keys[-1]:.3f}, and data.split_at is {split_at:.3f}",
            "images on both sides of the boundary that the run recorded",
            "more of the images that the run was trained on; or infogan.train, for a new run",
            command="more of the images that the run was trained on; or infogan train, for a new run",
        )
    return start


def _end(total: int, keys: Keys | None, count: int, key: str, where: str) -> int:
    """Return the index after which the last `count` of `total` images lie."""
    if count >= total:
        raise DataError(
            f"data.{key} = {count}: there are {total} images of {where}",
            f"at most {total - 1}, so that at least 1 is left for training",
            f"data.{key}={max(1, total // 10)}",
            command=f"--set data.{key}={max(1, total // 10)}",
        )
    return total - count if keys is None else splits.boundary(keys, count)
