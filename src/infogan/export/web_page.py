"""The page of `infogan explore` as one file that needs no server and no network."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

import numpy as np

from infogan import __version__
from infogan.explorer.description import Explored
from infogan.explorer.latent_rows import controls
from infogan.explorer.page_files import PAGE, page_files
from infogan.explorer.real_images import RealImages
from infogan.export import graphs, web_runtime
from infogan.export.exported_run import Source
from infogan.export.onnx_files import OnnxNetworks
from infogan.export.web_runtime import Runtime

_BACKEND, _SERVED_BACKEND = "backend-onnx.js", "backend-http.js"
_ALIGNMENT = 4  # of arrays of float32

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
"""The content security policy of the page. Without connect-src, the browser blocks all network requests."""


def render(source: Source, networks: OnnxNetworks, runtime: Runtime, real: RealImages | None) -> str:
    """Return the page as HTML.

    Args:
        source: the model.
        networks: its networks, best stored as float16.
        runtime: onnxruntime-web.
        real: real images to show, or None.
    """
    model, stored = _model(source), b""
    if real is not None:
        stored, arrays = _pack(_arrays(real))
        names = list(real.images.names)
        model["real"] = {"total": real.count, "names": names, "arrays": arrays}
    files = {name: content.decode() for name, content in page_files().items()}
    backend = resources.files("infogan.export").joinpath(_BACKEND).read_text(encoding="utf-8")
    files[_SERVED_BACKEND] = backend
    data = {
        "runtime": runtime.module,
        "wasm": runtime.wasm,
        "generator": networks.generator,
        "recognition": networks.recognition,
        **({"real": stored} if real is not None else {}),
    }
    blocks = [f'<script type="application/json" id="data-model">{_as_json(model)}</script>']
    blocks += [
        f'<script type="text/plain" id="data-{name}">{_as_text(content)}</script>'
        for name, content in data.items()
    ]
    return _assembled(files, "\n".join(blocks))


def _model(source: Source) -> dict[str, Any]:
    """Return the description of the model for the page."""
    codes = source.scores.get("codes", {})
    verdicts = {name: str(code["verdict"]) for name, code in codes.items() if "verdict" in code}
    folder = source.default_out("")
    explored = Explored(source.model, source.names, folder, source.title, verdicts)
    inputs = [{"name": port.name, "shape": port.shape} for port in graphs.generator_inputs(source.model)]
    return {**explored.describe(), "inputs": inputs, "crop": source.model.config.data.crop, "real": None}


def _arrays(real: RealImages) -> dict[str, np.ndarray]:
    """Return everything that the page shows of real images; its backend documents the names."""
    recognised = real.recognised
    arrays: dict[str, np.ndarray] = {
        "mean": recognised.mean.numpy(),
        "components": recognised.components.numpy(),
        "features": recognised.features.numpy(),
        "positions": recognised.positions.numpy(),
        "pixels": np.ascontiguousarray(real.images.pixels),
    }
    for control in controls(real.model.latents):
        key = f"{control.code}.{control.index}"
        arrays[f"{key}.value"] = real.values(control)
        if control.kind == "categorical":
            arrays[f"{key}.probabilities"] = real.probabilities(control)
            arrays[f"{key}.margins"] = real.margins(control)
        elif control.kind != "bernoulli":
            arrays[f"{key}.std"] = real.stds(control)
    return arrays


def _pack(arrays: Mapping[str, np.ndarray]) -> tuple[bytes, dict[str, tuple[str, int, int]]]:
    """Return arrays as bytes, and the type, offset and length of each."""
    parts, index, offset = [], {}, 0
    for name, array in arrays.items():
        dtype = "uint8" if array.dtype == np.uint8 else "float32"
        content = np.ascontiguousarray(array, dtype=np.dtype(dtype).newbyteorder("<")).tobytes()
        padded = content + b"\0" * (-len(content) % _ALIGNMENT)
        index[name] = (dtype, offset, array.size)
        parts.append(padded)
        offset += len(padded)
    return b"".join(parts), index


def _as_text(content: bytes) -> str:
    """Return bytes as base64 of gzip, without the time, so that one model gives one file."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _as_json(content: object) -> str:
    """Return JSON that cannot end a script element."""
    return json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")


def _assembled(files: Mapping[str, str], data: str) -> str:
    """Return the page with its style, icon and scripts inside; the data come before the scripts."""
    page = files[PAGE]
    used = {PAGE}

    def inside(pattern: str, build: Callable[[str, str], str]) -> None:
        nonlocal page

        def replaced(match: re.Match[str]) -> str:
            used.add(match[1])
            return build(match[1], files[match[1]])

        page = re.sub(pattern, replaced, page)

    inside(
        r'<link rel="icon" href="([\w.-]+)">',
        lambda _, text: (
            '<link rel="icon" href="data:image/svg+xml;base64,'
            + base64.b64encode(text.encode()).decode()
            + '">'
        ),
    )
    inside(r'<link rel="stylesheet" href="([\w.-]+)">', lambda _, text: f"<style>\n{text}</style>")
    page = page.replace("<script", f"{data}\n<script", 1)
    inside(
        r'<script src="([\w.-]+)"></script>', lambda name, text: f"<script>\n/* {name} */\n{text}</script>"
    )
    missing = set(files) - used
    assert not missing, f"files of the page that are not in it: {missing}"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    note = (
        f"<!-- Written by infogan {__version__}. Contains {web_runtime.PACKAGE} {web_runtime.VERSION}, "
        "copyright (c) Microsoft Corporation, under the MIT License. -->"
    )
    return page.replace("<head>", f"<head>\n{note}\n{policy}", 1)
