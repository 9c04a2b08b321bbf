"""Execute the example notebooks and store their outputs in them: `python -m examples [NAME]`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all notebooks."""
    return sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def execute(notebook: Any, folder: Path) -> Any:
    """Execute a notebook in a folder, and return it with its outputs and without times."""
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=7_200, resources=resources, record_timing=False)
    return client.execute()


def main() -> None:
    """Execute the named notebooks, or all."""
    for name in sys.argv[1:] or names():
        path = FOLDER / f"{name}.ipynb"
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(nbformat.read(path, as_version=4), Path(folder))
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
