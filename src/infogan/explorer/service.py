"""The application behind the page: its files, and one handler for each question that the page asks.

Handlers only parse, call and answer. Everything that computes runs in threads: two for generated pictures, so
that the picture of a slider does not wait for a grid, and one for everything slower.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import UInt8
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infogan.errors import InfoGANError, UsageError
from infogan.explorer import latent_rows, parameters, predictions
from infogan.explorer.description import Explored
from infogan.explorer.gallery import Gallery
from infogan.explorer.inversion import invert
from infogan.explorer.latent_rows import Control
from infogan.explorer.page_files import PAGE, page_files
from infogan.explorer.real_images import Order
from infogan.networks.normalization import Domain
from infogan.runs.code_names import as_note

Result = TypeVar("Result")

MOST_PICTURES = 500
"""Largest number of real images in one request."""

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Service:
    """Answers the page's questions about one model.

    Args:
        run: the model, and the names of its codes.
        gallery: the real images.
    """

    def __init__(self, run: Explored, gallery: Gallery) -> None:
        self.run, self.model, self.gallery = run, run.model, gallery
        self._controls = latent_rows.controls(run.model.latents)
        one_thread = partial(torch.set_num_threads, 1)
        self._pictures = ThreadPoolExecutor(2, "pictures", one_thread)
        self._slow = ThreadPoolExecutor(1, "slow", one_thread)

    def application(self) -> Starlette:
        """Return the application, without the checks of `request_guard`."""
        files = page_files()
        routes = [Route("/", _file(PAGE, files[PAGE]))]
        routes += [Route(f"/{name}", _file(name, content)) for name, content in files.items()]
        routes += [
            Route("/api/model", self._model),
            Route("/api/render", self._render, methods=["POST"]),
            Route("/api/encode", self._encode, methods=["POST"]),
            Route("/api/invert", self._invert, methods=["POST"]),
            Route("/api/predict", self._predict, methods=["POST"]),
            Route("/api/name", self._name, methods=["POST"]),
            Route("/api/real", self._real),
            Route("/api/real/category", self._category),
            Route("/api/real/along", self._along),
            Route("/api/real/nearest", self._nearest, methods=["POST"]),
            Route("/api/real/pictures", self._real_pictures, methods=["POST"]),
            Route("/api/real/names", self._real_names, methods=["POST"]),
            Route("/api/real/codes", self._real_codes),
            Route("/api/real/map", self._map),
            Route("/api/real/values", self._values),
        ]
        handlers: Any = {InfoGANError: _user_error}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def _in(self, pool: ThreadPoolExecutor, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(pool, call)

    async def _model(self, _: Request) -> Response:
        return JSONResponse(self.run.describe())

    async def _render(self, request: Request) -> Response:
        noise, codes = latent_rows.parse(self.model.latents, await request.body())
        images = await self._in(self._pictures, partial(self.model.generate, noise, codes))
        return _binary(images)

    async def _encode(self, request: Request) -> Response:
        content = await request.body()
        return JSONResponse(await self._in(self._slow, partial(self._encoded, content)))

    def _encoded(self, content: bytes) -> dict[str, Any]:
        image = parameters.decoded(content, self.model)
        raw = self.model.recognise(image[None])
        return {"pixels": _base64(image), "codes": predictions.predicted(self.model.latents, raw)}

    async def _invert(self, request: Request) -> Response:
        image = parameters.pixels(await request.body(), self.model)[0]
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

    async def _predict(self, request: Request) -> Response:
        image = parameters.pixels(await request.body(), self.model)
        domain: Domain = "fake" if parameters.flag(request, "generated") else "real"
        raw = await self._in(self._slow, partial(self.model.recognise, image, domain=domain))
        return JSONResponse(predictions.predicted(self.model.latents, raw))

    # --- real images

    async def _real(self, _: Request) -> Response:
        return JSONResponse(self.gallery.status())

    async def _category(self, request: Request) -> Response:
        control = self._control(request, "categorical")
        category, seed = (
            parameters.whole(request, "category", control.size - 1),
            parameters.whole(request, "seed", 2**31),
        )
        order = request.query_params.get("order", "typical")
        if order not in get_args(Order):
            raise UsageError(f"no order is named {order[:20]!r}", ", ".join(get_args(Order)), "typical")
        images = self.gallery.images
        call = partial(images.category, control, category, order, seed=seed)  # type: ignore[arg-type]
        ids, values = await self._in(self._slow, call)
        start = parameters.whole(request, "offset", len(ids))
        chosen = slice(start, start + parameters.whole(request, "count", MOST_PICTURES))
        return _listed(ids[chosen], values[chosen], len(ids))

    async def _along(self, request: Request) -> Response:
        control = self._control(request)
        within = None
        if "of" in request.query_params:
            other = self._control(request, "categorical", code="of", index="dimension")
            within = (other, parameters.whole(request, "category", other.size - 1))
        count = parameters.whole(request, "count", MOST_PICTURES)
        images = self.gallery.images
        return _listed(*await self._in(self._slow, partial(images.along, control, count, within)))

    async def _nearest(self, request: Request) -> Response:
        image, images = parameters.pixels(await request.body(), self.model), self.gallery.images
        count, generated = (
            parameters.whole(request, "count", MOST_PICTURES),
            parameters.flag(request, "generated"),
        )
        call = partial(images.nearest, image, count, generated=generated)
        return _listed(*await self._in(self._slow, call), images.count)

    async def _real_pictures(self, request: Request) -> Response:
        images = self.gallery.images
        ids = parameters.ids(await request.body(), images.count, MOST_PICTURES)
        return _binary(await self._in(self._slow, lambda: np.ascontiguousarray(images.images.pixels[ids])))

    async def _real_names(self, request: Request) -> Response:
        images = self.gallery.images
        ids = parameters.ids(await request.body(), images.count, images.count)
        return JSONResponse([images.images.names[index] for index in ids])

    async def _real_codes(self, request: Request) -> Response:
        images = self.gallery.images
        index = parameters.whole(request, "id", images.count - 1)
        return JSONResponse(
            predictions.predicted(self.model.latents, images.recognised.raw[index : index + 1])
        )

    async def _map(self, _: Request) -> Response:
        return _binary(self.gallery.images.recognised.positions.numpy())

    async def _values(self, request: Request) -> Response:
        return _binary(self.gallery.images.values(self._control(request)).astype("<f4"))

    def _control(
        self, request: Request, kind: str | None = None, *, code: str = "code", index: str = "index"
    ) -> Control:
        """Return the control that a query names."""
        name, dimension = request.query_params.get(code, ""), parameters.whole(request, index, 10_000)
        for control in self._controls:
            if (control.code, control.index) == (name, dimension) and kind in (None, control.kind):
                return control
        raise UsageError(f"no code {name[:40]!r} [{dimension}] is {kind or 'there'}", "a code", "the page")

    async def _name(self, request: Request) -> Response:
        content = parameters.json_object(await request.body())
        try:
            code, note = str(content.pop("code")), as_note(content)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"the note cannot be read: {error}", "a code and its name", "the page") from None
        await self._in(self._slow, partial(self.run.rename, code, note))
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


def _binary(array: np.ndarray) -> Response:
    return Response(array.tobytes(), media_type="application/octet-stream")


def _listed(ids: np.ndarray, values: np.ndarray, total: int) -> Response:
    numbers = [round(float(value), 6) for value in values]
    return JSONResponse({"ids": ids.tolist(), "values": numbers, "total": int(total)})


def _base64(image: np.ndarray) -> str:
    return base64.b64encode(image.tobytes()).decode()
