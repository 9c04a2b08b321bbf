"""Images sorted into one folder per category, numbered in order, with a contact sheet of each category.

DIR/digit-3/0001-IMG_2034.jpg    a link to the image, or a copy
DIR/digit-3.png                  contact sheet
DIR/sorted.csv                   category, probability and file of each image
DIR/unreadable.csv               files that could not be read, with reasons
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32, Int64
from PIL import Image

from infogan import storage
from infogan.data.image_collection import ImageCollection
from infogan.data.progress_bar import progress_bar
from infogan.encoding.code_columns import Column
from infogan.encoding.sort_keys import SortKeys, categories_and_values
from infogan.encoding.table_files import writing_table
from infogan.errors import UsageError
from infogan.model import InfoGAN
from infogan.reporting import pictures
from infogan.reporting.contact_sheet import contact_sheet

SORTED, UNREADABLE = "sorted.csv", "unreadable.csv"

_ON_SHEET = 100  # images on a contact sheet, spread evenly over the category
_ROWS = 8_192  # of sorted.csv, that are written together
_MOST_BYTES = 255  # of a file name, on almost all file systems
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f/\\]")

Rows = Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class _Found:
    """The model's predictions for each readable image.

    Attributes:
        indices: of the images in the collection.
        categories: the most probable category.
        probabilities: of this category.
        values: of the code that gives the order.
    """

    indices: Rows
    categories: Rows
    probabilities: Float32[np.ndarray, " n"]
    values: Float32[np.ndarray, " n"]


def sort_images(  # noqa: PLR0913 - what, where to, and how
    model: InfoGAN,
    images: ImageCollection,
    out: Path,
    keys: SortKeys,
    *,
    copy: bool = False,
    progress: bool = False,
) -> dict[str, int]:
    """Create a folder with one subfolder per category, contact sheets and tables.

    Images of a category are numbered by its probability, the most certain first, or by ascending values of a
    code. An image of a folder becomes a link; one of an archive becomes the file that it is there, and one of
    an array a PNG file. Nothing is overwritten.

    Args:
        model: a trained model.
        images: the images, in the model's form.
        out: a folder that is missing or empty.
        keys: the codes by which images are sorted.
        copy: copy files instead of linking to them.
        progress: show a progress bar on stderr.

    Returns:
        The number of images in each subfolder; a category without images has none.

    Raises:
        UsageError: `out` is not empty or lies inside the images' folder, or it cannot contain links.
        DataError: no image can be read.
        StorageError: `out` cannot be written; nothing is left behind.
    """
    _check_out(out, Path(images.where))
    found = _find(model, images, keys, progress=progress)
    folders = _ordered(found, keys)
    with storage.prepared_folder(out.expanduser().resolve()) as partial:
        files: dict[int, str] = {}
        with progress_bar("sorting", len(found.indices), shown=progress) as bar:
            for name, rows in folders.items():
                files |= _fill(partial / name, images, found.indices[rows], copy=copy)
                bar.update(len(rows))
        for name, rows in folders.items():
            pictures.save_png(_sheet(name, images, found, rows, keys), partial / f"{name}.png")
        _write_tables(partial, images, found, files, keys)
    return {name: len(rows) for name, rows in folders.items()}


def _check_out(out: Path, source: Path) -> None:
    out = out.expanduser()
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise UsageError(
            f"{out} already exists, and nothing is overwritten",
            "a new or an empty folder",
            f"out='{out}-2'",
            command=f"--out {out}-2",
        )
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UsageError(
            f"{out} lies inside {source}: from then on its links would be images of that folder",
            "a folder outside that of the images",
            f"out='{source.resolve()}-sorted'",
            command=f"--out {source.resolve()}-sorted",
        )


def _find(model: InfoGAN, images: ImageCollection, keys: SortKeys, *, progress: bool) -> _Found:
    parts = []
    with progress_bar("encoding", len(images), shown=progress) as bar:
        for batch in images.batches():
            raw = model.recognise(batch.images)
            parts.append((batch.indices, *categories_and_values(model.latents, raw, keys)))
            bar.update(int(batch.indices[-1]) + 1 - bar.n)
    if not parts:
        raise images.nothing_readable()
    return _Found(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _ordered(found: _Found, keys: SortKeys) -> dict[str, Rows]:
    """Return the rows of each folder in the order of their numbers."""
    order = -found.probabilities if keys.order is None else found.values
    folders = {}
    for category, name in enumerate(keys.folders):
        rows = np.flatnonzero(found.categories == category)
        if len(rows):
            folders[name] = rows[np.argsort(order[rows], kind="stable")]
    return folders


# --- files -----------------------------------------------------------------------------------------------


def _fill(folder: Path, images: ImageCollection, indices: Rows, *, copy: bool) -> dict[int, str]:
    """Create one folder, and return the path of each image's file below its parent by the image's index."""
    folder.mkdir()
    digits = max(4, len(str(len(indices))))
    files = {}
    for number, index in enumerate(indices.tolist(), start=1):
        name = _create(folder, f"{number:0{digits}d}-", images, index, copy=copy)
        files[index] = f"{folder.name}/{name}"
    return files


def _create(folder: Path, number: str, images: ImageCollection, index: int, *, copy: bool) -> str:
    """Create the file of one image, and return its name: the number, then the name of the image's file."""
    file = images.file(index)
    if file is None:
        original, content = images.content(index)
        name = _fitting(number, original)
        (folder / name).write_bytes(content)
        return name
    name = _fitting(number, file.name)
    if copy:
        shutil.copy2(file, folder / name)
    else:
        _link(Path(os.path.abspath(file)), folder / name)
    return name


