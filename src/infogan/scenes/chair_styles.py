"""Styles of chairs: a style is a function of (seed, index).

Lengths are in metres: x to the right, y up from the floor, z to the front. At width 1 the seat of every style
is `SEAT_WIDTH` wide, so that a width means the same for all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

SEAT_WIDTH = 0.46
"""From side to side at width 1, in metres."""

SEATS = {"square": 3, "rounded": 3, "trapezoid": 3, "horseshoe": 2, "round": 2}
"""Outlines of seats, with their sampling weights; the other tables have the same form."""

LEGS = {
    "straight": 5, "tapered": 4, "splayed": 4, "turned": 4, "cabriole": 2, "crossed": 2,
    "sled": 2, "cantilever": 2, "pedestal": 2, "star": 3, "plinth": 3,
}  # fmt: skip
BACKS = {
    "slats": 4, "spindles": 3, "panel": 4, "ladder": 4, "rail": 3, "splat": 3, "hoop": 3,
    "barrel": 3, "medallion": 2, "cross": 2, "lattice": 2, "none": 1,
}  # fmt: skip
ARMS = {"none": 6, "straight": 3, "sloped": 2, "loop": 2, "panels": 2}
STRETCHERS = {"none": 4, "box": 2, "H": 2, "front": 1}
CRESTS = {"flat": 4, "arched": 3, "wavy": 1, "dipped": 1}
"""The upper edge of a back."""

FOUR_LEGS = {"straight", "tapered", "splayed", "turned", "cabriole"}

_OWN_SIDES = {"barrel", "none"}  # backs without arms
_UPHOLSTERED = ("panel", "rail", "barrel")  # backs that a plinth can have


@dataclass(frozen=True)
class Style:
    """Shape of a chair, except for its width. Lengths in metres, angles in radians."""

    seat: str  # one of `SEATS`
    legs: str  # one of `LEGS`
    back: str  # one of `BACKS`
    arms: str  # one of `ARMS`
    stretchers: str  # one of `STRETCHERS`: the bars between four legs
    crest: str  # one of `CRESTS`
    cushion: float  # thickness of the cushion on the seat; 0 for none
    depth: float  # of the seat, from front to rear
    height: float  # of the seat's upper side above the floor
    thickness: float  # of the seat
    back_height: float  # from the seat to the upper edge of the back
    rake: float  # angle by which the back leans backward
    bow: float  # distance by which the middle of the back is behind its sides
    flare: float  # relative increase of the back's width from the seat to the upper edge; negative: narrower
    arm_height: float  # above the seat
    bar: float  # half the thickness of legs and posts
    splay: float  # angle by which the legs lean outward
    count: int  # of slats, spindles or rungs
    open: float  # share of the back, from the seat upward, that is open
    square: bool  # True: legs and posts have a square section; False: a round one

    @property
    def top(self) -> float:
        """Height of the upper side of the cushion or seat."""
        return self.height + self.cushion

    @property
    def rear(self) -> tuple[float, float]:
        """x and z of the right rear corner, the position of a leg and of a post of the back."""
        x, z = _CORNERS[self.seat][1]
        return x * SEAT_WIDTH / 2, -z * self.depth / 2

    @property
    def front(self) -> tuple[float, float]:
        """x and z of the right front corner, the position of a leg."""
        x, z = _CORNERS[self.seat][0]
        return x * SEAT_WIDTH / 2, z * self.depth / 2

    @property
    def sides(self) -> int:
        """Number of sides of the cross-section of legs and posts, for `solids.tube`."""
        return 4 if self.square else 7


_CORNERS = {
    "square": ((0.90, 0.90), (0.90, 0.90)),
    "rounded": ((0.84, 0.84), (0.84, 0.84)),
    "trapezoid": ((0.90, 0.90), (0.68, 0.90)),
    "horseshoe": ((0.86, 0.86), (0.64, 0.70)),
    "round": ((0.66, 0.66), (0.66, 0.66)),
}
"""Front and rear corner of each seat, as shares of half its width and half its depth."""


def style(seed: int, index: int) -> Style:
    """Return the `index`-th style of a seed; both are 0 to 2 ** 64 - 1."""
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, index], dtype=np.uint64)))
    kind, legs, back, seat, arms = _main_parts(rng)
    between = {"dining": (0.40, 0.50), "lounge": (0.30, 0.38), "high": (0.60, 0.74)}[kind]
    lean = (0.18, 0.40) if kind == "lounge" else (0.0, 0.22)
    arm_height = rng.uniform(0.16, 0.25)
    return Style(
        seat=seat,
        legs=legs,
        back=back,
        arms=arms,
        stretchers=_choice(rng, STRETCHERS),
        crest=_choice(rng, CRESTS),
        cushion=rng.uniform(0.04, 0.12) if legs == "plinth" or rng.random() < 0.35 else 0.0,
        depth=rng.uniform(0.40, 0.50),
        height=rng.uniform(*between),
        thickness=rng.uniform(0.08, 0.16) if rng.random() < 0.15 else rng.uniform(0.02, 0.06),
        back_height=max(_back_height(rng, back, kind), arm_height + 0.15 * (arms == "panels")),
        rake=rng.uniform(*lean),
        bow=rng.uniform(0.03, 0.09) if rng.random() < 0.5 else 0.0,
        flare=rng.uniform(-0.15, 0.30) if rng.random() < 0.5 else 0.0,
        arm_height=arm_height,
        bar=rng.uniform(0.022, 0.038) if rng.random() < 0.3 else rng.uniform(0.012, 0.022),
        splay=rng.uniform(0.10, 0.28),
        count=int(rng.integers(3, 8)),
        open=rng.uniform(0.0, 0.45),
        square=bool(rng.random() < 0.5),
    )


def outline(style: Style) -> Float[np.ndarray, "k 2"]:
    """Return x and z of the seat's edge at width 1, float64; convex, around 0."""
    if style.seat in {"square", "trapezoid"}:
        rear = 0.76 if style.seat == "trapezoid" else 1.0
        corners = np.array([(1.0, 1.0), (-1.0, 1.0), (-rear, -1.0), (rear, -1.0)])
        share = np.arange(3)[:, None] / 3  # three pieces per edge, for narrow triangles of the cap
        points = (corners[:, None] + share * (np.roll(corners, -1, 0) - corners)[:, None]).reshape(-1, 2)
    else:
        angles = 2 * np.pi * (np.arange(20) + 0.5) / 20
        points = np.stack([np.cos(angles), np.sin(angles)], 1)
        exponent = np.full(len(points), 2.0 if style.seat == "round" else 5.0)
        if style.seat == "horseshoe":
            exponent[points[:, 1] < 0] = 2.0
        # A superellipse: exponent 2 is a circle, and 5 nearly a square.
        points /= (np.abs(points) ** exponent[:, None]).sum(1, keepdims=True) ** (1 / exponent[:, None])
        points[:, 0] /= points[:, 0].max()
        points[:, 1] /= np.where(points[:, 1] > 0, points[:, 1].max(), -points[:, 1].min())
    return np.asarray(points * [SEAT_WIDTH / 2, style.depth / 2])


