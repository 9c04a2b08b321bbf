"""Prepared images: one verified, memory-mapped array, with the ground truth of each image in the same folder.

A prepared folder holds `images.npy`, uint8 [N, H, W, C]; if known, `labels.npy`, `factors.npy` and
`attributes.npy`; `names.json` where images come from files; `skipped.csv` with the files that could not be
read; and a manifest with the sha256 of each. It is written under a temporary name and then renamed, so that
it is either complete or absent. Training and evaluation read only this folder, so that no file is decoded
twice.

Images of a source without a test split are stored in one of the orders of `infogan.data.splits`, which are
the same on every machine. The test images are the last ones, whatever their number, and are not copied. Where
the split is by content, `keys.npy` contains the key of each image, in ascending order.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from tqdm import tqdm

from infogan import storage
from infogan.config import DataConfig
from infogan.data import splits, verification
from infogan.data.dataset import Factor, Found, Split, Stream, Truth
from infogan.data.decoding import MOST_UNREADABLE, check_share
from infogan.data.preprocessing import common_size, preprocess_one
from infogan.errors import DataError, StorageError, UsageError
from infogan.file_listing import Skipped

VERSION = 2
"""Version of the contents of a prepared folder; a folder with another version is prepared again."""

KIND = "prepared images"
"""Identifies a prepared folder in its manifest, since infogan also writes other folders."""

_PREPARE_AGAIN = "delete this folder, or repeat the infogan data prepare that wrote it"

_IMAGES, _LABELS, _FACTORS, _ATTRIBUTES = "images.npy", "labels.npy", "factors.npy", "attributes.npy"
_NAMES, _SKIPPED, _KEYS = "names.json", "skipped.csv", "keys.npy"
_CHUNK = 1_024  # images that are copied together
_FEW_UNREADABLE = 100  # up to this number all files are tried before a source is refused


@dataclass(frozen=True, eq=False)
class Prepared:
    """Contents of a prepared folder.

    Attributes:
        images: uint8 [N, H, W, C], a memory map.
        truth: their ground truth.
        train: number of training images, which come first; None: the source has no test split.
        names: of the files that the images come from; empty if they come from none.
        skipped: files that could not be read.
        facts: the manifest.
        folder: where they are.
        keys: of the images, ascending, where the split is by content; else None.
    """

    images: UInt8[np.ndarray, "n h w c"]
    truth: Truth
    train: int | None
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    facts: Mapping[str, Any]
    folder: Path
    keys: Float64[np.ndarray, " n"] | None = None

    @property
    def all(self) -> Split:
        """All images; slices are not copied."""
        return Split(self.images, truth=self.truth)

    def named(self) -> tuple[UInt8[np.ndarray, "n h w c"], list[str]]:
        """Return the images and their names: the name of the file, or else the index."""
        return self.images, list(self.names) or [str(index) for index in range(len(self.images))]


# --- writing ---------------------------------------------------------------------------------------------


def write(folder: Path, found: Found, config: DataConfig, facts: Mapping[str, Any]) -> None:
    """Preprocess all images of a source and write them. Memory use does not grow with their number.

    Args:
        folder: the folder to write; an existing one is replaced completely.
        found: the images of the source.
        config: its size, channels and crop are used; None means those of the source. Its split version must
            be set.
        facts: entries of the manifest about the source.

    Raises:
        UsageError: the folder holds something other than prepared images.
        DataError: over 1 % of the images cannot be read, or none is left.
        StorageError: the folder cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()) and not is_prepared(folder):
        raise UsageError(
            f"{folder} contains other files than preprocessed images, and replacing it would delete them",
            "a new or empty folder, or one of prepared images",
            "another folder",
            command="another --out",
        )
    parts = _parts(found)
    form = _form(parts, config)
    manifest: dict[str, Any] = {**facts, "kind": KIND, "version": VERSION}
    # The images are written twice: first in the source's order, then in the final one.
    needed = 2 * count(found) * math.prod(form)
    with storage.building_folder(folder, manifest, needed=needed) as building:
        raw = building / "raw"
        readable, skipped = _write_raw(found, raw, form, config.crop, config.path or facts["source"])
        counts = [len(rows) for rows in readable]
        order = np.arange(sum(counts))
        if found.test is None and config.split_version == splits.BY_CONTENT:
            keys = splits.content_keys(_raw_images(raw, math.prod(form)))
            order = splits.by_key(keys)
            np.save(building / _KEYS, keys[order], allow_pickle=False)
        elif found.test is None:
            order = splits.shuffle(counts[0])
        _arrange(raw, building / _IMAGES, order, form)
        raw.unlink()
        pairs = list(zip(parts, readable, strict=True))
        truth = _concatenate([part.truth.take(rows) for part, rows in pairs]).take(order)
        manifest |= _write_truth(building, truth)
        names = [
            part.names[row] for part, rows in pairs if isinstance(part, Stream) and part.names for row in rows
        ]
        if len(names) == len(order):
            # ASCII: names that are not valid UTF-8 are escaped.
            (building / _NAMES).write_text(json.dumps([names[row] for row in order]), encoding="ascii")
        _write_skipped(building / _SKIPPED, skipped)
        manifest |= {"train": None if found.test is None else counts[0], "shape": [len(order), *form]}
        manifest["split_version"] = config.split_version


