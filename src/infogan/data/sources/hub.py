"""Data sets of the Hugging Face Hub, or of a folder laid out like one, by the package `datasets`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.decoding import Item, decoded, read_headers
from infogan.data.download import cache_folder
from infogan.data.preprocessing import common_size
from infogan.data.source import About, source
from infogan.errors import ConfigError, DataError
from infogan.file_listing import Skipped

IMAGE_NAMES = ("image", "img")
"""Columns that are looked at first where several hold images."""

_LABELS = "label"
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_PATIENCE = 10.0  # seconds for the first answer of the hub
_SET_PATH = "--set data.path=OWNER/NAME, or OWNER/NAME:CONFIGURATION, or --data FOLDER"


@source(
    "hub",
    about=About(
        images="as many as there are; a tenth is held out where there is no split 'test'",
        form="any size and mode; see --size and --crop",
        licence="the data set's own",
        origin="huggingface.co, or a folder laid out like a data set there; needs infogan[hub]",
        sha256="of what was prepared, in its manifest",
    ),
)
def hub(config: DataConfig) -> Found:
    """Hugging Face data sets by name (ylecun/mnist), or a folder laid out like one.

    `config.path` names a data set as OWNER/NAME, one with several configurations as OWNER/NAME:CONFIGURATION;
    or a folder with README.md and parquet files. Sets that are scripts are refused: nothing of a set is ever
    run.

    The images are the one column of images, or that named image or img. For measuring alone: a column `label`
    of classes gives the labels (none in a split that hides them as -1), columns of truth values are
    attributes, columns of floats factors. The splits train and test are what they say; without a test split
    some of train, or of the only split, is held out; other splits are left alone. Sizes and channels are
    found as those of a `folder` are.

    A data set is prepared once: later revisions on the hub are not looked for.

    Raises:
        ConfigError: there is no path, or held_out is set for a set with a test split.
        DataError: the package datasets is missing, the hub cannot be reached, or the set cannot be read.
    """
    if config.path is None:
        raise ConfigError(
            "data.path is not set: the source 'hub' has no images of its own", "a data set", _SET_PATH
        )
    splits = _load(config.path)
    train, test = _choose(splits, config.path)
    if test is not None and config.held_out is not None:
        raise ConfigError(
            f"data.held_out = {config.held_out}: {config.path} has test images of its own",
            "no held_out",
            "a configuration without data.held_out",
        )
    names = [train] if test is None else [train, test]
    parts = [_items(splits[name], name, config.path) for name in names]
    size, channels = _form([item for part in parts for item in part], config)
    streams = [
        _stream(part, _truth(splits[name], f"{config.path}, split {name!r}"), size, channels, config.crop)
        for part, name in zip(parts, names, strict=True)
    ]
    return Found(streams[0], None if test is None else streams[1])


# --- finding the set -------------------------------------------------------------------------------------


def _load(path: str) -> Mapping[str, Any]:
    """Its splits, each a `datasets.Dataset`, by name."""
    try:
        import datasets  # late: an extra, which takes seconds to import
    except ImportError:
        raise DataError(
            f"data.path = {path!r}: the package datasets is not installed",
            "datasets",
            "pip install 'infogan[hub]'",
        ) from None
    folder = Path(path).expanduser()
    if folder.is_dir():
        _refuse_scripts(path, [file.name for file in folder.iterdir()], folder.resolve().name)
        # What datasets makes of the files goes with infogan's other caches.
        arguments: dict[str, Any] = {"path": str(folder), "cache_dir": str(cache_folder() / "hub")}
    else:
        name, _, configuration = path.partition(":")
        _check_name(name, path)
        if not datasets.config.HF_HUB_OFFLINE:
            _ask_hub(name)
        arguments = {"path": name, "name": configuration or None}
    try:
        loaded: Mapping[str, Any] = datasets.load_dataset(**arguments)
    # The package raises errors of many libraries: of parquet, of HTTP clients, of yaml, its own.
    except Exception as error:
        raise DataError(
            f"data.path = {path!r}: datasets cannot load it: {_first_line(error)}",
            "a data set of images in parquet files, with at most one configuration unless one is named",
            _SET_PATH,
        ) from None
    return loaded


def _check_name(name: str, path: str) -> None:
    if _NAME.fullmatch(name):
        return
    raise DataError(
        f"data.path = {path!r} is no folder, and no name of a data set",
        "OWNER/NAME as on huggingface.co, such as ylecun/mnist; --data makes a path of what it is given",
        _SET_PATH,
    )


def _ask_hub(name: str) -> None:
    """Asks for the set once: `load_dataset` alone takes half a minute to say that the hub is out of reach."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        siblings = HfApi().dataset_info(name, timeout=_PATIENCE).siblings or []
    except RepositoryNotFoundError:
        raise DataError(
            f"data.path = {name!r}: huggingface.co has no such data set, or it is not public",
            "a data set that is there, such as ylecun/mnist",
            f"{_SET_PATH}; HF_TOKEN=TOKEN in front of the command for one of your own",
        ) from None
    except Exception as error:  # of whichever HTTP client the package uses
        raise DataError(
            f"data.path = {name!r}: the hub cannot be reached: {_first_line(error)}",
            "a connection to huggingface.co, or the data set in Hugging Face's cache on this machine",
            "HF_HUB_OFFLINE=1 in front of the command, for what is in that cache; or --data FOLDER",
        ) from None
    _refuse_scripts(name, [file.rfilename for file in siblings], name.rpartition("/")[2])


