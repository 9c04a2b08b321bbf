"""A table of the codes of all images of a collection, written while the images are read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infogan.data.image_collection import Batch, ImageCollection
from infogan.data.progress_bar import progress_bar
from infogan.encoding.code_columns import Column, code_columns, table
from infogan.encoding.table_files import writing_table
from infogan.evaluation.embedding_map import EmbeddingMap, landmark_indices
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames


@dataclass(frozen=True)
class Extra:
    """Columns in addition to those of the codes.

    Attributes:
        features: the features that Q receives, as one vector per image.
        map: the position on a 2-D map of the features, `map_x` and `map_y`.
        seed: random seed of the map.
    """

    features: bool = False
    map: bool = False
    seed: int = 0


def write_codes(  # noqa: PLR0913 - three things to read, one to write
    model: InfoGAN,
    images: ImageCollection,
    path: Path,
    *,
    names: CodeNames | None = None,
    extra: Extra = Extra(),
    progress: bool = False,
) -> int:
    """Write one row for each readable image, and return the number of rows.

    The columns are `image`, its name in the collection; `path`, its absolute path if it is a file; those of
    `code_columns`; and those of `extra`. Memory does not grow with the number of images, except for their
    names. An older file is replaced.

    Args:
        model: a trained model.
        images: the images, in the model's form.
        path: the table, .csv or .parquet.
        names: the user's names of codes; None: the configured ones.
        extra: more columns.
        progress: show a progress bar on stderr.

    Raises:
        DataError: no image can be read.
        UsageError: the name is not that of a table, a package is missing, or two columns have the same name.
        StorageError: the table cannot be written.
    """
    rows = 0
    names = names or CodeNames(model.config.latents.codes)
    with writing_table(path) as append:
        fitted = _fitted(model, images, extra.seed) if extra.map else None
        with progress_bar("encoding", len(images), shown=progress) as bar:
            for batch in images.batches():
                found = _predicted(model, batch.images, names, features=extra.features, fitted=fitted)
                append(table([*_origin(images, batch).items(), *found.items()]))
                rows += len(batch.indices)
                bar.update(int(batch.indices[-1]) + 1 - bar.n)
        if not rows:
            raise images.nothing_readable()
    return rows


def _origin(images: ImageCollection, batch: Batch) -> dict[str, Column]:
    given = [images.name(index) for index in batch.indices]
    files = [file for index in batch.indices if (file := images.file(index)) is not None]
    if not files:
        return {"image": given}
    return {"image": given, "path": [os.path.abspath(file) for file in files]}


def _fitted(model: InfoGAN, images: ImageCollection, seed: int) -> EmbeddingMap | None:
    """Return the map of some random images; None if none of them can be read."""
    chosen = landmark_indices(len(images), seed=seed)
    landmarks = [model.features(batch.images).numpy() for batch in images.batches(chosen)]
    return EmbeddingMap(np.concatenate(landmarks), seed=seed) if landmarks else None


def _predicted(
    model: InfoGAN, images: np.ndarray, names: CodeNames, *, features: bool, fitted: EmbeddingMap | None
) -> dict[str, Column]:
    if not features and fitted is None:
        return code_columns(model.latents, model.recognise(images), names)
    raw, of_images = model.recognise_with_features(images)
    columns = list(code_columns(model.latents, raw, names).items())
    if fitted is not None:
        columns += zip(("map_x", "map_y"), fitted.place(of_images.numpy()).T, strict=True)
    if features:
        columns.append(("features", of_images.numpy()))
    return table(columns)