def count(found: Found) -> int:
    """Return the number of images of a source, including those that turn out to be unreadable."""
    return sum(len(part.images) if isinstance(part, Split) else part.count for part in _parts(found))


def _parts(found: Found) -> list[Split | Stream]:
    return [found.train] if found.test is None else [found.train, found.test]


def _form(parts: Sequence[Split | Stream], config: DataConfig) -> tuple[int, int, int]:
    """Return height, width and channels of all images."""
    shapes = [part.shape if isinstance(part, Stream) else part.images.shape[1:] for part in parts]
    size = config.size or common_size({(width, height) for height, width, _ in shapes})
    depths = {shape[2] for shape in shapes} if config.channels is None else {config.channels}
    if len(depths) > 1:
        raise DataError(
            f"training images have {shapes[0][2]} channels, test images {shapes[1][2]}",
            "the same number of channels in both",
            "data.channels=1, to convert all images to gray",
            command="--set data.channels=1, to convert all images to gray",
        )
    return size, size, depths.pop()


def _preprocessed(
    part: Split | Stream, form: tuple[int, int, int], crop: int | None
) -> Iterator[UInt8[np.ndarray, "h w c"] | Skipped]:
    size, _, channels = form
    if isinstance(part, Split):
        yield from (preprocess_one(image, size, channels, crop) for image in part.images)
    else:  # a stream crops its images itself
        for image in part.make():
            yield image if isinstance(image, Skipped) else preprocess_one(image, size, channels)


def _write_raw(
    found: Found, raw: Path, form: tuple[int, int, int], crop: int | None, where: str
) -> tuple[list[Int64[np.ndarray, " m"]], list[Skipped]]:
    """Write the bytes of all images one after the other.

    Returns:
        the readable rows of each part; and all files that were skipped.
    """
    total = count(found)
    files, skipped, readable = total + len(found.skipped), list(found.skipped), []
    with _progress_bar(f"preparing {Path(where).name}", total) as bar, raw.open("wb") as file:
        for part in _parts(found):
            rows = []
            for row, image in enumerate(_preprocessed(part, form, crop)):
                bar.update()
                if isinstance(image, Skipped):
                    skipped.append(image)
                    if len(skipped) > max(_FEW_UNREADABLE, MOST_UNREADABLE * files):
                        break  # the source is refused without decoding the rest
                    continue
                file.write(np.ascontiguousarray(image).data)
                rows.append(row)
            readable.append(np.array(rows, np.int64))
            check_share(where, files, skipped)
    return readable, skipped


def _progress_bar(text: str, total: int) -> tqdm:
    """Return a progress bar on stderr; it appears after a second and is updated rarely outside terminals."""
    closed = sys.stderr is None  # by the shell: 2>&-
    interval = 15.0 if closed or not sys.stderr.isatty() else 0.2
    return tqdm(
        desc=text, total=total, unit=" images", leave=False, delay=1, mininterval=interval,
        file=sys.stderr, disable=closed,
    )  # fmt: skip


def _raw_images(raw: Path, size: int) -> Iterator[bytes]:
    """Yield the bytes of each image of `raw`."""
    with raw.open("rb") as file:
        while image := file.read(size):
            yield image


def _arrange(raw: Path, target: Path, order: Int64[np.ndarray, " n"], form: tuple[int, int, int]) -> None:
    """Write the images of `raw` as one .npy array in the given order, without loading all of them."""
    size = math.prod(form)
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(order), *form)}
    with raw.open("rb") as source, target.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(order), _CHUNK):
            rows = order[start : start + _CHUNK].tolist()
            file.write(b"".join(os.pread(source.fileno(), size, row * size) for row in rows))


