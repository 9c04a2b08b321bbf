"""Values of a request: every number is clamped, and everything else that does not fit is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from jaxtyping import UInt8
from starlette.requests import Request

from infogan.data.decoding import Item, decode
from infogan.data.preprocessing import Form
from infogan.errors import UsageError
from infogan.model import InfoGAN

_DIGITS = 11


def whole(request: Request, name: str, most: int) -> int:
    """Return a whole number of the query, clamped to 0..most; 0 if it is missing."""
    text = request.query_params.get(name, "0")
    if not (text.isascii() and text.isdigit() and len(text) < _DIGITS):
        raise UsageError(f"{name} = {text[:40]!r}", f"a whole number from 0 to {most}", "the page")
    return min(int(text), most)


def flag(request: Request, name: str) -> bool:
    """Return True if a value of the query is 1."""
    return whole(request, name, 1) == 1


def ids(body: bytes, count: int, most: int) -> np.ndarray:
    """Return the numbers of images from a body of little-endian uint32."""
    if len(body) % 4 or len(body) > 4 * most:
        raise UsageError(f"{len(body)} bytes are not a list of images", f"at most {most} numbers", "the page")
    ids = np.frombuffer(body, "<u4").astype(np.int64)
    if len(ids) and ids.max() >= count:
        raise UsageError(f"there is no image {ids.max()}", f"numbers below {count}", "reload the page")
    return ids


def pixels(body: bytes, model: InfoGAN) -> UInt8[np.ndarray, "n h w c"]:
    """Return images from the bytes of their pixels."""
    shape = (model.size, model.size, model.channels)
    count, rest = divmod(len(body), int(np.prod(shape)))
    if rest or count != 1:
        raise UsageError(f"{len(body)} bytes are not one image", f"one image of {shape}", "the page")
    return np.frombuffer(body, np.uint8).reshape(count, *shape).copy()


def decoded(content: bytes, model: InfoGAN) -> UInt8[np.ndarray, "h w c"]:
    """Decode a picture that was dropped in, by the rules for files of a data set."""
    form = Form.of(model.config.data, model.size, model.channels)
    try:
        return decode(Item("picture", lambda: content), form)
    except Exception as error:  # decoders of damaged files raise almost anything
        raise UsageError(
            f"the file cannot be read as a picture: {str(error)[:200] or type(error).__name__}",
            "a PNG, JPEG, WebP, BMP, TIFF or GIF file",
            "another file",
        ) from None


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body."""
    try:
        content = json.loads(body)
        if isinstance(content, dict):
            return content
    except (ValueError, RecursionError):
        pass
    raise UsageError("the request is not a JSON object", "a JSON object", "reload the page")
