"""Pictures in the rows of a Parquet file, as data sets of the Hugging Face Hub have them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import Any

from infogan.data.arrays import MOST_RATIO, UNREADABLE
from infogan.data.decoding import Item
from infogan.data.layout import without_numbers
from infogan.data.signatures import HEAD, identify
from infogan.errors import DataError

_LABELS = ("label", "labels", "class", "fine_label")
_OPEN = 2  # groups of rows in memory
_LARGE = 256 << 20  # bytes of images in a group of rows, at any compression ratio

_Key = tuple[Path, int, int]


def rows(path: Path, name: str) -> list[Item]:
    """Return an item for each row of a table, named FILE/ROW. The class is that of a column of labels.

    Args:
        path: of the Parquet file.
        name: its path below a folder; "" if it is the source itself.

    Raises:
        DataError: the table has no column of images, cannot be read, or needs the extra "tables".
    """
    with _reading(path) as file:
        column = _image_column(file, path)
        labels = list(_labels(file))
    prefix = name or path.name
    status = path.stat()
    key = path.resolve(), status.st_size, status.st_mtime_ns
    folder = PurePosixPath(name).parent / without_numbers(PurePosixPath(prefix).stem)
    items = []
    for number, label in enumerate(labels):
        place = folder / label / str(number) if label else folder / str(number)
        items.append(Item(f"{prefix}/{number:06d}", partial(_cell, key, column, number), str(place)))
    return items


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            "the images are in a Parquet table, and the package pyarrow is not installed",
            "pyarrow",
            "pip install 'infogan[tables]'",
        ) from None
    return parquet


@contextmanager
def _reading(path: Path) -> Iterator[Any]:
    """Open a table, and turn an error in the block into a DataError: damage shows at every page."""
    parquet = _parquet()
    from pyarrow import ArrowException

    try:
        yield parquet.ParquetFile(path)
    except (ArrowException, *UNREADABLE) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"cannot read the table {path}: {reason}", "a Parquet file", "another copy") from None


def _image_column(file: Any, path: Path) -> str:
    """Return the name of the column of images: bytes, or a struct with bytes."""
    import pyarrow

    names = []
    for entry in file.schema_arrow:
        if pyarrow.types.is_struct(entry.type) and entry.type.get_field_index("bytes") >= 0:
            names.append(f"{entry.name}.bytes")
        elif pyarrow.types.is_binary(entry.type) or pyarrow.types.is_large_binary(entry.type):
            names.append(entry.name)
    for name in names:
        if file.metadata.num_rows == 0 or file.metadata.num_row_groups == 0:
            break
        first = next((one for one in _column(file, path.stat().st_size, 0, name) if one), b"")
        if identify(first[:HEAD]).reading == "image":
            return name
    raise DataError(
        f"{path}: none of its columns holds images ({', '.join(file.schema_arrow.names[:10])})",
        "a column of the bytes of image files, or of a struct with bytes and path",
        "a folder of the image files",
    )


def _labels(file: Any) -> Iterator[str]:
    """Yield the class of each row, by name where the table has names; "" without a column of labels."""
    name = next((name for name in _LABELS if name in file.schema_arrow.names), None)
    if name is None:
        yield from [""] * file.metadata.num_rows
        return
    classes = _class_names(file, name)
    for group in range(file.metadata.num_row_groups):
        for value in file.read_row_group(group, columns=[name]).column(name).to_pylist():
            text = (
                classes[value] if classes and isinstance(value, int) and 0 <= value < len(classes) else value
            )
            yield "none" if value is None else str(text).replace("/", "-")


def _class_names(file: Any, column: str) -> list[str]:
    """Return the names of classes that the Hugging Face library stores next to the schema."""
    stored = (file.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        feature = json.loads(stored)["info"]["features"][column]
        return [str(name) for name in feature.get("names", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _column(file: Any, size: int, group: int, column: str) -> list[bytes | None]:
    """Return the images in a group of rows; `size` is that of the file in bytes."""
    _check_ratio(file, size, group)
    table = file.read_row_group(group, columns=[column])
    values = table.column(0)
    if column.endswith(".bytes"):
        values = values.combine_chunks().field("bytes")
    result: list[bytes | None] = values.to_pylist()
    return result


def _check_ratio(file: Any, size: int, group: int) -> None:
    """Raise ValueError if a group of rows is far larger than its share, by rows, of the file.

    The sizes of single columns would be more exact, but Arrow ends the process when `RowGroupMetaData.column`
    meets damaged statistics: it throws a C++ exception where none is caught.
    """
    stored, rows = file.metadata.row_group(group), max(file.metadata.num_rows, 1)
    packed = size * max(stored.num_rows, 1) // rows
    if stored.total_byte_size > max(_LARGE, MOST_RATIO * packed):
        raise ValueError(f"{stored.total_byte_size:,} bytes packed into about {packed:,}")


@lru_cache(maxsize=_OPEN)
def _group(path: Path, size: int, _time: int, column: str, group: int) -> list[bytes | None]:
    with _reading(path) as file:
        return _column(file, size, group, column)


@lru_cache(maxsize=64)
def _starts(path: Path, _size: int, _time: int) -> list[int]:
    """Return the first row of each group of rows, and the number of rows."""
    starts = [0]
    with _reading(path) as file:
        for group in range(file.metadata.num_row_groups):
            starts.append(starts[-1] + file.metadata.row_group(group).num_rows)
    return starts


def _cell(key: _Key, column: str, row: int) -> bytes:
    import bisect

    starts = _starts(*key)
    group = bisect.bisect_right(starts, row) - 1
    content = _group(*key, column, group)[row - starts[group]]
    if content is None:
        raise ValueError("there is no image in this row")
    return content
