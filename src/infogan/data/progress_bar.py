"""A progress bar on stderr for work on many images."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from infogan import console

if TYPE_CHECKING:
    from tqdm import tqdm

_LIVE, _PLAIN = 0.2, 15.0  # seconds between updates in a terminal, and elsewhere


def progress_bar(text: str, total: int, *, shown: bool = True) -> tqdm:
    """Return a bar that appears after a second and is removed at the end.

    Args:
        text: what is being done.
        total: number of images.
        shown: if False, nothing is written.
    """
    from tqdm import tqdm  # lazy: no import for a run without a bar

    closed = sys.stderr is None  # by the shell: 2>&-
    interval = _PLAIN if closed or not sys.stderr.isatty() else _LIVE
    return tqdm(
        desc=text, total=total, unit=" images", leave=False, delay=1, mininterval=interval,
        file=console.Guarded(sys.stderr), disable=closed or not shown,
    )  # fmt: skip
