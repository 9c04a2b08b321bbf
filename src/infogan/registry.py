"""Registries for everything that users select by name: data sources, networks, metrics, presets and others.

There is one registry for each of these. The package and plug-ins add entries with a decorator or with
`Registry.add`. For the entries of a plug-in, the registry stores the name and the SHA-256 of the plug-in's
file, so that a run can record which code it used (`infogan.plugins`).
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from infogan.errors import UsageError, did_you_mean

Entry = TypeVar("Entry")

PLUGIN_PREFIX = "infogan_plugin_"
"""Prefix of the module names under which plug-in files are imported."""


class Origin(NamedTuple):
    """The plug-in that an entry comes from.

    Attributes:
        plugin: name of the file or module without its suffix; in a notebook, the name of the function.
        sha256: SHA-256 of the file; in a notebook, of the function's source.
    """

    plugin: str
    sha256: str


class Registry(Mapping[str, Entry], Generic[Entry]):
    """A mapping from names to entries, in alphabetical order.

    Args:
        kind: what the entries are, for messages, such as "data source".
        package: package whose modules add entries; all of them are imported before the first look-up.
        advice: the command that lists the entries, for messages.
    """

    def __init__(self, kind: str, package: str | None = None, *, advice: str = "one of these names") -> None:
        self.kind, self.package, self.advice = kind, package, advice
        self.origins: dict[str, Origin] = {}
        self._entries: dict[str, Entry] = {}
        self._complete = package is None

    def add(self, name: str, entry: Entry, function: Callable[..., Any] | None = None) -> Entry:
        """Add an entry.

        A plug-in can replace its own entries, for example when a notebook cell runs again.

        Args:
            name: the name that users type.
            entry: the entry.
            function: the function that defines the entry, if it is not the entry itself.

        Raises:
            ValueError: an entry with this name exists already.
        """
        origin = origin_of(function or entry)
        if origin is None and function is None:  # data, such as a preset: the code is what adds it
            origin = _origin_of_caller(entry)
        own = name in self.origins and origin is not None and self.origins[name].plugin == origin.plugin
        if name in self._entries and not own:
            raise ValueError(f"there are two {self.kind}s named {name!r}")
        self._entries[name] = entry
        if origin is not None:
            self.origins[name] = origin
        return entry

    def find(self, name: str) -> Entry:
        """Return the entry with this name.

        Raises:
            UsageError: no entry has this name; the message suggests the most similar name.
        """
        if name not in self:
            raise UsageError(
                f"no {self.kind} is named {name!r}{did_you_mean(name, self)}",
                f"one of {', '.join(self)}",
                self.advice,
            )
        return self._entries[name]

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Restore all entries at the end of the block; for tests."""
        self._import_package()
        before, origins = dict(self._entries), dict(self.origins)
        try:
            yield
        finally:
            self._entries, self.origins = before, origins

    def __getitem__(self, name: str) -> Entry:
        self._import_package()
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        self._import_package()
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        self._import_package()
        return len(self._entries)

    def _import_package(self) -> None:
        if self._complete:
            return
        self._complete = True
        package = importlib.import_module(str(self.package))
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def origin_of(code: object) -> Origin | None:
    """Return the plug-in that defines a function or class; None if the package itself defines it."""
    name = getattr(code, "__module__", None)
    if name is None or name.partition(".")[0] in ("infogan", "infogan_experiments"):
        return None
    if (origin := _origin_of_module(name)) is not None:
        return origin
    # A notebook or an interactive session: the source of the function, or its byte code.
    try:
        source = inspect.getsource(code)  # type: ignore[arg-type]
    except (OSError, TypeError):
        function = getattr(code, "__code__", None)
        source = repr(code) if function is None else repr((function.co_code, function.co_consts))
    return Origin(getattr(code, "__name__", name), hashlib.sha256(source.encode()).hexdigest())


def _origin_of_caller(entry: object) -> Origin | None:
    """Return the origin of the code that calls `Registry.add`; None for infogan's own."""
    frame = inspect.currentframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__"))
        # The wrappers of the tests' type checks are not the caller.
        if module != __name__ and module.partition(".")[0] not in ("jaxtyping", "beartype"):
            if module.partition(".")[0] in ("infogan", "infogan_experiments"):
                return None
            sha256 = hashlib.sha256(repr(entry).encode()).hexdigest()
            return _origin_of_module(module) or Origin(module, sha256)
        frame = frame.f_back
    return None


def _origin_of_module(name: str) -> Origin | None:
    """Return the origin of a module's definitions; None if the module has no file."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or not Path(file).is_file():
        return None
    plugin = Path(file).stem if name == "__main__" else name.removeprefix(PLUGIN_PREFIX)
    return Origin(plugin, hashlib.sha256(Path(file).read_bytes()).hexdigest())
