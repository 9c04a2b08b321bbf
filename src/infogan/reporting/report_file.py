"""The path of a report, which a notebook shows as the report itself."""

from __future__ import annotations

import sys
from pathlib import PosixPath, WindowsPath

from infogan import inline_html

if sys.platform == "win32":
    _Path = WindowsPath
else:
    _Path = PosixPath


class ReportFile(_Path):
    """The path of a report. Where a notebook displays it, the report appears in a frame."""

    def _repr_html_(self) -> str | None:
        if self.suffix != ".html" or not self.is_file():
            return None  # `parent` and other paths made from this one are shown as text
        return inline_html.page(self.read_text(encoding="utf-8"))
