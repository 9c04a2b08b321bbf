"""Plug-ins: code from outside the package that adds data sources, networks, loss terms, metrics and more.

A plug-in is a Python file, or an installed module under the entry point group `infogan.plugins`. It is
imported only when a user names it. A run records the name and the SHA-256 of each plug-in that its training
uses.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infogan.errors import UsageError, did_you_mean
from infogan.registry import PLUGIN_PREFIX, Registry

ENTRY_POINTS = "infogan.plugins"
"""The entry point group of installed plug-ins."""


def load_plugin(plugin: str | Path) -> str:
    """Import a plug-in, which adds its entries to the registries, and return its name.

    Args:
        plugin: a Python file, or the name of an installed plug-in.

    Raises:
        UsageError: there is no such file or installed plug-in, or it cannot be imported.
    """
    path = Path(plugin).expanduser()
    if path.suffix == ".py":
        return _load_file(path)
    installed = {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    if str(plugin) not in installed:
        raise UsageError(
            f"there is no plug-in {str(plugin)!r}{did_you_mean(str(plugin), installed)}",
            f"a Python file, or an installed plug-in ({', '.join(installed) or 'none is installed'})",
            "the path of a .py file",
        )
    name = installed[str(plugin)].module
    try:
        importlib.import_module(name)
    except Exception as error:
        raise _cannot_import(str(plugin), error) from error
    return name


def _load_file(path: Path) -> str:
    name = f"{PLUGIN_PREFIX}{path.stem}"
    path = path.resolve()
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    if digest and getattr(sys.modules.get(name), "__imported__", None) == (path, digest):
        return path.stem  # imported already, and unchanged since
    spec = importlib.util.spec_from_file_location(name, path)
    if not digest or spec is None or spec.loader is None:
        raise UsageError(f"the plug-in {path} does not exist", "a Python file", f"ls {path.parent}")
    module = importlib.util.module_from_spec(spec)
    module.__imported__ = path, digest  # type: ignore[attr-defined]
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _cannot_import(str(path), error) from error
    return path.stem


def _cannot_import(plugin: str, error: Exception) -> UsageError:
    return UsageError(
        f"the plug-in {plugin} cannot be imported: {type(error).__name__}: {error}",
        "Python code that registers sources, networks, terms, metrics, presets or recipes",
        f"python {plugin}, to see the whole traceback",
    )


def used(entries: Iterable[tuple[Registry[Any], str]]) -> dict[str, str]:
    """Return the name and SHA-256 of each plug-in that defines one of these registry entries."""
    origins = (registry.origins.get(name) for registry, name in entries)
    return dict(sorted(origin for origin in origins if origin is not None))


def check(
    recorded: Mapping[str, str], now: Mapping[str, str], run: str, *, allow_changes: bool = False
) -> None:
    """Check that the plug-ins that a run recorded are loaded, and unchanged.

    Args:
        recorded: SHA-256 of the plug-ins of the run, by name.
        now: SHA-256 of the loaded plug-ins, by name.
        run: path of the run, for messages.
        allow_changes: accept plug-ins whose files have changed.

    Raises:
        UsageError: a plug-in is not loaded, or its file has changed.
    """
    for name, sha256 in recorded.items():
        if name not in now:
            raise UsageError(
                f"{run} uses the plug-in {name!r}, which is not loaded",
                "its file or installed name: a plug-in is code, and is imported only where it is named",
                f"plugins=['{name}.py']",
                command=f"--plugin {name}.py",
            )
        if now[name] != sha256 and not allow_changes:
            raise UsageError(
                f"the plug-in {name!r} has changed since {run} was trained (sha256 {now[name][:12]}, was "
                f"{sha256[:12]})",
                "the same file, so that the result does not change",
                "the original file, or override=True, to use the changed one",
            )
