"""Models of the Hugging Face Hub: their names, and the download of one at a fixed revision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from infogan.errors import StorageError, UsageError

NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
"""OWNER/NAME of a repository."""

MODEL_FILES = ("MANIFEST.json", "model.safetensors", "config.toml", "provenance.json", "codes.json")
"""All files that a model folder can have."""


@dataclass(frozen=True)
class Download:
    """A model folder from the Hub.

    Attributes:
        folder: in the cache of huggingface_hub.
        revision: SHA of the commit that was downloaded.
    """

    folder: Path
    revision: str


def is_repository(name: str | Path) -> bool:
    """Return True if a name is that of a repository, and not a path whose first folder exists here."""
    text = str(name)
    return bool(NAME.fullmatch(text)) and not Path(text).exists() and not Path(text).parent.is_dir()


def check_installed() -> None:
    """Raise UsageError if huggingface_hub is missing."""
    if find_spec("huggingface_hub") is None:
        raise UsageError(
            "the package huggingface_hub is not installed",
            "this package, for models of the Hugging Face Hub",
            "pip install 'infogan[hub]'",
        )


def download(repository: str, revision: str | None = None) -> Download:
    """Download the files of a model, or take them from the cache.

    Args:
        repository: OWNER/NAME.
        revision: branch, tag or SHA of a commit; by default the newest commit.

    Raises:
        UsageError: huggingface_hub is missing; or there is no such repository or revision.
        StorageError: the Hub cannot be reached.
    """
    check_installed()
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns=list(MODEL_FILES))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        missing = "revision" if isinstance(error, RevisionNotFoundError) else "repository"
        raise UsageError(
            f"{repository}{f' at {revision}' if revision else ''}: no such {missing}, or it is private",
            "OWNER/NAME of a model repository, or the path of a run",
            "hf auth login, if it is private",
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx.HTTPError, OSError) as error:
        raise StorageError(
            f"{repository} cannot be downloaded: {str(error).splitlines()[0]}",
            "a connection to the Hub, or an earlier download in the cache",
            "again later, or with the path of a local run",
        ) from error
    return Download(Path(folder), Path(folder).name)
