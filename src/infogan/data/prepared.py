"""Prepared images: one verified, memory-mapped array, with the ground truth of each image in the same folder.

A prepared folder holds `images.npy`, uint8 [N, H, W, C]; if known, `labels.npy`, `factors.npy` and
`attributes.npy`; `names.json` where images come from files; `skipped.csv` with the files that could not be
read; for a user's own images `audit.json`, and `files.csv` with a verdict on each file; and a manifest with
the sha256 of each. It is written under a temporary name and then renamed, so that
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
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from infogan import storage
from infogan.config import DataConfig
from infogan.data import splits, verification
from infogan.data.arrays import UNREADABLE
from infogan.data.audit import Audit
from infogan.data.contents import FileVerdict
from infogan.data.dataset import Factor, Found, Split, Stream, Truth
from infogan.data.decoding import MOST_UNREADABLE, check_share, most_skipped
from infogan.data.image_survey import Survey
from infogan.data.layout import groups
from infogan.data.preprocessing import Conversion, Form, common_size, preprocess_one
from infogan.data.progress_bar import progress_bar
from infogan.errors import DataError, StorageError, UsageError
from infogan.file_listing import Skipped, harmless

VERSION = 2
"""Version of the contents of a prepared folder; a folder with another version is prepared again."""

KIND = "prepared images"
"""Identifies a prepared folder in its manifest, since infogan also writes other folders."""

_PREPARE_AGAIN = "delete this folder, or repeat the infogan data prepare that wrote it"

_IMAGES, _LABELS, _FACTORS, _ATTRIBUTES = "images.npy", "labels.npy", "factors.npy", "attributes.npy"
_NAMES, _SKIPPED, _KEYS = "names.json", "skipped.csv", "keys.npy"
_AUDIT, _FILES = "audit.json", "files.csv"
_CHUNK = 1_024  # images that are copied together
_SORTED_BYTES = 2**30  # of all images; up to it, single images are read from anywhere
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
        folder: where they are; None: in memory only.
        keys: of the images, ascending, where the split is by content; else None.
        audit: lines about a user's own images.
        problem: why training on them is pointless, or None.
    """

    images: UInt8[np.ndarray, "n h w c"]
    truth: Truth
    train: int | None
    names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    facts: Mapping[str, Any]
    folder: Path | None
    keys: Float64[np.ndarray, " n"] | None = None
    audit: tuple[str, ...] = ()
    problem: DataError | None = None

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
    shape = form(found, config)
    manifest: dict[str, Any] = {**facts, "kind": KIND, "version": VERSION}
    # The images are written twice: first in the source's order, then in the final one.
    needed = 2 * count(found) * math.prod(shape)
    with storage.building_folder(folder, manifest, needed=needed) as building:
        raw = building / "raw"
        readable, skipped = _write_raw(found, raw, shape, config)
        if found.survey is not None:
            _write_audit(building, found.survey, skipped)
        counts = [len(rows) for rows in readable]
        order = np.arange(sum(counts))
        if found.test is None and config.split_version == splits.BY_CONTENT:
            keys = splits.content_keys(_raw_images(raw, math.prod(shape)))
            if config.split_by in ("folder", "prefix"):
                keys = _keys_of_groups(keys, found.train, readable[0], config)
            order = splits.by_key(keys)
            np.save(building / _KEYS, keys[order], allow_pickle=False)
        elif found.test is None:
            order = splits.shuffle(counts[0])
        _arrange(raw, building / _IMAGES, order, shape)
        raw.unlink(missing_ok=True)
        pairs = list(zip(parts, readable, strict=True))
        truth = _concatenate([part.truth.take(rows) for part, rows in pairs]).take(order)
        manifest |= _write_truth(building, truth)
        names = [
            part.names[row] for part, rows in pairs if isinstance(part, Stream) and part.names for row in rows
        ]
        if len(names) == len(order):
            # ASCII: names that are not valid UTF-8 are escaped.
            (building / _NAMES).write_text(json.dumps([names[row] for row in order]), encoding="ascii")
        _write_rows(building / _SKIPPED, Skipped._fields, skipped)
        manifest |= {"train": None if found.test is None else counts[0], "shape": [len(order), *shape]}
        _check_size(building / _IMAGES, len(order) * math.prod(shape))
        manifest["split_version"] = config.split_version
        if found.value_range is not None:
            manifest["range"] = str(found.value_range)


