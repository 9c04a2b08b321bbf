"""The rendered chairs of Aubry et al., straight from the tar file in which they are given out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.decoding import Item, picture_stream
from infogan.data.download import cache_folder
from infogan.data.source import About, source
from infogan.data.sources.folder import list_pictures
from infogan.errors import DataError

SIZE, CHANNELS = 64, 1

CROP = 400
"""Side of the central square of the 600x600 pixels, (100, 100) to (500, 500): less of the white around."""

TEST_SHARE = 10
"""One chair in so many, by the sorted ids the last ones, is a test chair."""

_FOLDER, _ARCHIVE = "rendered_chairs", "rendered_chairs.tar"
_NAME = re.compile(
    r"(?:.*/)?(?P<object>[0-9a-f]{32})/renders/image_\d{3}_p(?P<elevation>\d{3})_t(?P<azimuth>\d{3})_r096\.png"
)
_EXPECTED = f"{_FOLDER}/<id of 32 hex digits>/renders/image_000_p020_t011_r096.png, and so on"
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}
_BY_HAND = (
    f"download {_ARCHIVE} by hand from https://www.di.ens.fr/willow/research/seeing3Dchairs/ "
    "and name it, or the folder that it is in: --data FOLDER"
)


@source(
    "aubry-chairs",
    about=About(
        images="1,393 chairs, 62 views of each; those of the last tenth of the chairs are test images",
        form="600x600 RGB PNG on white; the central 400x400, at 64x64 gray",
        licence="for research",
        origin="Aubry et al. 2014, Seeing 3D chairs; rendered_chairs.tar, downloaded by hand",
    ),
    held_out=None,
    crop=CROP,
    place=lambda: cache_folder() / "aubry-chairs",
)
def aubry_chairs(config: DataConfig) -> Found:
    """Aubry's chairs: 1,393 chairs from 31 azimuths and 2 elevations, 64x64 gray on white.

    `config.path` names rendered_chairs.tar, which is read as it is, never unpacked; or what it unpacks to,
    the folder rendered_chairs; or a folder with either. Without it they are looked for in the cache, under
    aubry-chairs. Of each picture the central 400x400 pixels are used. Files of other names are left alone.

    Factors: azimuth, degrees with a period of 360, and elevation, degrees; both from the file's name. Labels
    are the chairs, named by their ids.

    Test images are all views of a tenth of the chairs, those whose ids sort last: none of them is trained on.
    Aubry, Maturana, Efros, Russell and Sivic 2014, for research.

    Raises:
        DataError: the path is missing, the tar file damaged or compressed, fewer than 2 chairs are there, or
            over 1 % of the pictures are unreadable.
    """
    path = cache_folder() / "aubry-chairs" if config.path is None else Path(config.path).expanduser()
    path = _locate(path)
    listed, skipped = list_pictures(path)
    items = [item for item in listed if _NAME.fullmatch(item.name)]
    truth = read_names([item.name for item in items])
    chairs = len(truth.classes)
    if chairs < 2:
        raise DataError(
            f"{path} has pictures of {chairs} chairs, in {len(items)} files",
            f"at least 2 chairs, one of them to test, as {_EXPECTED}",
            _BY_HAND,
        )
    first_test = chairs - max(1, round(chairs / TEST_SHARE))
    assert truth.labels is not None
    rows = np.flatnonzero(truth.labels < first_test), np.flatnonzero(truth.labels >= first_test)
    train, test = (_stream(items, truth, some, config) for some in rows)
    return Found(train, test, tuple(one for one in skipped if _NAME.fullmatch(one.path)))


def read_names(names: Sequence[str]) -> Truth:
    """What the names of pictures tell: labels and ids of the chairs, azimuth and elevation in degrees.

    Args:
        names: such as rendered_chairs/<id>/renders/image_000_p020_t011_r096.png. The running number says
            nothing of the angle: some are missing.
    """
    found = [match for match in map(_NAME.fullmatch, names) if match is not None]
    ids = tuple(sorted({match["object"] for match in found}))
    number = {one: index for index, one in enumerate(ids)}
    return Truth(
        np.array([number[match["object"]] for match in found], np.int64),
        ids,
        {
            "azimuth": Factor(np.array([int(match["azimuth"]) for match in found], np.float64), 360.0),
            "elevation": Factor(np.array([int(match["elevation"]) for match in found], np.float64)),
        },
    )


def _stream(items: Sequence[Item], truth: Truth, rows: Int64[np.ndarray, " m"], config: DataConfig) -> Stream:
    size, channels, crop = config.size or SIZE, config.channels or CHANNELS, config.crop or CROP
    return picture_stream([items[row] for row in rows], size, channels, crop, truth.take(rows))


def _locate(path: Path) -> Path:
    """The tar file, or the folder to look through."""
    if path.is_dir():
        archive = path / _ARCHIVE
        path = archive if archive.is_file() else path
    elif not path.is_file() or ".tar" not in path.suffixes:
        what = "is neither a folder nor a .tar file" if path.exists() else "is not there"
        raise DataError(f"{path} {what}", f"{_ARCHIVE}, or a folder with it", _BY_HAND)
    if path.is_file():
        _check_unpacked(path)
    return path


def _check_unpacked(path: Path) -> None:
    """Out of a compressed tar file every picture, read by its name, would unpack all before it."""
    try:
        with path.open("rb") as file:
            begin = file.read(6)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", f"{_ARCHIVE}", _BY_HAND) from None
    for signature, kind in _PACKED.items():
        if begin.startswith(signature):
            raise DataError(
                f"{path} is compressed by {kind}",
                "an uncompressed tar file, in which any picture can be read at once",
                f"{kind.replace('gzip', 'gunzip')} {'' if kind == 'gzip' else '-d '}{path}",
            )