def _fitting(number: str, name: str) -> str:
    """Return a valid file name that starts with a number; a long name is cut before its ending."""
    name = _NOT_IN_NAMES.sub("_", name)
    ending = PurePosixPath(name).suffix
    stem = name.removesuffix(ending)
    while len(os.fsencode(f"{number}{stem}{ending}")) > _MOST_BYTES:
        stem = stem[:-1]
    return f"{number}{stem}{ending}"


def _link(target: Path, link: Path) -> None:
    try:
        link.symlink_to(target)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LINKS:
            raise
        raise UsageError(
            f"links cannot be created: {error}",
            "a file system and an account that allow symbolic links",
            "copy=True",
            command="--copy",
        ) from None


# --- contact sheets and tables ---------------------------------------------------------------------------


def _sheet(name: str, images: ImageCollection, found: _Found, rows: Rows, keys: SortKeys) -> Image.Image:
    """Return the contact sheet of one folder; of many images, 100 are shown at equal distances."""
    count = len(rows)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _ON_SHEET)).round().astype(np.int64))
    number_of = {int(found.indices[rows[place]]): int(place) for place in chosen}
    shown: dict[int, np.ndarray] = {}
    for batch in images.batches(np.array(sorted(number_of), np.int64)):
        shown |= {
            number_of[index]: image for index, image in zip(batch.indices.tolist(), batch.images, strict=True)
        }
    places = sorted(shown)
    if keys.order is None:
        labels = [f"{place + 1}: {int(100 * found.probabilities[rows[place]])}%" for place in places]
        order = "most certain first"
    else:
        labels = [f"{place + 1}: {found.values[rows[place]]:.2f}" for place in places]
        order = f"by {keys.names[1]}"
    number = f"{count:,} image{'' if count == 1 else 's'}"
    number = number if len(places) == count else f"{len(places)} of {number}"
    return contact_sheet(np.stack([shown[place] for place in places]), labels, f"{name}: {number}, {order}")


def _write_tables(
    folder: Path, images: ImageCollection, found: _Found, files: Mapping[int, str], keys: SortKeys
) -> None:
    with writing_table(folder / SORTED) as append:
        for start in range(0, len(found.indices), _ROWS):
            append(_columns(images, found, files, keys, slice(start, start + _ROWS)))
    if images.skipped:
        with writing_table(folder / UNREADABLE) as append:
            append(
                {
                    "image": [one.path for one in images.skipped],
                    "reason": [one.reason for one in images.skipped],
                }
            )


def _columns(
    images: ImageCollection, found: _Found, files: Mapping[int, str], keys: SortKeys, part: slice
) -> dict[str, Column]:
    indices = found.indices[part].tolist()
    columns: dict[str, Column] = {
        "file": [files[index] for index in indices],
        "image": [images.name(index) for index in indices],
    }
    if keys.code is not None:
        columns["category"] = found.categories[part]
        if any(text != str(category) for category, text in enumerate(keys.categories)):
            columns["category_name"] = [keys.categories[category] for category in found.categories[part]]
        columns["probability"] = found.probabilities[part]
    if keys.order is not None:
        columns["value"] = found.values[part]
    return columns
