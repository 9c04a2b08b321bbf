"""60,000 images in the format of MNIST without a download: scikit-learn's digits, enlarged and centred.

The content affects only the decoding of PNG files, which is slower for noise than for digits. These files
have 272 bytes on average (MNIST's: 274) and take as long to decode.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

COUNT, SIZE, DIGIT = 60_000, 28, 20


def digits() -> np.ndarray:
    """Return uint8 [1,797, 28, 28]: each digit 20 pixels wide and centred, as in MNIST."""
    edge = (SIZE - DIGIT) // 2
    pictures = np.zeros((len(load_digits().images), SIZE, SIZE), np.uint8)
    for picture, digit in zip(pictures, load_digits().images, strict=True):
        small = Image.fromarray((digit * (255 / 16)).astype(np.uint8))
        large = np.asarray(small.resize((DIGIT, DIGIT), Image.Resampling.BILINEAR))
        # Black and white as after thresholding: flat areas make small PNG files.
        picture[edge : edge + DIGIT, edge : edge + DIGIT] = np.clip(large.astype(int) * 3 - 255, 0, 255)
    return pictures


def repeated(distinct: int) -> np.ndarray:
    """Return the index of one of `distinct` images for each of the 60,000 images."""
    return np.arange(COUNT) % distinct


def png(picture: np.ndarray) -> bytes:
    """Return an image as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()
