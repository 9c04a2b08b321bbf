"""The codes as data: kinds, sizes, and the family of each posterior; `infogan.latents` implements them."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass

from infogan.errors import ConfigError

_CODE = ConfigDict(extra="forbid", allow_inf_nan=False)  # strict dataclasses would refuse TOML's tables
_Int = Annotated[int, Strict()]
_Float = Annotated[float, Strict()]
NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Names that a code can have."""

MOST_STEPS = 10**9
"""Far above any run; refuses numbers that would fill a disk or overflow an int64."""

_FARTHEST = 1e6  # of a code's values from 0; a float32 still tells a millionth of it


def _check_limits(least: float, most: float) -> None:
    if least > most:
        raise ValueError(f"std_min ({least}) must not lie above std_max ({most})")


@dataclass(frozen=True, config=_CODE, kw_only=True)
class Gaussian:
    """A diagonal Gaussian posterior, std = exp(output) as in appendix C.

    `std` is "learned", clamped to [std_min, std_max], or a fixed number (the authors' MNIST code: 1). All
    three are in units of half the range of a uniform code: 1 for Unif(-1, 1).
    """

    family: Literal["gaussian"] = "gaussian"
    std: Literal["learned"] | Annotated[_Float, Field(gt=0, le=100)] = "learned"
    std_min: _Float = Field(default=0.1, gt=0, le=100)
    std_max: _Float = Field(default=2.0, gt=0, le=100)

    def __post_init__(self) -> None:
        _check_limits(self.std_min, self.std_max)


@dataclass(frozen=True, config=_CODE, kw_only=True)
class TruncatedGaussian:
    """A Gaussian cut to the support of a uniform code and renormalised: its bound can become tight.

    A Gaussian posterior always leaves mass outside the support; this one leaves none, and in the limit of a
    large std it is the prior itself, whose bound is 0 and not -0.18 nats.
    """

    family: Literal["truncated_gaussian"] = "truncated_gaussian"
    std_min: _Float = Field(default=0.01, gt=0, le=100)
    std_max: _Float = Field(default=10.0, gt=0, le=100)

    def __post_init__(self) -> None:
        _check_limits(self.std_min, self.std_max)


@dataclass(frozen=True, config=_CODE, kw_only=True)
class VonMises:
    """The Gaussian of the circle: a direction that Q learns, and a concentration kappa up to a limit.

    The limit is stated as `std_min`, in half turns, so that it reads as that of a `Gaussian`: the least
    circular standard deviation, sqrt(-2 ln |E exp(i angle)|) / pi (Mardia and Jupp 2000, section 2.3). 0.3,
    0.1 and 0.03 are 54, 18 and 5.4 degrees and a kappa of at most 1.7, 10.7 and 113. Errors of such a std are
    worth within 0.011 nats what they are worth to a Gaussian of a uniform code. A largest std is not needed:
    without any concentration this is the prior itself, whose bound is 0.
    """

    family: Literal["von_mises"] = "von_mises"
    std_min: _Float = Field(default=0.1, ge=1e-4, le=1)


@dataclass(frozen=True, config=_CODE)
class Categorical:
    """`dim` independent codes that each take one of `size` values: Cat(K = size, p = 1/size) in the paper.

    `probabilities`, one per category, sum to 1; when left out, all categories are equally probable.
    """

    size: _Int = Field(ge=2, le=10_000)
    dim: _Int = Field(default=1, ge=1, le=1_000)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    probabilities: tuple[Annotated[_Float, Field(gt=0, le=1)], ...] | None = Field(default=None, kw_only=True)
    kind: Literal["categorical"] = Field(default="categorical", kw_only=True)

    def __post_init__(self) -> None:
        if self.probabilities is None:
            return
        if len(self.probabilities) != self.size or abs(sum(self.probabilities) - 1) > 1e-6:
            raise ValueError(f"{self.size} probabilities that sum to 1, one for each category")


@dataclass(frozen=True, config=_CODE)
class Uniform:
    """`dim` independent codes, uniform on [low, high]: Unif(-1, 1) in the paper."""

    low: _Float = Field(default=-1.0, ge=-_FARTHEST, le=_FARTHEST)
    high: _Float = Field(default=1.0, ge=-_FARTHEST, le=_FARTHEST)
    dim: _Int = Field(default=1, ge=1, le=1_000)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    posterior: Annotated[Gaussian | TruncatedGaussian, Field(discriminator="family")] = Field(
        default_factory=Gaussian, kw_only=True
    )
    kind: Literal["uniform"] = Field(default="uniform", kw_only=True)

    def __post_init__(self) -> None:
        if self.high - self.low < 1e-6 * max(1.0, abs(self.low), abs(self.high)):
            raise ValueError(f"low ({self.low}) must lie below high ({self.high})")


