"""Schedules: numbers that may change during training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from infogan.config.codes import MOST_STEPS


@dataclass(frozen=True)
class Schedule:
    """A number as a function of the training step: constant, or linear between points.

    In files, it is a number, or a list of `[step, value]` points in ascending order of steps. Before the
    first point and after the last one, the value is constant. Two points at the same step are a jump: from
    this step, the value is that of the second point. In a boolean context, a schedule is False if it is 0 at
    all steps.

    Example:
        >>> Schedule.of([[1500, 1.0], [2500, 0.4]]).at(2000)
        0.7
    """

    points: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, value: object) -> Schedule:
        """Return the schedule that a number or a list of `[step, value]` points defines.

        Raises:
            ValueError: `value` is neither; or steps are negative, do not rise, or three are equal.
        """
        if isinstance(value, Schedule):
            return value
        if _is_number(value):
            return cls(((0, float(value)),))  # type: ignore[arg-type]  # a number, as just checked
        if not isinstance(value, Sequence) or not value or not all(_is_point(point) for point in value):
            raise ValueError("a number, or [step, value] points such as [[1500, 1.0], [2500, 0.4]]")
        points = tuple((step, float(number)) for step, number in value)
        steps = [step for step, _ in points]
        if steps != sorted(steps) or any(steps.count(step) > 2 for step in steps):
            raise ValueError("[step, value] points in ascending order of steps, at most two at the same step")
        return cls(points) if len(points) > 1 else cls(((0, points[0][1]),))

    def at(self, step: int) -> float:
        """Return the value at a step, counted from 0."""
        value = self.points[0][1]
        for (start, before), (end, after) in pairwise(self.points):
            if step < start:
                break
            if start == end:
                value = after
            else:
                value = before + min((step - start) / (end - start), 1.0) * (after - before)
        return value

    @property
    def values(self) -> tuple[float, ...]:
        """The values at the points; all other values lie between them."""
        return tuple(value for _, value in self.points)

    @property
    def plain(self) -> float | list[list[float]]:
        """The number or the list of points, as files have it."""
        return self.points[0][1] if len(self.points) == 1 else [[step, value] for step, value in self.points]

    def __bool__(self) -> bool:
        return any(self.values)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.of, serialization=core_schema.plain_serializer_function_ser_schema(lambda own: own.plain)
        )


def bounded(least: float, most: float) -> AfterValidator:
    """Return a validator for configuration fields: all values of the schedule lie in [least, most]."""

    def check(schedule: Schedule) -> Schedule:
        if not all(least <= value <= most for value in schedule.values):
            raise ValueError(f"values from {least:g} to {most:g}")
        return schedule

    return AfterValidator(check)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_point(point: object) -> bool:
    if not isinstance(point, list | tuple) or len(point) != 2:
        return False
    step, value = point
    whole = isinstance(step, int) and not isinstance(step, bool)
    return whole and 0 <= step <= MOST_STEPS and _is_number(value)