def count(found: Found) -> int:
    """Return the number of images of a source, including those that turn out to be unreadable."""
    return sum(len(part.images) if isinstance(part, Split) else part.count for part in _parts(found))


def _parts(found: Found) -> list[Split | Stream]:
    return [found.train] if found.test is None else [found.train, found.test]


def form(found: Found, config: DataConfig) -> tuple[int, int, int]:
    """Return height, width and channels that the images of a source get.

    Raises:
        DataError: training and test images have different channels.
    """
    parts = _parts(found)
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


def _keys_of_groups(
    keys: Float64[np.ndarray, " n"], part: Split | Stream, rows: Int64[np.ndarray, " n"], config: DataConfig
) -> Float64[np.ndarray, " n"]:
    """Return the keys by which images of one group stay together.

    Raises:
        DataError: the images are not files, or all in one group.
    """
    names = part.names if isinstance(part, Stream) else ()
    by = config.split_by
    assert by in ("folder", "prefix")
    named = groups([names[row] for row in rows], by) if names else []
    if len(set(named)) < 2:
        raise DataError(
            f"data.split_by = {by!r}: {len(set(named))} group of {len(rows)} images",
            f"images in at least 2 groups, by their {by}",
            "data.split_by = 'content'",
            command="--split-by content",
        )
    return splits.group_keys(keys, named)


def _preprocessed(
    part: Split | Stream, form: Form, survey: Survey | None
) -> Iterator[UInt8[np.ndarray, "h w c"] | Skipped]:
    if isinstance(part, Split):
        for index, raw in enumerate(part.images):
            image = preprocess_one(raw, form.size, form.channels, form.crop, form.rules)
            if survey is not None:
                survey.add_array(index, raw, image)
            yield image
    else:  # a stream crops its images itself
        for image_or_reason in part.make():
            yield (
                image_or_reason
                if isinstance(image_or_reason, Skipped)
                else preprocess_one(image_or_reason, form.size, form.channels)
            )


def _write_raw(
    found: Found, raw: Path, shape: tuple[int, int, int], config: DataConfig
) -> tuple[list[Int64[np.ndarray, " m"]], list[Skipped]]:
    """Write the bytes of all images one after the other.

    Returns:
        the readable rows of each part; and all files that were skipped.
    """
    # A range in percentiles has been measured, and values of arrays are scaled already.
    rules = Conversion.of(config.model_copy(update={"range": None}))
    form = Form(shape[0], shape[2], config.crop, rules)
    if found.survey is not None and not found.survey.form.size:
        found.survey.form = form
    where = config.path or config.source
    total = count(found)
    files, skipped, readable = total + len(found.skipped), list(found.skipped), []
    allowed = MOST_UNREADABLE if config.allow_unreadable is None else config.allow_unreadable
    with progress_bar(f"preparing {Path(where).name}", total) as bar, raw.open("wb") as file:
        for part in _parts(found):
            rows = []
            for row, image in enumerate(_preprocessed(part, form, found.survey)):
                bar.update()
                if isinstance(image, Skipped):
                    skipped.append(image)
                    if len(skipped) > max(_FEW_UNREADABLE, most_skipped(files, allowed)):
                        break  # the source is refused without decoding the rest
                    continue
                file.write(np.ascontiguousarray(image).data)
                rows.append(row)
            readable.append(np.array(rows, np.int64))
            check_share(where, files, skipped, allowed)
    return readable, skipped


def examine(found: Found, config: DataConfig) -> Audit:
    """Decode all images of a user's own, and return what they are."""
    if found.survey is None:
        raise UsageError(
            f"{config.source} is not a set of your own images", "a folder, archive or array", "a path"
        )
    _, skipped = _write_raw(found, Path(os.devnull), form(found, config), config)
    return Audit.of(found.survey, skipped)


