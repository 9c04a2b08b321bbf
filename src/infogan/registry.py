"""Registries of everything that users select by name: data sources, networks, metrics, presets and others.

Each type has one registry. Entries are added by a decorator or by `Registry.add`, inside or outside of the
package; `infogan.plugins` records which file added it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar

from infogan.errors import UsageError, did_you_mean

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in alphabetical order.

    Args:
        kind: the type of the entries, for messages: "data source".
        package: a package whose modules add entries; all of them are imported before the first look-up.
        advice: the command that lists the entries.
    """

    def __init__(self, kind: str, package: str | None = None, *, advice: str = "infogan --help") -> None:
        self.kind, self.package, self.advice = kind, package, advice
        self._entries: dict[str, Entry] = {}
        self._complete = package is None

    def add(self, name: str, entry: Entry) -> Entry:
        """Add an entry.

        Raises:
            ValueError: there is one of that name.
        """
        if name in self._entries:
            raise ValueError(f"there are two {self.kind}s named {name!r}")
        self._entries[name] = entry
        return entry

    def remove(self, name: str) -> None:
        """Remove an entry, for tests and for a plug-in that is imported again."""
        del self._entries[name]

    def find(self, name: str) -> Entry:
        """Return the entry of that name.

        Raises:
            UsageError: there is none; with the nearest name.
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
        """Undo at the end of the block whatever was added or removed in it; for tests."""
        self._import_package()
        before = dict(self._entries)
        try:
            yield
        finally:
            self._entries = before

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
