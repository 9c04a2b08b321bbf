"""The example notebooks: small, without paths of a machine, and executed on few steps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from examples.__main__ import FOLDER, execute, names

SMALL = '"network.width": 0.0625, "objective.neighbours": 1, "training.batch_size": 16'


def read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def shortened(notebook: Any) -> Any:
    """Return a notebook that trains tiny networks for a few steps on few images."""
    for cell in notebook.cells:
        source = re.sub(
            r"steps=\d+", lambda match: f"steps={20 if match[0] != 'steps=540' else 40}", cell.source
        )
        source = source.replace('"network.width": 0.5', SMALL).replace("range(1_500)", "range(150)")
        cell.source = source.replace("samples=2_000", "samples=50").replace("[::6]", "[::1]")
    return notebook


def outputs(notebook: Any, kind: str) -> list[Any]:
    return [out for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == kind]


@pytest.mark.parametrize("name", names())
def test_a_notebook_is_small_and_names_no_machine(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    plain = re.sub(r'"image/png": "[^"]*"|base64,[A-Za-z0-9+/=]*', "", text)
    assert not re.search(r"/(home|root|tmp|work|Users)/", plain)


@pytest.mark.parametrize("name", names())
def test_the_stored_outputs_have_no_error(name: str) -> None:
    notebook = read(name)
    assert outputs(notebook, "error") == []
    assert outputs(notebook, "display_data"), "the notebook has no outputs: python -m examples"


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_notebook_runs_and_shows_progress_and_pictures(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    notebook = execute(shortened(read(name)), tmp_path)
    shown = [out.data.get("text/html", "") for out in outputs(notebook, "display_data")]
    assert any("<progress" in html and "data:image/png" in html for html in shown)
    assert outputs(notebook, "error") == []