def _refuse_scripts(path: str, files: list[str], name: str) -> None:
    if f"{name}.py" in files:
        raise DataError(
            f"data.path = {path!r} is loaded by a script, {name}.py, which is never run",
            "a data set in parquet files",
            "another copy of it on huggingface.co, converted to parquet",
        )


def _choose(splits: Mapping[str, Any], path: str) -> tuple[str, str | None]:
    """The names of the splits to train on and to test on; None: some of the first is held out."""
    names = list(splits)
    if "train" in names or len(names) == 1:
        train = "train" if "train" in names else names[0]
        return train, "test" if "test" in names and train != "test" else None
    raise DataError(
        f"{path} has the splits {', '.join(names) or 'none'}", "one named train, or only one", _SET_PATH
    )


# --- what its columns say --------------------------------------------------------------------------------


def _items(split: Any, name: str, path: str) -> list[Item]:
    """Its pictures, named split/row, whose bytes are read when they are asked for."""
    from datasets import Image

    columns = [column for column, feature in split.features.items() if isinstance(feature, Image)]
    named = [column for column in IMAGE_NAMES if column in columns] or columns
    if not named or (len(named) > 1 and named[0] not in IMAGE_NAMES):
        listed = ", ".join(f"{column}: {feature}" for column, feature in list(split.features.items())[:10])
        raise DataError(
            f"{path}, split {name!r}: {len(columns)} of its columns hold images ({listed})",
            f"one, or one named {' or '.join(IMAGE_NAMES)}",
            _SET_PATH,
        )
    # Undecoded: infogan's own decoder knows what it refuses, and how each mode is converted.
    pictures = split.select_columns(named[:1]).cast_column(named[0], Image(decode=False))
    return [Item(f"{name}/{row}", partial(_content, pictures, row, named[0])) for row in range(len(pictures))]


def _content(pictures: Any, row: int, column: str) -> bytes:
    picture = pictures[row][column]
    if picture is None:
        raise ValueError("there is no image in this row")
    content: bytes = picture["bytes"] if picture["bytes"] is not None else Path(picture["path"]).read_bytes()
    return content


def _truth(split: Any, where: str) -> Truth:
    from datasets import ClassLabel, Value

    labels, classes = None, ()
    factors: dict[str, Factor] = {}
    attributes: dict[str, np.ndarray] = {}
    for name, feature in split.features.items():
        if name == _LABELS and isinstance(feature, ClassLabel):
            numbers = _column(split, name, where).astype(np.int64)
            labels, classes = (numbers if numbers.min() >= 0 else None), tuple(feature.names)
        elif isinstance(feature, Value) and feature.dtype == "bool":
            attributes[name] = _column(split, name, where).astype(np.bool_)
        elif isinstance(feature, Value) and feature.dtype in ("float16", "float32", "float64"):
            factors[name] = Factor(_column(split, name, where).astype(np.float64))
    return Truth(labels, classes, factors, attributes)


def _column(split: Any, name: str, where: str) -> np.ndarray:
    """A column without gaps."""
    values = split[name][:]
    gaps = [row for row, value in enumerate(values) if value is None or not math.isfinite(value)]
    if gaps:
        raise DataError(
            f"{where}: the column {name!r} has no value in {len(gaps)} of {len(values)} rows, "
            f"{gaps[0]} the first",
            "a value in each row of a column of labels, truth values or floats",
            "--data FOLDER with a copy that lacks this column: training needs none",
        )
    return np.array(values)


def _form(items: list[Item], config: DataConfig) -> tuple[int, int]:
    """Size and channels, by the rule for folders."""
    if config.size is not None and config.channels is not None:
        return config.size, config.channels
    skipped: list[Skipped] = []
    headers = read_headers(items, skipped)
    if not headers.readable:
        reason = f": {skipped[0].reason}" if skipped else ""
        raise DataError(
            f"{config.path}: none of {len(items)} images can be read{reason}", "images", _SET_PATH
        )
    return config.size or common_size(headers.sizes), config.channels or (1 if headers.gray else 3)


def _stream(items: list[Item], truth: Truth, size: int, channels: int, crop: int | None) -> Stream:
    def make() -> Iterator[UInt8[np.ndarray, "size size channels"] | Skipped]:
        return decoded(items, size, channels, crop)

    return Stream(len(items), (size, size, channels), make, truth, tuple(item.name for item in items))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
