"""Images prepared once: one checked memory map, and beside it what is known of each image.

A prepared folder holds `images.npy`, uint8 [N, H, W, C]; where they are known `labels.npy`, `factors.npy`
and `attributes.npy`; where images come from files `names.json`; `skipped.csv` with what could not be read;
and a manifest with the sha256 of each. It is written aside and renamed: it is whole or not there. Training
and measuring read nothing else, so that no file is decoded twice.

Where a source has no test images of its own, the images lie in an order that is shuffled once and for all,
the same everywhere: those held out are the last ones, however many, and no image is copied for it.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Int64, UInt8
from tqdm import tqdm

from infogan import storage
from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Split, Stream, Truth
from infogan.data.decoding import MOST_UNREADABLE, check_share
from infogan.data.preprocessing import bring_one, common_size
from infogan.errors import DataError, StorageError, UsageError
from infogan.file_listing import Skipped

VERSION = 2
"""Of what a prepared folder holds; another one is made anew."""

KIND = "prepared images"
"""In the manifest: what tells such a folder from other folders of infogan's."""

ANEW = "the same infogan data prepare as before, or delete this folder: whatever needs it makes it anew"

_SHUFFLE_KEY = 20160612
"""Key of the shuffle before images are held out. Part of every published number: never change it."""

