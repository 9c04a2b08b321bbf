"""Progress in a notebook: one output that is updated, with a bar, messages and the newest pictures."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infogan import inline_html
from infogan.config import Config
from infogan.runs.directory import RunDirectory
from infogan.sinks import Sink

_MESSAGES = 4  # the newest ones are shown; all are in log.txt
_EVERY = 1.0  # seconds between two updates


def in_notebook() -> bool:
    """Return True in a kernel of Jupyter, which can show HTML; False in a terminal, also that of IPython."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class NotebookView:
    """One output of a notebook cell, which shows the progress of training.

    `notify` receives messages, as the function of a user does. `sink` makes the sink of a run, which receives
    the number of steps and the pictures.
    """

    def __init__(self) -> None:
        from IPython.display import display  # a notebook has it

        self._handle = display({"text/plain": "training"}, raw=True, display_id=True)
        self._texts: deque[str] = deque(maxlen=_MESSAGES)
        self._pictures: list[str] = []
        self._share, self._title, self._shown = 0.0, "training", 0.0
        self._status = ""

    def notify(self, text: str) -> None:
        """Show a message, or the current line of progress in place of the one before."""
        if text.startswith("step ") and "images/s" in text:
            self._status = text
        else:
            self._texts.append(text)
        if time.monotonic() - self._shown >= _EVERY:
            self.update()

    def sink(self, run: RunDirectory, config: Config) -> Sink:
        """Return the sink of a run."""
        self._title = str(run.path)
        return _ViewSink(run, config, self)

    def show(self, share: float) -> None:
        """Set the share of the steps that are done."""
        self._share = share

    def show_pictures(self, pictures: list[str]) -> None:
        """Replace the pictures, as HTML."""
        self._pictures = pictures
        self.update()

    def update(self) -> None:
        """Replace the output."""
        self._shown = time.monotonic()
        if self._handle is None:
            return
        bar = f'<progress value="{self._share:.4f}" max="1" style="width:100%"></progress>'
        texts = [inline_html.line(text) for text in (self._status, *self._texts) if text]
        html = inline_html.block(self._title, bar, *texts, *self._pictures)
        plain = "\n".join(text for text in (self._title, self._status, *self._texts) if text)
        self._handle.update({"text/html": html, "text/plain": plain}, raw=True)


class _ViewSink(Sink):
    """Passes metrics and pictures of a run to the view."""

    def __init__(self, run: RunDirectory, config: Config, view: NotebookView) -> None:
        super().__init__(run, config)
        self._view, self._total = view, config.training.steps

    def metrics(self, line: Mapping[str, Any]) -> None:
        self._view.show(line["step"] / self._total)

    def pictures(self, step: int, paths: Mapping[str, Path]) -> None:
        self._view.show_pictures(
            [inline_html.picture_file(path, f"{name}, step {step:,}", 420) for name, path in paths.items()][
                :2
            ]
        )

    def close(self) -> None:
        self._view.update()
