"""Fashion-MNIST from its four IDX files: of the Debian package, or in a folder."""

from __future__ import annotations

from pathlib import Path

from infogan.config import DataConfig
from infogan.data.dataset import Found
from infogan.data.source import About, source
from infogan.data.sources.mnist import read_files
from infogan.errors import DataError

FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package dataset-fashion-mnist puts the files."""

_INSTALL = "apt-get install dataset-fashion-mnist"


@source(
    "fashion-mnist",
    about=About(
        images="60,000 + 10,000",
        form="28x28 gray, 0..255",
        licence="MIT",
        origin="Xiao, Rasul and Vollgraf 2017; the Debian package dataset-fashion-mnist, or four IDX files",
        sha256="that of the package",
    ),
    held_out=None,
    place=lambda: FOLDER,
)
def fashion_mnist(config: DataConfig) -> Found:
    """Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28x28 gray, a Debian package.

    `config.path` names a folder with the four IDX files, gzipped or not; without it they are read from where
    the package dataset-fashion-mnist puts them. Xiao, Rasul and Vollgraf 2017, MIT licence.

    Raises:
        DataError: files are missing, damaged or do not belong together.
    """
    if config.path is None and not FOLDER.is_dir():
        raise DataError(
            f"fashion-mnist: there is no folder {FOLDER}",
            "the Debian package dataset-fashion-mnist, or a folder with its four IDX files",
            f"{_INSTALL}, or --data FOLDER",
        )
    folder = FOLDER if config.path is None else Path(config.path).expanduser()
    return read_files(folder, "Fashion-MNIST", f"{_INSTALL} and no --data")
