"""Tables that are written in parts: CSV and Parquet.

Text in a CSV file comes from file names, which are not trusted, and a spreadsheet runs a cell that starts
with "=". `harmless` makes such a cell text.
"""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from infogan import storage
from infogan.encoding.code_columns import Column
from infogan.errors import UsageError
from infogan.file_listing import harmless

FIRST_COLUMN = "image"
"""Name of the first column of every table: the path of the image, or its index."""

ROWS_PER_GROUP = 16_384
"""Rows that are written together. A reader needs the memory of one group."""


class _Writer(ABC):
    """Writes parts of a table to a file."""

    @abstractmethod
    def write(self, columns: Mapping[str, Column]) -> None:
        """Append rows; the columns are the same in every call."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""


class _CsvWriter(_Writer):
    """One line per row, UTF-8; a vector has one column per element."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._started = False

    def write(self, columns: Mapping[str, Column]) -> None:
        flat = dict(_flat(columns))
        if not self._started:
            self._writer.writerow(flat)
            self._started = True
        self._writer.writerows(zip(*map(_cells, flat.values()), strict=True))

    def close(self) -> None:
        self._file.close()


class _ParquetWriter(_Writer):
    """Row groups of `ROWS_PER_GROUP` rows; a vector is a list of fixed length."""

    def __init__(self, path: Path) -> None:
        self._parquet, self._path = _pyarrow(path), path
        self._writer: Any = None
        self._waiting: list[Any] = []
        self._rows = 0

    def write(self, columns: Mapping[str, Column]) -> None:
        import pyarrow

        part = pyarrow.table({name: _arrow(column) for name, column in columns.items()})
        self._waiting.append(part)
        self._rows += len(part)
        if self._rows >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        import pyarrow

        if not self._waiting:
            return
        group = pyarrow.concat_tables(self._waiting)
        if self._writer is None:
            self._writer = self._parquet.ParquetWriter(self._path, group.schema, compression="zstd")
        self._writer.write_table(group)
        self._waiting, self._rows = [], 0


_WRITERS: Mapping[str, Callable[[Path], _Writer]] = {".csv": _CsvWriter, ".parquet": _ParquetWriter}


def check_name(path: Path) -> None:
    """Check that a table can be written to a file of this name.

    Raises:
        UsageError: its ending is not that of a table, it is a folder, or pyarrow is needed and missing.
    """
    if path.suffix.lower() not in _WRITERS:
        endings = " or ".join(_WRITERS)
        advice = str(path.with_suffix(".csv"))
        raise UsageError(
            f"{path} is not a table",
            f"a name that ends in {endings}",
            f"out={advice!r}",
            command=f"--out {advice}",
        )
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "the name of a file", f"{path.with_suffix('')}-codes.csv")
    if path.suffix.lower() == ".parquet":
        _pyarrow(path)


def check_replaceable(path: Path) -> None:
    """Check that a file is missing, empty, or a table of codes, so that writing one loses nothing else.

    Raises:
        UsageError: it is something else; or as in `check_name`.
    """
    check_name(path)
    parquet = _pyarrow(path) if path.suffix.lower() == ".parquet" else None
    if path.is_file() and path.stat().st_size and _first_column(path, parquet) != FIRST_COLUMN:
        other = str(path.with_name(f"{path.stem}-2{path.suffix}"))
        raise UsageError(
            f"{path} exists, and is not a table that infogan wrote: it would be lost",
            f"a new file, or an older table, whose first column is {FIRST_COLUMN!r}",
            f"out={other!r}",
            command=f"--out {other}",
        )


def _first_column(path: Path, parquet: Any) -> str | None:
    """Return the name of the first column of a table; None if the file is none."""
    if parquet is None:
        with path.open("rb") as file:
            return file.read(1024).partition(b",")[0].decode("utf-8", "replace")
    import pyarrow

    try:
        names = parquet.read_schema(path).names
    except (pyarrow.ArrowException, OSError):
        return None
    return str(names[0]) if names else None


@contextmanager
def writing_table(path: Path) -> Iterator[Callable[[Mapping[str, Column]], None]]:
    """Write a table in parts; an older file is replaced when the block ends without an error.

    The block receives a function that appends rows. Memory holds one row group.

    Raises:
        UsageError: as `check_name`.
        StorageError: the file cannot be written; the old one is intact.
    """
    check_name(path)
    with storage.building_file(path) as partial:
        writer = _WRITERS[path.suffix.lower()](partial)
        try:
            yield writer.write
        finally:
            writer.close()


def _flat(columns: Mapping[str, Column]) -> Iterator[tuple[str, Column]]:
    for name, column in columns.items():
        if isinstance(column, np.ndarray) and column.ndim == 2:
            yield from ((f"{name}_{index}", values) for index, values in enumerate(column.T))
        else:
            yield name, column


def _cells(column: Column) -> list[str]:
    if not isinstance(column, np.ndarray):
        return [harmless(_printable(text)) for text in column]
    if column.dtype.kind in "iu":
        return [str(value) for value in column.tolist()]
    return [f"{value:.5f}" for value in column.tolist()]


def _arrow(column: Column) -> Any:
    import pyarrow

    if not isinstance(column, np.ndarray):
        return pyarrow.array([_printable(text) for text in column], pyarrow.string())
    if column.ndim == 1:
        return pyarrow.array(np.ascontiguousarray(column))
    return pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.array(np.ascontiguousarray(column).ravel()), column.shape[1]
    )


def _printable(text: str) -> str:
    """Return a text as UTF-8 can store it: bytes of a file name that are not UTF-8 as \\udcff."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow.parquet  # lazy: an optional dependency
    except ImportError:
        raise UsageError(
            f"{path} is a Parquet file, and the package pyarrow is not installed",
            "pyarrow, or a name that ends in .csv",
            "pip install 'infogan[tables]'",
        ) from None
    return pyarrow.parquet
