"""The rendered chairs of Aubry et al., read from the published tar file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.decoding import picture_stream
from infogan.data.download import cache_folder
from infogan.data.preprocessing import Form
from infogan.data.source import About, path_of, source
from infogan.data.sources.folder import list_pictures
from infogan.errors import DataError

SIZE, CHANNELS = 64, 1

CROP = 400
"""Side of the central square of the 600x600 pixels, (100, 100) to (500, 500): less of the white margin."""

TEST_SHARE = 10
"""One chair in this number, the last by their ids, is a test chair."""

_FOLDER, _ARCHIVE = "rendered_chairs", "rendered_chairs.tar"
_NAME = re.compile(
    r"(?:.*/)?(?P<object>[0-9a-f]{32})/renders/image_\d{3}_p(?P<elevation>\d{3})_t(?P<azimuth>\d{3})_r096\.png"
)
_EXPECTED = f"{_FOLDER}/<id of 32 hex digits>/renders/image_000_p020_t011_r096.png, and so on"
_DECOMPRESS = {b"\x1f\x8b": "gunzip", b"BZh": "bzip2 -d", b"\xfd7zXZ": "xz -d"}
_BY_HAND = (
    f"download {_ARCHIVE} by hand from https://www.di.ens.fr/willow/research/seeing3Dchairs/ "
    "and set data.path to it, or to its folder"
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
    default_path=lambda: cache_folder() / "aubry-chairs",
)
def aubry_chairs(config: DataConfig) -> Found:
    """Aubry's chairs: 1,393 chairs from 31 azimuths and 2 elevations, 64x64 gray on white.

    `config.path` names rendered_chairs.tar, which is not unpacked; or its contents, the folder
    rendered_chairs; or a folder with either. Without it they are read from the folder aubry-chairs of the
    cache. Of each picture the central 400x400 pixels are used. Files of other names are ignored.

    Factors: azimuth, degrees with a period of 360, and elevation, degrees; both from the file's name. Labels
    are the chairs, named by their ids. Test images are all views of a tenth of the chairs, those with the
    last ids: no chair is in both splits.

    Raises:
        DataError: the path is missing, the tar file damaged or compressed, there are fewer than 2 chairs, or
            over 1 % of the pictures are unreadable.
    """
    path = _locate(path_of(config))
    pictures, skipped = list_pictures(path)
    items = [item for item in pictures if _NAME.fullmatch(item.name)]
    truth = read_names([item.name for item in items])
    chairs = len(truth.classes)
    if chairs < 2:
        raise DataError(
            f"{path} has pictures of {chairs} chairs, in {len(items)} files",
            f"at least 2 chairs, one of them for the test split, as {_EXPECTED}",
            _BY_HAND,
        )
    assert truth.labels is not None
    is_test = truth.labels >= chairs - max(1, round(chairs / TEST_SHARE))
    size, channels, crop = config.size or SIZE, config.channels or CHANNELS, config.crop or CROP

    def part(chosen: np.ndarray) -> Stream:
        rows = np.flatnonzero(chosen)
        return picture_stream([items[row] for row in rows], Form(size, channels, crop), truth.take(rows))

    return Found(part(~is_test), part(is_test), tuple(file for file in skipped if _NAME.fullmatch(file.path)))


def read_names(names: Sequence[str]) -> Truth:
    """Parse labels and ids of the chairs, and azimuth and elevation in degrees, from the names of pictures.

    Args:
        names: such as rendered_chairs/<id>/renders/image_000_p020_t011_r096.png. The running number does not
            determine the angle, because some numbers are missing.
    """
    matches = [match for match in map(_NAME.fullmatch, names) if match is not None]
    ids, labels = np.unique([match["object"] for match in matches], return_inverse=True)

    def angles(name: str) -> np.ndarray:
        return np.array([int(match[name]) for match in matches], np.float64)

    return Truth(
        labels.astype(np.int64),
        tuple(map(str, ids)),
        {"azimuth": Factor(angles("azimuth"), 360.0), "elevation": Factor(angles("elevation"))},
    )


def _locate(path: Path) -> Path:
    """Return the path of the tar file, or else the folder of pictures."""
    archive = path / _ARCHIVE if path.is_dir() else path
    if path.is_dir() and not archive.is_file():
        return path
    if not archive.is_file() or ".tar" not in archive.suffixes:
        problem = "is neither a folder nor a .tar file" if path.exists() else "is not there"
        raise DataError(f"{path} {problem}", f"{_ARCHIVE}, or a folder with it", _BY_HAND)
    try:
        with archive.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        raise DataError(f"cannot read {archive}: {error.strerror}", _ARCHIVE, _BY_HAND) from None
    for signature, command in _DECOMPRESS.items():
        if start.startswith(signature):  # every picture would decompress all before it
            raise DataError(
                f"{archive} is compressed by {command.split()[0].replace('gunzip', 'gzip')}",
                "an uncompressed tar file, in which any picture can be read at once",
                f"{command} {archive}",
            )
    return archive
