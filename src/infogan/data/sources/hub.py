"""Data sets of the Hugging Face Hub, or of a folder with the same layout, by the package `datasets`."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.decoding import Item, first_of, picture_stream, read_form
from infogan.data.download import cache_folder
from infogan.data.preprocessing import Form
from infogan.data.source import About, path_of, source, unsupported
from infogan.errors import DataError
from infogan.file_listing import Skipped

log = logging.getLogger(__name__)

IMAGE_NAMES = ("image", "img")
"""Names of the column of images, in order of preference."""

_LABELS = "label"
_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT = 10.0  # seconds for the first answer of the hub
_SET_PATH = "data.path=OWNER/NAME or OWNER/NAME:CONFIGURATION as a setting, or the path of a folder"


@source(
    "hub",
    about=About(
        images="as many as there are; a tenth is held out where there is no split 'test'",
        form="any size and mode; see data.size and data.crop",
        licence="the data set's own",
        origin="huggingface.co, or a folder with the same layout; needs infogan[hub]",
        people=None,
    ),
    settings=("revision",),
)
def hub(config: DataConfig) -> Found:
    """Hugging Face data sets by name (ylecun/mnist), or a folder with the same layout.

    `config.path` names a data set as OWNER/NAME, one with several configurations as OWNER/NAME:CONFIGURATION;
    or a folder with README.md and parquet files. Data sets with a loading script are refused: no code of a
    data set is ever run.

    The images are the only column of images, or that named image or img. For evaluation only: a column
    `label` of classes contains the labels (ignored in a split that hides them as -1), columns of booleans are
    attributes, columns of floats factors. The splits train and test are used as such; without a test split
    some images of train, or of the only split, are held out; other splits are ignored. Sizes and channels are
    determined as by `folder`.

    `config.revision` is a branch, tag or commit; the default is the newest commit. The commit is recorded
    with the prepared images and in the run, so that a run always has the same images. A data set is prepared
    once: later commits are not detected.

    Raises:
        ConfigError: there is no path, held_out is set for a data set with a test split, or revision for a
            folder.
        DataError: the package datasets is missing, the hub cannot be reached, or the set cannot be read.
    """
    path = str(path_of(config, expected=f"a data set: {_SET_PATH}"))
    splits, commit = _load(path, config)
    return replace(found(splits, path, config), revision=commit)


def found(splits: Mapping[str, Any], path: str, config: DataConfig) -> Found:
    """Return the images of splits by name, each a `datasets.Dataset`; `path` names them in messages.

    Raises:
        ConfigError, DataError: as in `hub`.
    """
    names = _choose(splits, path)
    splits = {name: splits[name].with_format(None) for name in names}  # values as they are stored
    if len(names) == 2 and config.held_out is not None:
        raise unsupported(config, "held_out", f"{path} has its own test split")
    parts = [_items(splits[name], name, path) for name in names]
    size: int | None = config.size
    channels: int | None = config.channels
    if size is None or channels is None:
        skipped: list[Skipped] = []
        readable, size, channels = read_form(
            [item for part in parts for item in part], size, channels, skipped
        )
        if not readable:
            raise DataError(f"{path}: no image can be read{first_of(skipped)}", "images", _SET_PATH)
    streams: list[Stream] = []
    for part, name in zip(parts, names, strict=True):
        truth = _truth(splits[name], f"{path}, split {name!r}")
        streams.append(picture_stream(part, Form(size, channels, config.crop), truth))
    return Found(streams[0], streams[1] if len(streams) == 2 else None)


# --- loading ---------------------------------------------------------------------------------------------


def _load(path: str, config: DataConfig) -> tuple[Mapping[str, Any], str | None]:
    """Return the splits by name, each a `datasets.Dataset`, and their commit; None for a folder."""
    try:
        import datasets  # lazy: an optional dependency, which takes seconds to import
    except ImportError:
        problem = f"data.path = {path!r}: the package datasets is not installed"
        raise DataError(problem, "datasets", "pip install 'infogan[hub]'") from None
    folder = Path(path)
    commit = config.revision
    if folder.is_dir():
        if commit is not None:
            raise unsupported(config, "revision", f"{path} is a folder, which has no commits")
        _refuse_scripts(path, [file.name for file in folder.iterdir()], folder.resolve().name)
        arguments: dict[str, Any] = {"path": path, "cache_dir": str(cache_folder() / "hub")}
    else:
        name, _, configuration = path.partition(":")
        if not _NAME.fullmatch(name):
            raise DataError(
                f"data.path = {path!r} is neither a folder nor the name of a data set",
                "OWNER/NAME as on huggingface.co, such as ylecun/mnist; data= makes a path of its value",
                _SET_PATH,
            )
        if not datasets.config.HF_HUB_OFFLINE:
            commit = _commit_of(name, commit)
        arguments = {"path": name, "name": configuration or None, "revision": commit}
    try:
        splits: Mapping[str, Any] = datasets.load_dataset(**arguments)
    # The package raises exceptions of many libraries: of parquet, HTTP clients, yaml, and its own.
    except Exception as error:
        raise DataError(
            f"data.path = {path!r}: datasets cannot load it: {_first_line(error)}",
            "a data set of images in parquet files, with at most one configuration unless one is named",
            _SET_PATH,
        ) from None
    if folder.is_dir() or not datasets.config.HF_HUB_OFFLINE:
        return splits, commit
    return splits, _cached_commit(splits, path, commit)


def _cached_commit(splits: Mapping[str, Any], path: str, wanted: str | None) -> str | None:
    """Return the commit of splits that were read offline; None if it is unknown and none is wanted.

    Offline, `load_dataset` returns the newest commit in its cache, not the requested one. The folder of the
    cache has the name of the commit.
    """
    files = next(iter(splits.values())).cache_files
    name = Path(files[0]["filename"]).parent.name if files else ""
    commit = name if _COMMIT.fullmatch(name) else None
    if wanted is not None and wanted != commit:
        raise DataError(
            f"{path}: the cache of datasets holds the commit {commit or 'unknown'}, not {wanted}",
            "the same commit, without a connection to the hub",
            "the same again without HF_HUB_OFFLINE",
        )
    if commit is None:
        log.warning("%s: the commit is unknown, and is not recorded", path)
    return commit


def _commit_of(name: str, revision: str | None) -> str | None:
    """Return the commit of a branch or tag; by default the newest one.

    This request comes first because `load_dataset` takes half a minute to fail without a connection.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().dataset_info(name, revision=revision, timeout=_TIMEOUT)
    except RevisionNotFoundError:
        raise DataError(
            f"data.revision = {revision!r}: {name} has no such branch, tag or commit",
            "a revision of the data set",
            "no data.revision, for the newest commit",
        ) from None
    except RepositoryNotFoundError:
        raise DataError(
            f"data.path = {name!r}: huggingface.co has no such data set, or it is not public",
            "a public data set, such as ylecun/mnist",
            f"{_SET_PATH}; HF_TOKEN=TOKEN in front of the command for one of your own",
        ) from None
    except Exception as error:  # of whichever HTTP client the package uses
        raise DataError(
            f"data.path = {name!r}: the hub cannot be reached: {_first_line(error)}",
            "a connection to huggingface.co, or the data set in Hugging Face's cache on this machine",
            "HF_HUB_OFFLINE=1 in front of the command, to use that cache; or data.path of a folder",
        ) from None
    files = [file.rfilename for file in info.siblings or []]
    _refuse_scripts(name, files, name.rpartition("/")[2])
    return info.sha


