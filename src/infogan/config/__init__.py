"""The typed configuration: read, validate, override, write. Imports no torch, so that commands start at once.

A configuration holds everything that a run depends on. It is frozen, unknown keys are refused, and `to_toml`
and `read` are inverses.
"""

from infogan.config.codes import (
    CONTINUOUS_WEIGHT,
    Bernoulli,
    Categorical,
    Code,
    Continuous,
    Discrete,
    Gaussian,
    Normal,
    Periodic,
    TruncatedGaussian,
    Uniform,
    VonMises,
    parse_codes,
)
from infogan.config.schedule import Schedule
from infogan.config.sections import (
    AugmentationConfig,
    Config,
    DataConfig,
    LatentsConfig,
    NetworkConfig,
    ObjectiveConfig,
    RepresentationConfig,
    TrainingConfig,
)
from infogan.config.toml import (
    changes,
    flatten,
    override,
    parse,
    parse_assignments,
    read,
    to_toml,
    validate,
)

__all__ = [
    "CONTINUOUS_WEIGHT",
    "AugmentationConfig",
    "Bernoulli",
    "Categorical",
    "Code",
    "Config",
    "Continuous",
    "DataConfig",
    "Discrete",
    "Gaussian",
    "LatentsConfig",
    "NetworkConfig",
    "Normal",
    "ObjectiveConfig",
    "Periodic",
    "RepresentationConfig",
    "Schedule",
    "TrainingConfig",
    "TruncatedGaussian",
    "Uniform",
    "VonMises",
    "changes",
    "flatten",
    "override",
    "parse",
    "parse_assignments",
    "parse_codes",
    "read",
    "to_toml",
    "validate",
]
