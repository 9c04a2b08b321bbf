"""The state of a discovery on disk: one that was stopped at any moment is resumed by the same command.

OUT/
    discovery-state.json    the images, the options, seconds spent, and the steps of each phase
    audit.txt               sizes, duplicates and damaged files of the images
    first/                  what was found without training
    learned/                what was found with learned features
    encoder-training/       the contrastive encoder while it trains; encoder/ when it is complete
    run/                    the generator: an ordinary run
    report.html, codes.csv, discovery.json
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infogan import storage
from infogan.errors import DataError, StorageError, UsageError
from infogan.runs.directory import next_free

STATE, AUDIT, RESULT = "discovery-state.json", "audit.txt", "discovery.json"


@dataclass
class State:
    """The progress of a discovery.

    Attributes:
        folder: OUT.
        identity: images and options; a discovery resumes only with the same.
        facts: seconds spent, and steps of each phase by name.
    """

    folder: Path
    identity: dict[str, Any]
    facts: dict[str, float] = field(default_factory=dict)

    def write(self, **facts: float) -> None:
        """Add facts, and write the state."""
        self.facts |= facts
        text = json.dumps({"identity": self.identity, "facts": self.facts}, indent=2)
        storage.write_text(self.folder / STATE, text + "\n")


def open_state(out: str | Path | None, identity: dict[str, Any]) -> State:
    """Return the state of a new discovery, or of one that was stopped.

    Args:
        out: the folder; None: the newest unfinished discovery of the same images and options in runs/, or the
            next free of runs/discover-001 and so on.
        identity: images and options.

    Raises:
        UsageError: the folder holds something else, or a discovery with other options.
        DataError: the images have changed since the discovery was stopped.
        StorageError: discovery-state.json is damaged.
    """
    folder = _unfinished(identity) if out is None else Path(out)
    if folder is None:
        folder = next_free(Path("runs"), "discover")
    if (folder / STATE).is_file():
        before, facts = _read(folder)
        _check(folder, before, identity)
        return State(folder, identity, facts)
    if folder.is_file() or (folder.exists() and any(folder.iterdir())):
        raise UsageError(
            f"{folder} is not an empty folder",
            "a new or empty folder, or one of a stopped discovery",
            "another folder as out",
            command="another --out",
        )
    state = State(folder, identity)
    folder.mkdir(parents=True, exist_ok=True)
    state.write(seconds=0.0)
    return state


def _unfinished(identity: dict[str, Any]) -> Path | None:
    for path in sorted(Path("runs").glob("discover-*"), reverse=True):
        if not (path / STATE).is_file() or (path / RESULT).is_file():
            continue
        with suppress(StorageError):  # damaged: left alone
            if _read(path)[0] == identity:
                return path
    return None


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """Return identity and facts of a discovery."""
    path = folder / STATE
    try:
        known = json.loads(path.read_bytes())
        facts = {str(name): float(value) for name, value in known["facts"].items()}
        return dict(known["identity"]), {"seconds": 0.0} | facts
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"{path} is damaged: {type(error).__name__}: {error}",
            "the file as infogan wrote it",
            "another folder as out, for a new discovery",
            command="another --out, for a new discovery",
        ) from None


def _check(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise an error unless a discovery resumes with the images and options that it began with."""
    other = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if other == ["images"]:
        raise DataError(
            f"the images are not those of the discovery in {folder}",
            "the same images, to resume it",
            "another folder as out, for these images",
            command="another --out, for these images",
        )
    if other:
        raise UsageError(
            f"{folder} holds a discovery with another {' and '.join(other)}",
            "the same options, to resume it",
            "another folder as out",
            command="another --out",
        )