def _refuse_scripts(path: str, files: list[str], name: str) -> None:
    if f"{name}.py" in files:
        raise DataError(
            f"data.path = {path!r} is loaded by a script, {name}.py, which is never run",
            "a data set in parquet files",
            "another copy of it on huggingface.co, converted to parquet",
        )


def _choose(splits: Mapping[str, Any], path: str) -> list[str]:
    """Return the name of the training split, and that of the test split if there is one."""
    if "train" in splits:
        return ["train", "test"] if "test" in splits else ["train"]
    if len(splits) == 1:
        return list(splits)
    listed = ", ".join(splits) or "none"
    raise DataError(f"{path} has the splits {listed}", "one named train, or only one", _SET_PATH)


# --- columns ---------------------------------------------------------------------------------------------


def _items(split: Any, name: str, path: str) -> list[Item]:
    """Return the pictures of a split, named split/row, whose bytes are read on demand."""
    from datasets import Image

    columns = [column for column, feature in split.features.items() if isinstance(feature, Image)]
    preferred = [column for column in IMAGE_NAMES if column in columns] or columns
    if not preferred or (len(preferred) > 1 and preferred[0] not in IMAGE_NAMES):
        listed = ", ".join(f"{column}: {feature}" for column, feature in list(split.features.items())[:10])
        raise DataError(
            f"{path}, split {name!r}: {len(columns)} of its columns hold images ({listed})",
            f"one, or one named {' or '.join(IMAGE_NAMES)}",
            _SET_PATH,
        )
    column = preferred[0]
    # Not decoded by datasets: infogan's decoder has limits, and defines the conversion of each mode.
    pictures = split.select_columns([column]).cast_column(column, Image(decode=False))
    return [Item(f"{name}/{row}", partial(_content, pictures, row, column)) for row in range(len(pictures))]


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
    """Return a column; one with missing values is refused."""
    values = split[name][:]
    missing = [row for row, value in enumerate(values) if value is None or not math.isfinite(value)]
    if missing:
        raise DataError(
            f"{where}: the column {name!r} has no value in {len(missing)} of {len(values)} rows, "
            f"{missing[0]} the first",
            "a value in each row of a column of labels, booleans or floats",
            "data.path of a copy that lacks this column: training needs none",
        )
    return np.array(values)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
