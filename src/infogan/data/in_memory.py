"""Images that are in memory already: arrays, tensors and lists, as uint8 [N, H, W, C]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64, UInt8

from infogan.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS = (1, 3, 4)


def as_images(images: np.ndarray | Tensor | Sequence[Any]) -> UInt8[np.ndarray, "n h w c"]:
    """Return images in the package's form.

    Args:
        images: uint8 [N, H, W] or [N, H, W, C] with 1, 3 or 4 channels; a torch tensor may have its channels
            first, [N, C, H, W]; a list holds images of one size.

    Raises:
        DataError: the images have another type or shape.
    """
    array = _as_array(images)
    if not array.size:
        raise DataError("there are no images", "at least 2 images", "another list or array of images")
    if array.ndim == 3:
        array = array[..., None]
    first = array.ndim == 4 and array.shape[1] in CHANNELS and array.shape[3] not in CHANNELS
    if first:
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in CHANNELS:
        raise DataError(
            f"the images have the shape {list(array.shape)}",
            "[N, H, W] or [N, H, W, C] with 1, 3 or 4 channels",
            "images[None], for one image",
        )
    if array.dtype != np.uint8:
        raise DataError(
            f"the images are {array.dtype}",
            "uint8, from 0 to 255",
            "(images * 255).round().astype('uint8'), for images from 0 to 1",
        )
    return array


def as_labels(labels: np.ndarray | Tensor | Sequence[int] | None) -> Int64[np.ndarray, " n"] | None:
    """Return labels as int64 [N], or None.

    Raises:
        DataError: the labels are not one whole number per image.
    """
    if labels is None:
        return None
    array = _as_array(labels)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"the labels are {array.dtype} {list(array.shape)}",
            "one whole number per image, [N]",
            "np.unique(names, return_inverse=True)[1], for names of classes",
        )
    return array.astype(np.int64)


def _as_array(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):  # a torch tensor, without importing torch
        return np.asarray(values.detach().cpu().numpy())
    try:
        return np.asarray(values)
    except ValueError:
        raise DataError(
            "the images in the list have different sizes",
            "images of one size, or files",
            "a folder of the files, which are cropped and resized",
        ) from None