def back_point(
    style: Style, s: Float[np.ndarray, " *n"] | float, t: Float[np.ndarray, " *n"] | float, ahead: float = 0.0
) -> Float[np.ndarray, "*n 3"]:
    """Return points on the surface of the back.

    Args:
        style: of the chair.
        s: from -1 at the left post to 1 at the right one.
        t: from 0 on the seat to 1 at the upper edge.
        ahead: distance in front of the surface, in metres.
    """
    s, t = np.broadcast_arrays(np.asarray(s, dtype=np.float64), np.asarray(t, dtype=np.float64))
    x, z = style.rear
    along = style.back_height * t
    deeper = style.bow * (1 - s**2) * np.minimum(1, 2 * t)  # the seat is not bowed
    return np.stack(
        [
            s * x * (1 + style.flare * t),
            style.top + along * math.cos(style.rake) + ahead * math.sin(style.rake),
            z - along * math.sin(style.rake) - deeper + ahead * math.cos(style.rake),
        ],
        axis=-1,
    )


def _main_parts(rng: np.random.Generator) -> tuple[str, str, str, str, str]:
    """Sample parts that fit together: the type of the chair, its legs, back, seat and arms."""
    legs = _choice(rng, LEGS)
    back = _choice(rng, {name: BACKS[name] for name in _UPHOLSTERED} if legs == "plinth" else BACKS)
    arms = _choice(rng, ARMS)
    seat = _choice(rng, SEATS)
    kind = _choice(rng, {"dining": 72, "lounge": 18, "high": 10})
    if legs in {"plinth", "crossed", "sled", "cantilever"} and kind == "high":
        kind = "dining"
    if legs in {"sled", "cantilever", "crossed", "plinth"} and seat in {"round", "horseshoe"}:
        seat = "rounded"  # their sides are straight
    if back == "none":
        seat = "horseshoe"  # without a back only the outline shows where the front is
    if back in _OWN_SIDES or kind == "high":
        arms = "none"
    elif legs == "plinth":
        arms = "panels" if rng.random() < 0.8 else "none"
    elif arms == "panels" and legs not in {"straight", "tapered", "sled"}:
        arms = "straight"
    return kind, legs, back, seat, arms


def _choice(rng: np.random.Generator, table: dict[str, int]) -> str:
    weights = np.array(list(table.values()), dtype=np.float64)
    return str(rng.choice(list(table), p=weights / weights.sum()))


def _back_height(rng: np.random.Generator, back: str, kind: str) -> float:
    if back in {"rail", "barrel"}:
        return rng.uniform(0.22, 0.36)
    if kind == "high":
        return rng.uniform(0.18, 0.40)
    return rng.uniform(0.55, 0.75) if rng.random() < 0.25 else rng.uniform(0.32, 0.54)