_IMAGES, _LABELS, _FACTORS, _ATTRIBUTES = "images.npy", "labels.npy", "factors.npy", "attributes.npy"
_NAMES, _SKIPPED = "names.json", "skipped.csv"
_AT_ONCE = 1_024  # images that are copied together
_FEW_UNREADABLE = 100  # up to so many, all are looked at before a source with too many is given up


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a prepared folder holds.

    Attributes:
        images: uint8 [N, H, W, C], a memory map.
        truth: what is known of them.
        train: how many of them, the first ones, are training images; None: the source does not say.
        names: of the files that they come from, where they do.
        skipped: files that could not be read.
        facts: the manifest.
    """

    images: UInt8[np.ndarray, "n h w c"]
    truth: Truth
    train: int | None
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    facts: Mapping[str, Any]

    @property
    def all(self) -> Split:
        """All images; a slice of it copies none."""
        return Split(self.images, truth=self.truth)


# --- writing ---------------------------------------------------------------------------------------------


def write(folder: Path, found: Found, config: DataConfig, facts: Mapping[str, Any]) -> None:
    """Brings all images of a source to one form and writes them; memory does not grow with their number.

    Args:
        folder: where; replaced as a whole.
        found: what the source hands over.
        config: its size and channels, each None for the source's own, and crop.
        facts: what the manifest says of where they come from.

    Raises:
        UsageError: the folder holds something else than prepared images.
        DataError: over 1 % of the images cannot be read, or none is left.
        StorageError: the folder cannot be written.
    """
    if folder.is_dir() and any(folder.iterdir()) and not is_prepared(folder):
        raise UsageError(
            f"{folder} holds something else than prepared images, which would be lost",
            "a new or empty folder, or one of prepared images",
            "another --out",
        )
    parts = _parts(found)
    form = _form(parts, config)
    total = count(found)
    manifest: dict[str, Any] = {**facts, "kind": KIND, "version": VERSION}
    # The images are written twice, as they come and in order.
    with storage.building_folder(folder, manifest, needed=2 * total * math.prod(form)) as aside:
        raw = aside / "raw"
        kept, skipped = _collect(found, raw, form, config.crop, config.path or facts["source"])
        counts = [len(part) for part in kept]
        order = shuffle(counts[0]) if found.test is None else np.arange(sum(counts))
        _arrange(raw, aside / _IMAGES, order, form)
        raw.unlink()
        truth = _join([part.truth.take(rows) for part, rows in zip(parts, kept, strict=True)]).take(order)
        manifest |= _write_truth(aside, truth)
        names = [name for part, rows in zip(parts, kept, strict=True) for name in _names(part, rows)]
        if len(names) == len(order):
            _write_json(aside / _NAMES, [names[row] for row in order])
        _write_skipped(aside / _SKIPPED, skipped)
        manifest |= {"train": None if found.test is None else counts[0], "shape": [len(order), *form]}


def count(found: Found) -> int:
    """How many images a source hands over, with those that turn out to be unreadable."""
    return sum(map(_count, _parts(found)))


def shuffle(count: int) -> Int64[np.ndarray, " count"]:
    """A fixed order of `count` images.

    Sorts Philox's raw numbers: numpy promises that those stay, and promises no such thing of `permutation`.
    """
    return np.argsort(np.random.Philox(key=_SHUFFLE_KEY).random_raw(count), kind="stable")


def _parts(found: Found) -> list[Split | Stream]:
    return [found.train] if found.test is None else [found.train, found.test]


def _count(part: Split | Stream) -> int:
    return len(part.images) if isinstance(part, Split) else part.count


def _names(part: Split | Stream, rows: Int64[np.ndarray, " m"]) -> Iterable[str]:
    return (part.names[row] for row in rows) if isinstance(part, Stream) and part.names else ()


def _form(parts: Sequence[Split | Stream], config: DataConfig) -> tuple[int, int, int]:
    """Height, width and channels of all images."""
    shapes = [part.shape if isinstance(part, Stream) else part.images.shape[1:] for part in parts]
    size = config.size or common_size({(width, height) for height, width, _ in shapes})
    depths = {shape[2] for shape in shapes} if config.channels is None else {config.channels}
    if len(depths) > 1:
        raise DataError(
            f"training images have {shapes[0][2]} channels, test images {shapes[1][2]}",
            "one number for all",
            "--set data.channels=1, to make all gray",
        )
    return size, size, depths.pop()


def _rows(
    part: Split | Stream, form: tuple[int, int, int], crop: int | None
) -> Iterator[UInt8[np.ndarray, "h w c"] | Skipped]:
    """Every image in its form. What a stream gives is cropped already."""
    size, _, channels = form
    if isinstance(part, Split):
        yield from (bring_one(image, size, channels, crop) for image in part.images)
    else:
        for image in part.make():
            yield image if isinstance(image, Skipped) else bring_one(image, size, channels)


def _collect(
    found: Found, raw: Path, form: tuple[int, int, int], crop: int | None, where: str
) -> tuple[list[Int64[np.ndarray, " m"]], list[Skipped]]:
    """Writes the bytes of all images one after the other.

    Returns:
        of each part the rows that could be read; and all that was left out.
    """
    parts = _parts(found)
    total = sum(map(_count, parts))
    looked_at, skipped, kept = total + len(found.skipped), list(found.skipped), []
    with _bar(f"preparing {Path(where).name}", total) as bar, raw.open("wb") as file:
        for part in parts:
            rows = []
            for row, image in enumerate(_rows(part, form, crop)):
                bar.update()
                if isinstance(image, Skipped):
                    skipped.append(image)
                    if len(skipped) > max(_FEW_UNREADABLE, MOST_UNREADABLE * looked_at):
                        break  # a large folder is not decoded to its end to say so
                    continue
                file.write(np.ascontiguousarray(image).data)
                rows.append(row)
            kept.append(np.array(rows, np.int64))
            check_share(where, looked_at, skipped)
    return kept, skipped


def _bar(text: str, total: int) -> tqdm:
    """On stderr, after a second, and where nobody watches a terminal only now and then."""
    closed = sys.stderr is None  # by the shell: 2>&-
    often = 15.0 if closed or not sys.stderr.isatty() else 0.2
    return tqdm(
        desc=text, total=total, unit=" images", leave=False, delay=1, mininterval=often,
        file=sys.stderr, disable=closed,
    )  # fmt: skip


def _arrange(raw: Path, target: Path, order: Int64[np.ndarray, " n"], form: tuple[int, int, int]) -> None:
    """The images of `raw` as one array in the order asked for. By reads, not maps: memory stays flat."""
    size = math.prod(form)
    with raw.open("rb") as source, target.open("wb") as file:
        _write_header(file, (len(order), *form))
        for start in range(0, len(order), _AT_ONCE):
            rows = order[start : start + _AT_ONCE].tolist()
            file.write(b"".join(os.pread(source.fileno(), size, row * size) for row in rows))


def _write_header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _join(truths: Sequence[Truth]) -> Truth:
    """What is known of several parts, one after the other: what is known of each of them."""
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
    """Writes the columns, and says what they are."""
    if truth.labels is not None:
        np.save(folder / _LABELS, truth.labels, allow_pickle=False)
    if truth.factors:
        columns = [factor.values for factor in truth.factors.values()]
        np.save(folder / _FACTORS, np.stack(columns, 1), allow_pickle=False)
    if truth.attributes:
        np.save(folder / _ATTRIBUTES, np.stack(list(truth.attributes.values()), 1), allow_pickle=False)
    return {
        "classes": list(truth.classes),
        # A list: the manifest's own keys are sorted, and columns are not.
        "factors": [{"name": name, "period": factor.period} for name, factor in truth.factors.items()],
        "attributes": list(truth.attributes),
    }


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="ascii")  # escapes, for names that are no UTF-8


def _write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    text = io.StringIO()
    # All quoted: names may hold line ends of every kind.
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([Skipped._fields, *skipped])
    path.write_text(text.getvalue(), encoding="utf-8", errors="surrogateescape", newline="")


# --- reading ---------------------------------------------------------------------------------------------


def is_prepared(folder: Path) -> bool:
    """Whether a folder says of itself that it holds prepared images, intact or not."""
    try:
        return bool(storage.read_manifest(folder).get("kind") == KIND)
    except StorageError:
        return False


def read(folder: Path) -> Prepared:
    """Opens a prepared folder, after a look at every byte of it.

    Raises:
        StorageError: a file is missing or damaged, or the folder is of another version.
    """
    manifest = storage.check_folder(folder, advice=ANEW)
    if manifest.get("kind") != KIND or manifest.get("version") != VERSION:
        raise StorageError(
            f"{folder} holds {manifest.get('kind', 'something')!r} of version {manifest.get('version')}",
            f"{KIND} of version {VERSION}",
            ANEW,
        )
    # "c": pages that nobody writes to are never copied; torch wants arrays that could be written to.
    images = np.load(folder / _IMAGES, mmap_mode="c", allow_pickle=False)
    truth = _read_truth(folder, manifest)
    truth.check(len(images))
    names = tuple(json.loads((folder / _NAMES).read_bytes())) if _NAMES in manifest["files"] else ()
    return Prepared(images, truth, manifest["train"], names, _read_skipped(folder / _SKIPPED), manifest)


def _read_truth(folder: Path, manifest: Mapping[str, Any]) -> Truth:
    def column(name: str) -> np.ndarray | None:
        return np.load(folder / name, allow_pickle=False) if name in manifest["files"] else None

    factors, attributes = column(_FACTORS), column(_ATTRIBUTES)
    return Truth(
        column(_LABELS),
        tuple(manifest["classes"]),
        {
            facts["name"]: Factor(np.ascontiguousarray(factors[:, index]), facts["period"])
            for index, facts in enumerate(manifest["factors"])
            if factors is not None
        },
        {
            name: np.ascontiguousarray(attributes[:, index])
            for index, name in enumerate(manifest["attributes"])
            if attributes is not None
        },
    )


def _read_skipped(path: Path) -> tuple[Skipped, ...]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return tuple(Skipped(*row) for row in list(csv.reader(file))[1:])
