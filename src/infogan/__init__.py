"""infogan: finds what varies in a set of images, without labels.

The public names are found when first used, so that `import infogan` is instant and torch is imported by
those who need it.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "infogan.api": ("configure", "evaluate", "resume", "train"),
    "infogan.config": (
        "Bernoulli",
        "Categorical",
        "Config",
        "Gaussian",
        "Normal",
        "Periodic",
        "TruncatedGaussian",
        "Uniform",
        "VonMises",
    ),
    "infogan.errors": ("InfoGANError",),
    "infogan.model": ("InfoGAN",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - derived, so that no second list is kept by hand


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'infogan' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