def _concatenate(truths: Sequence[Truth]) -> Truth:
    """Return the ground truth of all parts; a column that is missing in one part is dropped."""
    first = truths[0]
    if len(truths) == 1:
        return first
    if any(truth.classes != first.classes for truth in truths):
        raise DataError(
            f"training images have the classes {list(first.classes)}, test images {list(truths[1].classes)}",
            "the same classes in the same order",
            "another copy of the data set",
        )
    labels = [truth.labels for truth in truths if truth.labels is not None]
    return Truth(
        np.concatenate(labels) if len(labels) == len(truths) else None,
        first.classes,
        {
            name: Factor(np.concatenate([truth.factors[name].values for truth in truths]), factor.period)
            for name, factor in first.factors.items()
            if all(name in truth.factors for truth in truths)
        },
        {
            name: np.concatenate([truth.attributes[name] for truth in truths])
            for name in first.attributes
            if all(name in truth.attributes for truth in truths)
        },
    )


def _write_truth(folder: Path, truth: Truth) -> dict[str, Any]:
    """Write the columns, and return their names for the manifest."""
    if truth.labels is not None:
        np.save(folder / _LABELS, truth.labels, allow_pickle=False)
    tables = {
        _FACTORS: [factor.values for factor in truth.factors.values()],
        _ATTRIBUTES: [*truth.attributes.values()],
    }
    for name, columns in tables.items():
        if columns:
            np.save(folder / name, np.stack(columns, 1), allow_pickle=False)
    return {
        "classes": list(truth.classes),
        # A list, because the manifest sorts the keys of objects.
        "factors": [{"name": name, "period": factor.period} for name, factor in truth.factors.items()],
        "attributes": list(truth.attributes),
    }


def _write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    text = io.StringIO()
    # All quoted, because names may contain line ends.
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([Skipped._fields, *skipped])
    path.write_text(text.getvalue(), encoding="utf-8", errors="surrogateescape", newline="")


# --- reading ---------------------------------------------------------------------------------------------


def is_prepared(folder: Path) -> bool:
    """Return True if the manifest declares a folder of prepared images; the files are not verified."""
    try:
        return bool(storage.read_manifest(folder).get("kind") == KIND)
    except StorageError:
        return False


def read(folder: Path, *, thorough: bool = False) -> Prepared:
    """Open a prepared folder, after verifying the sha256 of every file.

    Args:
        folder: the folder.
        thorough: also verify a large folder whose files are in the state in which they were verified before.

    Raises:
        StorageError: a file is missing or damaged, or the folder is of another version.
    """
    manifest = storage.read_manifest(folder, _PREPARE_AGAIN)
    if thorough or not verification.is_verified(folder, manifest):
        manifest = storage.check_folder(folder, advice=_PREPARE_AGAIN)
        verification.remember(folder, manifest)
    if manifest.get("kind") != KIND or manifest.get("version") != VERSION:
        raise StorageError(
            f"{folder} holds {manifest.get('kind', 'something')!r} of version {manifest.get('version')}",
            f"{KIND} of version {VERSION}",
            _PREPARE_AGAIN,
        )
    # Copy-on-write: torch requires writable arrays, and unmodified pages are never copied.
    images = np.load(folder / _IMAGES, mmap_mode="c", allow_pickle=False)
    truth = _read_truth(folder, manifest)
    truth.check(len(images))
    names = tuple(json.loads((folder / _NAMES).read_bytes())) if _NAMES in manifest["files"] else ()
    with (folder / _SKIPPED).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        skipped = tuple(Skipped(*row) for row in list(csv.reader(file))[1:])
    keys = np.load(folder / _KEYS, allow_pickle=False) if _KEYS in manifest["files"] else None
    return Prepared(images, truth, manifest["train"], names, skipped, manifest, folder, keys)


def _read_truth(folder: Path, manifest: Mapping[str, Any]) -> Truth:
    def columns(name: str) -> list[np.ndarray]:
        if name not in manifest["files"]:
            return []
        return [np.ascontiguousarray(column) for column in np.load(folder / name, allow_pickle=False).T]

    labels = np.load(folder / _LABELS, allow_pickle=False) if _LABELS in manifest["files"] else None
    factors = zip(manifest["factors"], columns(_FACTORS), strict=True)
    attributes = zip(manifest["attributes"], columns(_ATTRIBUTES), strict=True)
    return Truth(
        labels,
        tuple(manifest["classes"]),
        {facts["name"]: Factor(values, facts["period"]) for facts, values in factors},
        dict(attributes),
    )