def _write_audit(folder: Path, survey: Survey, skipped: list[Skipped]) -> None:
    """Write the audit of a user's images, and a verdict on each of their files."""
    audit = Audit.of(survey, skipped)
    problem = audit.problem()
    parts = None if problem is None else [problem.happened, problem.expected, problem.advice, problem.command]
    text = json.dumps({"lines": audit.lines(), "problem": parts})
    (folder / _AUDIT).write_text(text, encoding="ascii")
    _write_rows(folder / _FILES, FileVerdict._fields, survey.verdicts(skipped))


def _raw_images(raw: Path, size: int) -> Iterator[bytes]:
    """Yield the bytes of each image of `raw`."""
    with raw.open("rb") as file:
        while image := file.read(size):
            yield image


def _arrange(raw: Path, target: Path, order: Int64[np.ndarray, " n"], form: tuple[int, int, int]) -> None:
    """Write the images of `raw` as one .npy array in the given order, without loading all of them.

    A large `raw` is removed on the way.
    """
    size = math.prod(form)
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(order), *form)}
    with target.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        if size * len(order) > _SORTED_BYTES:
            _write_sorted(raw, file, order, size)
            return
        with raw.open("rb", buffering=0) as source:
            for row in order.tolist():
                source.seek(row * size)
                file.write(source.read(size))