@dataclass(frozen=True, config=_CODE)
class Normal:
    """`dim` independent standard normal codes."""

    dim: _Int = Field(default=1, ge=1, le=1_000)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    posterior: Gaussian = Field(default_factory=Gaussian, kw_only=True)
    kind: Literal["normal"] = Field(default="normal", kw_only=True)


@dataclass(frozen=True, config=_CODE)
class Periodic:
    """`dim` independent angles, uniform on the circle: for what comes back to itself after one full turn.

    Values are half turns, from -1 to 1, both of them the same angle: pi times a value is the angle in
    radians. So the range, the entropy of ln 2 and the unit of limits are those of Unif(-1, 1), and the two
    can be held side by side. A value beyond wraps around: 1.25 is -0.75.
    """

    low: ClassVar[float] = -1.0
    high: ClassVar[float] = 1.0
    dim: _Int = Field(default=1, ge=1, le=1_000)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    posterior: VonMises = Field(default_factory=VonMises, kw_only=True)
    kind: Literal["periodic"] = Field(default="periodic", kw_only=True)


@dataclass(frozen=True, config=_CODE)
class Bernoulli:
    """`dim` independent codes that are 1 with `probability`, else 0."""

    dim: _Int = Field(default=1, ge=1, le=1_000)
    probability: _Float = Field(default=0.5, gt=0, lt=1, kw_only=True)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    kind: Literal["bernoulli"] = Field(default="bernoulli", kw_only=True)


Discrete = Categorical | Bernoulli
Continuous = Uniform | Normal | Periodic
"""Which codes are continuous: the one place that says so. All others ask `isinstance(code, Continuous)`."""

Code = Annotated[Discrete | Continuous, Field(discriminator="kind")]

CONTINUOUS_WEIGHT = 0.1
"""lambda of continuous codes on MNIST and SVHN; the paper says only "smaller" than 1 (appendix C)."""


_LETTERS: dict[str, type[Uniform | Normal | Periodic | Bernoulli]] = {
    "u": Uniform,
    "n": Normal,
    "p": Periodic,
    "b": Bernoulli,
}


def parse_codes(text: str) -> dict[str, Discrete | Continuous]:
    """Codes from the short form of the command line: "digit:10 rotation:u width:u".

    A number is a categorical code of that many values; u, n, p and b are uniform on [-1, 1], standard normal,
    periodic and Bernoulli, with a dimension behind the letter where it is not one (u3). Continuous codes get
    the information weight of the paper's MNIST experiment.

    Raises:
        ConfigError: a part is not of that form, or a name stands twice.
    """
    codes: dict[str, Discrete | Continuous] = {}
    for part in text.split():
        name, _, kind = part.partition(":")
        match = re.fullmatch(rf"([0-9]{{1,5}})|([{''.join(_LETTERS)}])([0-9]{{1,4}})?", kind)
        if not match or not NAME.fullmatch(name) or name == "noise" or name in codes:
            why = "stands twice" if name in codes else "is not NAME:KIND"
            letters = ", ".join(_LETTERS)
            raise ConfigError(
                f"--codes {text!r}: the part {part!r} {why}",
                f"names in small letters (not noise), each once, with a number of categories or {letters}",
                '--codes "digit:10 rotation:u width:u"',
            )
        size, letter, dim = match.group(1), match.group(2), int(match.group(3) or 1)
        try:
            if size:
                codes[name] = Categorical(int(size))
            elif issubclass(kind_of := _LETTERS[letter], Continuous):
                codes[name] = kind_of(dim=dim, info_weight=CONTINUOUS_WEIGHT)
            else:
                codes[name] = kind_of(dim=dim)
        except ValidationError as error:
            raise ConfigError(
                f"--codes {text!r}: the part {part!r}: {error.errors()[0]['msg']}",
                "at least 2 categories, and a dimension of at least 1",
                '--codes "digit:10 rotation:u width:u"',
            ) from None
    if not codes:
        raise ConfigError(
            f"--codes {text!r} names no code", "at least one NAME:KIND", '--codes "type:10 style:u"'
        )
    return codes
