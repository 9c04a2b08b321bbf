"""The real images of a session: loaded and encoded in a thread of their own, while sliders already work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import torch

from infogan.errors import InfoGANError, UsageError
from infogan.explorer.real_images import Images, RealImages, open_images
from infogan.model import InfoGAN

log = logging.getLogger(__name__)


class Gallery:
    """Real images that become available some time after `start`.

    Args:
        model: the model.
        load: loads the images.
        folder: the run directory, in which codes of real images are stored; None: they are not stored.
    """

    def __init__(self, model: InfoGAN, load: Callable[[], Images], folder: Path | None) -> None:
        self.model, self.load, self.folder = model, load, folder
        self._found: RealImages | None = None
        self._state, self._done, self._message = "computing", 0.0, "loading real images"

    def start(self) -> Thread:
        """Load and encode the images in the background; return the thread."""
        thread = Thread(target=self.compute, daemon=True)
        thread.start()
        return thread

    def compute(self) -> None:
        """Load and encode the images. If this fails, the page shows the reason and still generates images."""
        torch.set_num_threads(1)
        try:
            self._found = open_images(self.model, self.load(), self.folder, self._progress)
            self._state, self._done, self._message = "ready", 1.0, ""
        except InfoGANError as error:
            self._state, self._message = "absent", error.happened
        except Exception as error:  # the generator works without them
            log.exception("real images cannot be shown")
            self._state, self._message = "absent", f"{type(error).__name__}: {error}"

    def status(self) -> dict[str, Any]:
        """Return the state of the images, as `static/backend.js` describes it."""
        total = 0 if self._found is None else self._found.count
        return {"state": self._state, "message": self._message, "done": round(self._done, 3), "total": total}

    @property
    def images(self) -> RealImages:
        """The images.

        Raises:
            UsageError: they are not available, or not yet.
        """
        if self._found is None:
            raise UsageError(f"no real images: {self._message}", "real images that are ready", "later again")
        return self._found

    def _progress(self, done: float, message: str) -> None:
        self._done, self._message = done, message
