"""Packages that only some exports need."""

from __future__ import annotations

from importlib.util import find_spec

from infogan.errors import UsageError


def required(*packages: str, extra: str) -> None:
    """Raise UsageError if a package is missing.

    Args:
        packages: names by which they are imported.
        extra: the extra of infogan that installs them.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"the package {missing[0]} is not installed",
            f"the packages {' and '.join(packages)}" if len(packages) > 1 else f"the package {packages[0]}",
            f"pip install 'infogan[{extra}]'",
        )