def _write_sorted(raw: Path, file: BinaryIO, order: Int64[np.ndarray, " n"], size: int) -> None:
    """Write images of `size` bytes in the given order, and remove `raw`.

    Images that lie close to each other in the result are first collected in files that fit into the memory:
    reading single images from all over a disk would take hours.
    """
    per_file = max(1, _SORTED_BYTES // (4 * size))
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    parts = [raw.with_name(f"part-{number}") for number in range(-(-len(order) // per_file))]
    with ExitStack() as stack, raw.open("rb") as source:
        collected = [stack.enter_context(part.open("wb")) for part in parts]
        for start in range(0, len(order), _CHUNK):
            numbers = position[start : start + _CHUNK] // per_file
            images = np.frombuffer(source.read(_CHUNK * size), np.uint8).reshape(-1, size)
            for number in np.unique(numbers).tolist():
                collected[number].write(images[numbers == number].data)
    raw.unlink()
    for number, part in enumerate(parts):
        images = np.fromfile(part, np.uint8).reshape(-1, size)
        # They were collected in the order of their rows in `raw`.
        rows = np.sort(order[number * per_file : (number + 1) * per_file])
        file.write(images[np.argsort(position[rows])].data)
        part.unlink()


def _check_size(images: Path, size: int) -> None:
    """Raise StorageError if an array file does not end with `size` bytes: the folder is not sealed then."""
    with images.open("rb") as file:
        np.lib.format.read_magic(file)
        np.lib.format.read_array_header_1_0(file)
        header = file.tell()
    if images.stat().st_size != header + size:
        raise StorageError(
            f"{images.name} has {images.stat().st_size - header:,} bytes of images instead of {size:,}",
            "a file that only this process writes",
            "run the same command again",
        )


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


def _write_rows(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    cells = [[harmless(cell) for cell in row] for row in rows]
    # All quoted, because names may contain line ends.
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([header, *cells])
    path.write_text(text.getvalue(), encoding="utf-8", errors="surrogateescape", newline="")


def collect(found: Found, config: DataConfig) -> Prepared:
    """Preprocess all images of a source into memory, in the order in which `write` stores them.

    Args:
        found: as in `write`.
        config: as in `write`.

    Raises:
        DataError: as in `write`.
    """
    parts = _parts(found)
    shape = form(found, config)
    rules = Conversion.of(config)
    own = Form(shape[0], shape[2], config.crop, rules)
    skipped, pairs, images = list(found.skipped), [], []
    with progress_bar("reading images", count(found)) as bar:
        for part in parts:
            rows: list[int] = []
            for row, image in enumerate(_preprocessed(part, own, None)):
                bar.update()
                if isinstance(image, Skipped):
                    skipped.append(image)
                else:
                    images.append(image)
                    rows.append(row)
            pairs.append((part, np.array(rows, np.int64)))
    check_share("the images", count(found) + len(found.skipped), skipped)
    array = np.stack(images)
    order, keys = np.arange(len(array)), None
    if found.test is None and config.split_version == splits.BY_CONTENT:
        unordered = splits.content_keys(array)
        order = splits.by_key(unordered)
        keys = unordered[order]
    elif found.test is None:
        order = splits.shuffle(len(array))
    names = [
        part.names[row] if isinstance(part, Stream) and part.names else ""
        for part, rows in pairs
        for row in rows
    ]
    return Prepared(
        array[order],
        _concatenate([part.truth.take(rows) for part, rows in pairs]).take(order),
        None if found.test is None else len(pairs[0][1]),
        tuple(names[row] for row in order) if all(names) else (),
        tuple(skipped),
        {},
        None,
        keys,
    )


# --- reading ---------------------------------------------------------------------------------------------


def facts_of(folder: Path) -> dict[str, Any]:
    """Return the manifest of a prepared folder; empty if it is none. The files are not verified."""
    try:
        manifest = storage.read_manifest(folder)
    except StorageError:
        return {}
    return manifest if manifest.get("kind") == KIND else {}


def is_prepared(folder: Path) -> bool:
    """Return True if the manifest declares a folder of prepared images; the files are not verified."""
    return bool(facts_of(folder))


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
    if _IMAGES not in manifest["files"]:
        raise StorageError(
            f"{folder} lists no {_IMAGES} in its manifest, so the images in it are not verified",
            f"{KIND} as infogan writes them",
            _PREPARE_AGAIN,
        )
    try:
        return _parse(folder, manifest)
    # The files are as they were written, but a manifest can be made by hand: its facts may be anything.
    except (*UNREADABLE, TypeError, AttributeError, IndexError, tokenize.TokenError, SyntaxError) as error:
        raise StorageError(
            f"{folder} is damaged: {type(error).__name__}: {error}",
            f"{KIND} as infogan writes them",
            _PREPARE_AGAIN,
        ) from None


def _parse(folder: Path, manifest: Mapping[str, Any]) -> Prepared:
    """Read the files of a prepared folder; raises almost anything if they do not fit together."""
    # Copy-on-write: torch requires writable arrays, and unmodified pages are never copied.
    images = np.load(folder / _IMAGES, mmap_mode="c", allow_pickle=False)
    if images.dtype != np.uint8 or list(images.shape) != manifest["shape"] or len(images.shape) != 4:
        raise ValueError(f"{_IMAGES} is {images.dtype} {list(images.shape)}, not {manifest['shape']}")
    truth = _read_truth(folder, manifest)
    try:
        truth.check(len(images))
    except DataError as error:
        raise ValueError(error.happened) from None
    names = tuple(json.loads((folder / _NAMES).read_bytes())) if _NAMES in manifest["files"] else ()
    with (folder / _SKIPPED).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        skipped = tuple(Skipped(*row) for row in list(csv.reader(file))[1:])
    keys = np.load(folder / _KEYS, allow_pickle=False) if _KEYS in manifest["files"] else None
    train = manifest["train"]
    lengths = {_NAMES: len(names) or len(images), _KEYS: len(images) if keys is None else len(keys)}
    for name, length in lengths.items():
        if length != len(images):
            raise ValueError(f"{name} has {length} entries for {len(images)} images")
    if not (train is None or (isinstance(train, int) and 0 < train < len(images))):
        raise ValueError(f"{train!r} of {len(images)} images are for training")
    lines, problem = _read_audit(folder) if _AUDIT in manifest["files"] else ((), None)
    return Prepared(images, truth, train, names, skipped, manifest, folder, keys, lines, problem)


def _read_audit(folder: Path) -> tuple[tuple[str, ...], DataError | None]:
    stored = json.loads((folder / _AUDIT).read_bytes())
    if stored["problem"] is None:
        return tuple(stored["lines"]), None
    happened, expected, advice, command = stored["problem"]
    return tuple(stored["lines"]), DataError(happened, expected, advice, command=command)


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
