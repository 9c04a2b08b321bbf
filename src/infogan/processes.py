"""This process as one of several that a launcher has started for one training; only the standard library.

torchrun and `infogan train --devices N` set these variables for each process.
"""

from __future__ import annotations

import os

RANK, SIZE, LOCAL_RANK, ADDRESS, PORT = "RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"


def started() -> bool:
    """Return True if a launcher has started this process together with others."""
    return all(name in os.environ for name in (RANK, SIZE, ADDRESS, PORT)) and int(os.environ[SIZE]) > 1


def is_first() -> bool:
    """Return True if this process writes files and prints results: it is alone, or process 0."""
    return not started() or int(os.environ[RANK]) == 0


def local_rank() -> int:
    """Return the number of this process on its machine, from 0."""
    return int(os.environ.get(LOCAL_RANK, os.environ[RANK]))
