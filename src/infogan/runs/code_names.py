"""Names and descriptions that a user gives to the codes of a run: RUN/codes.json.

The configuration names a code before anyone has seen what it does. `infogan explore` shows what it does, and
saves a better name there. The weights and config.toml keep the configured name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infogan import storage
from infogan.config import Categorical, Code
from infogan.errors import StorageError, UsageError, did_you_mean

FILE = "codes.json"

LONGEST_NAME, LONGEST_DESCRIPTION = 40, 500
"""Limits in characters."""

# No character with a meaning in a file name, a formula of a spreadsheet, HTML or a terminal.
_NAME = re.compile(r"[^\W_](?:[\w -]*\w)?")


@dataclass(frozen=True)
class Note:
    """The notes of a user on one code.

    Attributes:
        name: shown instead of the configured name; empty: none.
        description: one or two sentences; empty: none.
        categories: names of some categories of a categorical code, by their index.
    """

    name: str = ""
    description: str = ""
    categories: Mapping[int, str] = field(default_factory=dict)


class CodeNames:
    """The notes on all codes of a run.

    Args:
        codes: the configured codes by name.
        notes: notes by configured name.

    Raises:
        UsageError: a note is about no code, its name is not plain text, or two codes have the same name.
    """

    def __init__(self, codes: Mapping[str, Code], notes: Mapping[str, Note] | None = None) -> None:
        self.codes = dict(codes)
        self.notes = {code: note for code, note in (notes or {}).items() if note != Note()}
        for code, note in self.notes.items():
            _check(code, note, self.codes)
        taken = [note.name for note in self.notes.values() if note.name]
        taken += [code for code in self.codes if self.shown(code) == code]
        repeated = next((name for name in taken if taken.count(name) > 1), None)
        if repeated is not None:
            raise UsageError(
                f"two codes would have the name {repeated!r}", "another name for each code", f"{repeated}-2"
            )

    def note(self, code: str) -> Note:
        """Return the note on a code, which may be empty."""
        return self.notes.get(code, Note())

    def shown(self, code: str) -> str:
        """Return the name to show for a code: the user's, or else the configured one."""
        return self.note(code).name or code

    def titled(self, code: str) -> str:
        """Return the user's name with the configured one, such as "slant (rotation)"; or the latter alone."""
        name = self.note(code).name
        return f"{name} ({code})" if name else code

    def category(self, code: str, index: int) -> str:
        """Return the text to show for a category: its name, or else its index."""
        return self.note(code).categories.get(index, str(index))

    def find(self, name: str) -> str:
        """Return the configured name of a code, given this or the user's name; an unknown one unchanged."""
        return next((code for code, note in self.notes.items() if note.name == name), name)

    def with_note(self, code: str, note: Note) -> CodeNames:
        """Return a copy with another note on one code."""
        return CodeNames(self.codes, {**self.notes, code: note})

    def write(self, folder: Path) -> None:
        """Write codes.json atomically.

        Raises:
            StorageError: it cannot be written; the old file is intact.
        """
        content = {
            code: {
                "name": note.name,
                "description": note.description,
                "categories": {str(index): text for index, text in sorted(note.categories.items())},
            }
            for code, note in self.notes.items()
        }
        storage.write_text(folder / FILE, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read(folder: str | Path, codes: Mapping[str, Code]) -> CodeNames:
    """Read the names of a run's codes; without codes.json, there are no notes.

    Args:
        folder: the run directory, or a model folder.
        codes: the configured codes by name.

    Raises:
        StorageError: codes.json is damaged, or does not fit the codes.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return CodeNames(codes)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return CodeNames(codes, {code: as_note(content) for code, content in found.items()})
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, UsageError) as error:
        happened = error.happened if isinstance(error, UsageError) else str(error)
        raise StorageError(
            f"{path} cannot be used: {happened}",
            'names by code, such as {"rotation": {"name": "slant"}}',
            "correct the file, or delete it and name the codes again in infogan explore",
        ) from None


def as_note(content: Mapping[str, Any]) -> Note:
    """Return a note from its JSON form.

    Raises:
        TypeError, ValueError: the content has another form.
    """
    unknown = set(content) - {"name", "description", "categories"}
    if unknown:
        raise ValueError(f"a code has no {min(unknown)!r}")
    name, description = content.get("name", ""), content.get("description", "")
    categories = content.get("categories", {})
    texts = [name, description, *categories.values()]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name or description is not a text")
    given = {int(index): text.strip() for index, text in categories.items() if text.strip()}
    return Note(name.strip(), " ".join(description.split()), given)


def _check(code: str, note: Note, codes: Mapping[str, Code]) -> None:
    if code not in codes:
        raise UsageError(
            f"no code is named {code!r}{did_you_mean(code, codes)}",
            f"one of {', '.join(codes)}",
            f"the code {next(iter(codes))!r}",
        )
    for text in (note.name, *note.categories.values()):
        if text and (len(text) > LONGEST_NAME or not _NAME.fullmatch(text)):
            raise UsageError(
                f"{text[: LONGEST_NAME + 1]!r} cannot be a name",
                f"letters, digits, spaces, - and _, starting with a letter or digit, at most {LONGEST_NAME}",
                "a short name such as slant",
            )
    if len(note.description) > LONGEST_DESCRIPTION or not note.description.isprintable():
        raise UsageError(
            f"the description of {code} has {len(note.description)} characters, or some cannot be printed",
            f"plain text of at most {LONGEST_DESCRIPTION} characters",
            "a shorter description",
        )
    configured = codes[code]
    size = configured.size if isinstance(configured, Categorical) else 0
    for index in note.categories:
        if not 0 <= index < size:
            raise UsageError(
                f"{code} has no category {index}",
                f"an index from 0 to {size - 1}" if size else "no names of categories: it has none",
                "infogan explore RUN, which shows the categories",
            )
