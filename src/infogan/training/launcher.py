"""Start the processes of a training on one machine, as `torchrun --standalone` does.

Unlike torchrun, it keeps the exit code of process 0, and passes signals on so that the run is saved.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from infogan import processes

GRACE = 30.0
"""Seconds that the other processes have to end after one has failed."""

_POLL = 0.1


def launch(arguments: Sequence[str], count: int, *, quiet: bool = False) -> int:
    """Run a command of infogan in several processes, and return its exit code.

    When one process fails, the others are ended. Signals are passed on to all of them.

    Args:
        arguments: of the command line, such as ["train", "mnist"].
        count: number of processes, 2 or more.
        quiet: discard what they print on stdout.

    Returns:
        The exit code of process 0, or that of the first process to fail if process 0 was ended because of it;
        128 and the number of the signal if that process was killed by one.
    """
    environment = {
        **os.environ,
        processes.SIZE: str(count),
        processes.ADDRESS: "127.0.0.1",
        processes.PORT: str(_free_port()),
    }
    # Processes with as many threads as there are cores would only wait for one another.
    environment.setdefault("OMP_NUM_THREADS", str(max(1, _usable_cores() // count)))
    command = [sys.executable, "-m", "infogan", *arguments]
    output = subprocess.DEVNULL if quiet else None
    started = [
        subprocess.Popen(
            command,
            env={**environment, processes.RANK: str(rank), processes.LOCAL_RANK: str(rank)},
            stdout=output,
        )
        for rank in range(count)
    ]
    try:
        with _passed_on(started):
            failed = _first_failure(started)
    finally:
        _end(started)
    first = started[0].returncode
    code = failed if first in (0, 1, -signal.SIGTERM, -signal.SIGKILL) else first
    return 128 - code if code < 0 else code


def _first_failure(started: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait until all processes have ended or one has failed; return its code, or 0."""
    while True:
        codes = [process.poll() for process in started]
        failed = [code for code in codes if code]
        if failed or None not in codes:
            return failed[0] if failed else 0
        time.sleep(_POLL)


def _end(started: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait for processes that are ending by themselves; then ask them to end, and kill those that do not."""
    deadline = time.monotonic() + GRACE
    while any(process.poll() is None for process in started) and time.monotonic() < deadline:
        if time.monotonic() > deadline - GRACE / 2:
            for process in started:
                process.terminate()
        time.sleep(_POLL)
    for process in started:
        process.kill()
        process.wait()


@contextmanager
def _passed_on(started: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """Pass signals on to the processes inside the block; a terminal sends Ctrl-C to all of them itself."""

    def pass_on(signum: int, _frame: FrameType | None) -> None:
        if signum == signal.SIGTERM or not sys.stdin or not sys.stdin.isatty():
            for process in started:
                process.send_signal(signum)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
