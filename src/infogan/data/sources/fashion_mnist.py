"""Fashion-MNIST from its four IDX files: those of the Debian package, or those in a folder."""

from __future__ import annotations

from pathlib import Path

from infogan.config import DataConfig
from infogan.data.dataset import Found
from infogan.data.source import About, path_of, source
from infogan.data.sources.mnist import read_files

FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Folder in which the Debian package dataset-fashion-mnist installs the files."""


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
    default_path=lambda: FOLDER,
)
def fashion_mnist(config: DataConfig) -> Found:
    """Fashion-MNIST: 60,000 training and 10,000 test pictures of clothes, 28x28 gray, a Debian package.

    `config.path` names a folder with the four IDX files, gzipped or not; without it those of the package
    dataset-fashion-mnist are read.

    Raises:
        DataError: files are missing, damaged or do not match.
    """
    return read_files(
        path_of(config), "Fashion-MNIST", "apt-get install dataset-fashion-mnist and no data.path"
    )
