from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infogan import api
from infogan.config import Config
from infogan.runs.directory import RunDirectory
from infogan.training import notebook_view


class Shown:
    """Stands for the output of a cell."""

    def __init__(self) -> None:
        self.html = ""

    def display(self, *_: Any, **__: Any) -> Shown:
        return self

    def update(self, data: dict[str, str], raw: bool) -> None:
        assert raw
        self.html = data["text/html"]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """A notebook, as `in_notebook` and the view see it."""
    output = Shown()
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=output.display))  # type: ignore[arg-type]
    return output


def test_progress_and_pictures_replace_each_other_in_one_output(
    shown: Shown, tmp_path: Path, tiny_config: Config
) -> None:
    from PIL import Image

    run = RunDirectory.create(tmp_path / "run")
    Image.new("L", (8, 8)).save(run.samples / "step.png")
    view = notebook_view.NotebookView()
    sink = view.sink(run, tiny_config)
    view.notify("begun")
    sink.metrics({"step": tiny_config.training.steps // 2})
    view.notify("step 20/40  100 images/s")
    sink.pictures(20, {"samples": run.samples / "step.png"})
    assert 'value="0.5000"' in shown.html
    assert "begun" in shown.html and "step 20/40" in shown.html and "data:image/png" in shown.html
    view.notify("step 40/40  100 images/s")
    sink.close()
    assert "step 20/40" not in shown.html


def test_a_notebook_gets_the_view_and_a_terminal_does_not(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_notebook = api.output(True)
    assert in_notebook.quiet and len(in_notebook.sinks) == 1 and in_notebook.notify is not None
    assert api.output(False).sinks == ()
    monkeypatch.delitem(sys.modules, "IPython")
    assert api.output(True).sinks == ()
