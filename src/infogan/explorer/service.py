"""The application behind the page: its files, and one handler for each question that the page asks.

Handlers only parse, call and answer. Everything that computes runs in one of two threads: pictures, which
follow a slider, and everything slower, so that the slider does not wait for it.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import UInt8
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infogan.data.decoding import Item, decode
from infogan.errors import InfoGANError, UsageError
from infogan.explorer import latent_rows, predictions
from infogan.explorer.description import describe
from infogan.explorer.inversion import invert
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames, as_note

Result = TypeVar("Result")

PAGE = "index.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def page_files() -> dict[str, bytes]:
    """Return the files of the page by name, index.html first."""
    folder = resources.files("infogan.explorer") / "static"
    found = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    return {name: found[name] for name in sorted(found, key=lambda name: (name != PAGE, name))}


class Service:
    """Answers the page's questions about one model.

    Args:
        model: the model.
        names: names of its codes.
        folder: where codes.json is written.
        title: name of the run.
        verdicts: by code, if the run was evaluated.
    """

    def __init__(
        self,
        model: InfoGAN,
        names: CodeNames,
        folder: Path,
        *,
        title: str,
        verdicts: Mapping[str, str] | None = None,
    ) -> None:
        self.model, self.names, self.folder = model, names, folder
        self.title, self.verdicts = title, dict(verdicts or {})
        one_thread = partial(torch.set_num_threads, 1)
        self._pictures = ThreadPoolExecutor(1, "pictures", one_thread)
        self._slow = ThreadPoolExecutor(1, "slow", one_thread)

    def application(self) -> Starlette:
        """Return the application, without the checks of `guard`."""
        files = page_files()
        routes = [Route("/", _file(PAGE, files[PAGE]))]
        routes += [Route(f"/{name}", _file(name, content)) for name, content in files.items()]
        routes += [
            Route("/api/model", self._model),
            Route("/api/render", self._render, methods=["POST"]),
            Route("/api/encode", self._encode, methods=["POST"]),
            Route("/api/invert", self._invert, methods=["POST"]),
            Route("/api/name", self._name, methods=["POST"]),
        ]
        handlers: Any = {InfoGANError: _user_error}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def _in(self, pool: ThreadPoolExecutor, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    async def _model(self, _: Request) -> Response:
        return JSONResponse(describe(self.model, self.names, title=self.title, verdicts=self.verdicts))

    async def _render(self, request: Request) -> Response:
        noise, codes = latent_rows.parse(self.model.latents, await request.body())
        images = await self._in(self._pictures, partial(self.model.generate, noise, codes))
        return Response(images.tobytes(), media_type="application/octet-stream")

    async def _encode(self, request: Request) -> Response:
        content = await request.body()
        return JSONResponse(await self._in(self._slow, partial(self._encoded, content)))

    def _encoded(self, content: bytes) -> dict[str, Any]:
        image = _decoded(content, self.model)
        raw = self.model.recognise(image[None])
        return {"pixels": _base64(image), "codes": predictions.predicted(self.model.latents, raw)}

    async def _invert(self, request: Request) -> Response:
        image = _pixels(await request.body(), self.model)[0]
        return JSONResponse(await self._in(self._slow, partial(self._inverted, image)))

    def _inverted(self, image: UInt8[np.ndarray, "h w c"]) -> dict[str, Any]:
        entries = predictions.predicted(self.model.latents, self.model.recognise(image[None]))
        row = latent_rows.row(np.zeros(self.model.latents.noise), predictions.numbers(entries))
        _, codes = latent_rows.parse(self.model.latents, row)
        found = invert(self.model, image, codes)
        return {
            "noise": [round(float(value), 5) for value in found.noise],
            "error": round(found.error, 5),
            "steps": found.steps,
        }

    async def _name(self, request: Request) -> Response:
        content = _json(await request.body())
        try:
            code, note = str(content.pop("code")), as_note(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"the note cannot be read: {error}", "a code and its name", "the page") from None
        names = self.names.with_note(code, note)
        await self._in(self._slow, partial(names.write, self.folder))
        self.names = names
        return await self._model(request)


def _file(name: str, content: bytes) -> Callable[[Request], Any]:
    """Return a handler for a file of the page, which is in memory already."""
    media_type = _TYPES[Path(name).suffix]

    async def handler(_: Request) -> Response:
        return Response(content, media_type=media_type)

    return handler


async def _user_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, InfoGANError)
    return JSONResponse({"error": error.happened, "expected": error.expected}, 400)


def _decoded(content: bytes, model: InfoGAN) -> UInt8[np.ndarray, "h w c"]:
    """Decode a picture that was dropped in, by the rules for files of a data set."""
    crop = model.config.data.crop
    try:
        return decode(Item("picture", lambda: content), model.size, model.channels, crop)
    except Exception as error:  # decoders of damaged files raise almost anything
        raise UsageError(
            f"the file cannot be read as a picture: {str(error)[:200] or type(error).__name__}",
            "a PNG, JPEG, WebP, BMP, TIFF or GIF file",
            "another file",
        ) from None


def _pixels(body: bytes, model: InfoGAN) -> UInt8[np.ndarray, "n h w c"]:
    """Return images from the bytes of their pixels."""
    shape = (model.size, model.size, model.channels)
    count, rest = divmod(len(body), int(np.prod(shape)))
    if rest or count != 1:
        raise UsageError(f"{len(body)} bytes are not one image", f"one image of {shape}", "the page")
    return np.frombuffer(body, np.uint8).reshape(count, *shape).copy()


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
        if isinstance(content, dict):
            return content
    except (ValueError, RecursionError):
        pass
    raise UsageError("the request is not a JSON object", "a JSON object", "the page, loaded again")


def _base64(image: UInt8[np.ndarray, "..."]) -> str:
    return base64.b64encode(image.tobytes()).decode()
