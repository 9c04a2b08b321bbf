"""Train several runs at the same time in one process: one step of each in turn.

A training is a generator that yields after each step and returns its result. On a GPU each has a stream of
its own: the operations of a small network occupy a small part of the GPU, so those of several trainings are
computed at the same time. Trainings share nothing, so each has the result that it has alone. Streams need no
server to compute at the same time, as processes do, and share one CUDA context.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

import torch

from infogan.errors import DivergenceError, Interrupted
from infogan.training import engine

AnyResult = TypeVar("AnyResult")
AnyKey = TypeVar("AnyKey", bound=Hashable)


def finish(training: Generator[None, None, AnyResult]) -> AnyResult:
    """Make all steps of one training, and return its result."""
    while True:
        try:
            next(training)
        except StopIteration as end:
            result: AnyResult = end.value
            return result


def train_together(
    trainings: Mapping[AnyKey, Generator[None, None, AnyResult]], device: torch.device, at_once: int
) -> dict[AnyKey, AnyResult | DivergenceError]:
    """Train several runs, and return their results; that of a run that diverged is the error.

    Args:
        trainings: by key; they have not begun.
        device: where they are trained.
        at_once: largest number that are trained at the same time; the others begin when one ends.

    Raises:
        Interrupted: a signal came; each training that had begun has saved its state.
    """
    results: dict[AnyKey, AnyResult | DivergenceError] = {}
    waiting = iter(trainings.items())
    running: dict[AnyKey, _Running[AnyResult]] = {}
    streams: list[_Stream] = []  # of trainings that have ended
    try:
        while _begin(running, waiting, streams, device, at_once):
            for key, (training, stream) in list(running.items()):
                try:
                    with stream():
                        next(training)
                except StopIteration as end:
                    results[key] = end.value
                except DivergenceError as error:
                    results[key] = error
                if key in results:
                    del running[key]
                    streams.append(stream)
    except Interrupted as request:
        for training, stream in running.values():
            # StopIteration: it raised the request itself, or had nothing to save.
            with stream(), suppress(Interrupted, StopIteration):
                training.throw(Interrupted(request.signum))
        raise
    finally:
        for training, _ in running.values():
            training.close()
    return {key: results[key] for key in trainings}


_Stream = Callable[[], AbstractContextManager[object]]
_Running = tuple[Generator[None, None, AnyResult], _Stream]


def _begin(
    running: dict[AnyKey, _Running[AnyResult]],
    waiting: Iterator[tuple[AnyKey, Generator[None, None, AnyResult]]],
    streams: list[_Stream],
    device: torch.device,
    at_once: int,
) -> bool:
    """Add trainings until `at_once` are running; return True if any is."""
    while len(running) < at_once and (following := next(waiting, None)) is not None:
        key, training = following
        running[key] = training, streams.pop() if streams else engine.new_stream(device)
    return bool(running)
