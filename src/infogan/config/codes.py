"""The configuration of codes: kind, size and posterior. `infogan.latents` implements them."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, Strict, ValidationError
from pydantic.dataclasses import dataclass

from infogan.config.validation import expected_value
from infogan.errors import ConfigError

_CODE = ConfigDict(extra="forbid", allow_inf_nan=False)  # strict dataclasses would refuse TOML's tables
_Int = Annotated[int, Strict()]
_Float = Annotated[float, Strict()]
NAME = re.compile(r"[a-z][a-z0-9_]*")
"""Names that a code can have."""

MOST_STEPS = 10**9
"""Limit far above any real run; larger numbers would fill a disk or overflow an int64."""

_FARTHEST = 1e6  # of a code's values from 0; float32 still resolves a millionth of it


def _check_limits(least: float, most: float) -> None:
    if least > most:
        raise ValueError(f"std_min ({least}) must not lie above std_max ({most})")


_Std = Annotated[_Float, Field(gt=0, le=100)]
_Dim = Annotated[_Int, Field(ge=1, le=1_000)]
_Probability = Annotated[_Float, Field(gt=0, le=1)]
_InfoWeight = Annotated[_Float, Field(ge=0, le=1_000)] | None

_DIM = Field(default=1, description="number of independent code dimensions")
_INFO_WEIGHT = Field(
    default=None, description="lambda of this code; unset: objective.info_weight", kw_only=True
)
_KIND = "categorical, uniform, normal, periodic or bernoulli"
_LEAST, _MOST = "least std, in half ranges of the code", "largest std, in half ranges of the code"


@dataclass(frozen=True, config=_CODE, kw_only=True)
class Gaussian:
    """A diagonal Gaussian posterior, std = exp(output) as in appendix C.

    Stds are in units of half the range of a uniform code: 1 for Unif(-1, 1). The authors' MNIST code fixes
    the std to 1.
    """

    family: Literal["gaussian"] = Field(default="gaussian", description="distribution of the posterior")
    std: Literal["learned"] | _Std = Field(
        default="learned", description="'learned', between std_min and std_max, or a fixed number"
    )
    std_min: _Std = Field(default=0.1, description=_LEAST)
    std_max: _Std = Field(default=2.0, description=_MOST)
    reach: _Std | None = Field(
        default=None,
        description="limit of the mean's distance from the centre of the code, in half ranges, approached as "
        "tanh; unset: none",
    )

    def __post_init__(self) -> None:
        _check_limits(self.std_min, self.std_max)


@dataclass(frozen=True, config=_CODE, kw_only=True)
class TruncatedGaussian:
    """A Gaussian posterior truncated to the range of a uniform code and renormalised.

    A plain Gaussian always has mass outside the range, so its information bound is never tight. With a large
    std, the truncated Gaussian becomes the uniform prior itself, with a bound of 0 nats instead of -0.18.
    """

    family: Literal["truncated_gaussian"] = Field(
        default="truncated_gaussian", description="distribution of the posterior"
    )
    std_min: _Std = Field(default=0.01, description=_LEAST)
    std_max: _Std = Field(default=10.0, description=_MOST)

    def __post_init__(self) -> None:
        _check_limits(self.std_min, self.std_max)


@dataclass(frozen=True, config=_CODE, kw_only=True)
class VonMises:
    """A von Mises posterior, the analogue of the Gaussian on the circle, for periodic codes.

    Q predicts a direction and a concentration kappa. `std_min` limits kappa. It is a circular standard
    deviation in half turns, sqrt(-2 ln |E exp(i angle)|) / pi (Mardia and Jupp 2000, section 2.3), so that it
    can be compared with the std of a `Gaussian`. For example, 0.3, 0.1 and 0.03 half turns are 54, 18 and 5.4
    degrees, and limit kappa to 1.7, 10.7 and 113. For equal stds of up to 0.3, the information differs by at
    most 0.011 nats from that of a uniform code. There is no upper limit of the std, because kappa = 0 gives
    the prior itself, whose bound is 0.
    """

    family: Literal["von_mises"] = Field(default="von_mises", description="distribution of the posterior")
    std_min: Annotated[_Float, Field(ge=1e-4, le=1)] = Field(
        default=0.1, description="least circular std, in half turns"
    )


@dataclass(frozen=True, config=_CODE)
class Categorical:
    """Independent codes that take one of K values: Cat(K, p = 1/K) in the paper."""

    size: Annotated[_Int, Field(ge=2, le=10_000)] = Field(description="number of categories, K")
    dim: _Dim = _DIM
    info_weight: _InfoWeight = _INFO_WEIGHT
    probabilities: tuple[_Probability, ...] | None = Field(
        default=None,
        description="probability of each category, with sum 1; unset: all are equally probable",
        kw_only=True,
    )
    kind: Literal["categorical"] = Field(default="categorical", description=_KIND, kw_only=True)

    def __post_init__(self) -> None:
        if self.probabilities is None:
            return
        if len(self.probabilities) != self.size or abs(sum(self.probabilities) - 1) > 1e-6:
            raise ValueError(f"{self.size} probabilities that sum to 1, one for each category")


@dataclass(frozen=True, config=_CODE)
class Uniform:
    """Independent codes, uniform on [low, high]: Unif(-1, 1) in the paper."""

    low: _Float = Field(default=-1.0, ge=-_FARTHEST, le=_FARTHEST, description="least value")
    high: _Float = Field(default=1.0, ge=-_FARTHEST, le=_FARTHEST, description="largest value")
    dim: _Dim = _DIM
    info_weight: _InfoWeight = _INFO_WEIGHT
    posterior: Annotated[Gaussian | TruncatedGaussian, Field(discriminator="family")] = Field(
        default_factory=Gaussian, description="gaussian or truncated_gaussian", kw_only=True
    )
    kind: Literal["uniform"] = Field(default="uniform", description=_KIND, kw_only=True)

    def __post_init__(self) -> None:
        if self.high - self.low < 1e-6 * max(1.0, abs(self.low), abs(self.high)):
            raise ValueError(f"low ({self.low}) must lie below high ({self.high})")


@dataclass(frozen=True, config=_CODE)
class Normal:
    """Independent standard normal codes."""

    dim: _Dim = _DIM
    info_weight: _InfoWeight = _INFO_WEIGHT
    posterior: Gaussian = Field(default_factory=Gaussian, description="gaussian", kw_only=True)
    kind: Literal["normal"] = Field(default="normal", description=_KIND, kw_only=True)


@dataclass(frozen=True, config=_CODE)
class Periodic:
    """Independent angles, uniform on the circle, for factors that return to their start after a full turn.

    A value is an angle in half turns, from -1 to 1; both ends are the same angle. Multiplied by pi, it is the
    angle in radians. The range, the entropy of ln 2 and the unit of stds are those of Unif(-1, 1), so that
    both kinds can be compared. Values outside the range wrap around: 1.25 is the same as -0.75.
    """

    low: ClassVar[float] = -1.0
    high: ClassVar[float] = 1.0
    dim: _Dim = _DIM
    info_weight: _InfoWeight = _INFO_WEIGHT
    posterior: VonMises = Field(default_factory=VonMises, description="von_mises", kw_only=True)
    kind: Literal["periodic"] = Field(default="periodic", description=_KIND, kw_only=True)


@dataclass(frozen=True, config=_CODE)
class Bernoulli:
    """Independent codes that are 0 or 1."""

    dim: _Dim = _DIM
    probability: _Float = Field(default=0.5, gt=0, lt=1, description="probability of 1", kw_only=True)
    info_weight: _InfoWeight = _INFO_WEIGHT
    kind: Literal["bernoulli"] = Field(default="bernoulli", description=_KIND, kw_only=True)


Discrete = Categorical | Bernoulli
Continuous = Uniform | Normal | Periodic
"""The continuous codes, for `isinstance(code, Continuous)`."""

Code = Annotated[Discrete | Continuous, Field(discriminator="kind")]

CONTINUOUS_WEIGHT = 0.1
"""lambda of continuous codes on MNIST and SVHN; the paper says only "smaller" than 1 (appendix C)."""


_LETTERS: dict[str, type[Uniform | Normal | Periodic | Bernoulli]] = {
    "u": Uniform,
    "n": Normal,
    "p": Periodic,
    "b": Bernoulli,
}
_EXAMPLE = "digit:10 rotation:u width:u"


def parse_codes(text: str) -> dict[str, Discrete | Continuous]:
    """Return codes from their short form, for example "digit:10 rotation:u width:u".

    A number means a categorical code with this number of categories. The letters u, n, p and b mean uniform
    on [-1, 1], standard normal, periodic and Bernoulli. A letter may be followed by the number of dimensions,
    as in u3. Continuous codes have the information weight of the paper's MNIST experiment.

    Raises:
        ConfigError: a part does not have this form, or a name occurs twice.
    """
    codes: dict[str, Discrete | Continuous] = {}
    for part in text.split():
        name, _, kind = part.partition(":")
        match = re.fullmatch(rf"([0-9]{{1,5}})|([{''.join(_LETTERS)}])([0-9]{{1,4}})?", kind)
        if not match or not NAME.fullmatch(name) or name == "noise" or name in codes:
            why = "is a second code of that name" if name in codes else "is not NAME:KIND"
            raise _codes_error(
                f"codes {text!r}: the part {part!r} {why}",
                "names in small letters (not noise), each once, with a number of categories or one of "
                + ", ".join(_LETTERS),
            )
        size, letter, dim = match.group(1), match.group(2), int(match.group(3) or 1)
        try:
            if size:
                codes[name] = Categorical(int(size))
            elif issubclass(code := _LETTERS[letter], Continuous):
                codes[name] = code(dim=dim, info_weight=CONTINUOUS_WEIGHT)
            else:
                codes[name] = code(dim=dim)
        except ValidationError as error:
            raise _codes_error(
                f"codes {text!r}: the part {part!r}: expected {expected_value(error.errors()[0])}",
                "at least 2 categories, and a dimension of at least 1",
            ) from None
    if not codes:
        raise _codes_error(f"codes {text!r} names no code", "at least one NAME:KIND")
    return codes


def _codes_error(happened: str, expected: str) -> ConfigError:
    return ConfigError(happened, expected, f"codes={_EXAMPLE!r}", command=f'--codes "{_EXAMPLE}"')
