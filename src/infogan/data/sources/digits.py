"""The 1,797 handwritten digits in the package scikit-learn."""

from __future__ import annotations

import numpy as np

from infogan.config import DataConfig
from infogan.data.dataset import Found, Split
from infogan.data.source import About, source


@source(
    "digits",
    about=About(
        images="1,797, of which 297 are held out",
        form="8x8 gray, 0 to 16, scaled to 0..255",
        licence="CC BY 4.0",
        origin="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits (UCI); inside scikit-learn",
        sha256="that of the package",
    ),
    held_out=297,
    takes_path=False,
    handwriting=True,
)
def digits(config: DataConfig) -> Found:
    """1,797 real handwritten digits, 8x8 gray, inside scikit-learn.

    Their values count the dark pixels of a 4x4 block, 0 to 16, and are scaled to 0..255.
    """
    from sklearn.datasets import load_digits  # lazy: slow to import

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return Found(Split(images[..., None], bunch.target.astype(np.int64)))
