"""The checks of types and shapes that tests add to the functions of the package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_CHECK = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float here, as it is for mypy

# scikit-learn asks a constructor to store every value as it is; `fit` refuses wrong ones.
_UNCHECKED = {("infogan.sklearn", "InfoGANClusterer.__init__")}


def checked(decorated: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function or class that refuses arguments of other types and shapes than it declares."""
    if (decorated.__module__, decorated.__qualname__) in _UNCHECKED:
        return decorated
    return _CHECK(decorated)
