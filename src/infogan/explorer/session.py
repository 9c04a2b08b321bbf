"""One session of `infogan explore`: the model, its names, its real images and the server."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import torch

from infogan.errors import Interrupted, UsageError
from infogan.explorer.address import Address
from infogan.explorer.description import Explored
from infogan.explorer.gallery import Gallery
from infogan.explorer.real_images import Images
from infogan.model import InfoGAN
from infogan.runs import code_names
from infogan.runs.directory import RunDirectory


def explore(  # noqa: PLR0913 - the arguments of `infogan.explore`
    model: InfoGAN,
    run: Path,
    load: Callable[[], Images],
    *,
    address: Address,
    browser: bool,
    announce: Callable[[str], None],
) -> None:
    """Serve the page of a run until Ctrl-C; arguments and errors are those of `infogan.explore`.

    Args:
        model: the model of the run.
        run: the run directory or model folder.
        load: loads the training images, in a thread of its own.
        address: host and port.
        browser: open the page in a browser.
        announce: called with each message.
    """
    check_installed()
    from infogan.explorer.service import Service
    from infogan.explorer.serving import serve

    torch.set_num_threads(1)  # small batches are fastest with one thread
    names = code_names.read(run, model.config.latents.codes)
    gallery = Gallery(model, load, run)
    explored = Explored(model, names, run, run.resolve().name, _verdicts(run))
    service = Service(explored, gallery)

    def announced(url: str) -> None:
        announce(f"{run} is at {url}")
        announce("Ctrl-C ends infogan explore")

    gallery.start()
    try:
        serve(service.application(), address, announce=announced, open_browser=browser)
    except (KeyboardInterrupt, Interrupted):  # how a session ends
        announce("infogan explore has ended")


def check_installed() -> None:
    """Raise UsageError if starlette or uvicorn is not installed."""
    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"infogan explore needs {' and '.join(missing)}",
            "infogan with its extra explore",
            "pip install 'infogan[explore]'",
        )


def _verdicts(run: Path) -> dict[str, str]:
    """Return the verdict on each code from evaluation.json; empty if there is none or it is damaged."""
    try:
        codes = json.loads(RunDirectory(run).evaluation_path.read_text())["codes"]
        return {name: str(code["verdict"]) for name, code in codes.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
