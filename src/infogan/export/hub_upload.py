"""Uploads a model to the Hugging Face Hub: its files, a model card and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from infogan import config as configuration
from infogan import hub_models, storage
from infogan.errors import StorageError, UsageError
from infogan.export import model_card
from infogan.export.exported_run import Source
from infogan.reporting import pictures
from infogan.reporting.traversals import traversal_picture

_ROWS, _SAMPLES = 5, 36


def write_repository(source: Source, repository: str, folder: Path) -> None:
    """Write the files of a repository: the model without paths of this machine, a card and pictures.

    The manifest covers the model alone, so that the card can be edited on the Hub.

    Raises:
        UsageError: `folder` has files that infogan did not write.
        StorageError: it cannot be written.
    """
    with storage.writing(folder, 0):
        folder.parent.mkdir(parents=True, exist_ok=True)
    storage.write_folder(folder, _files(source))
    model = source.model
    with storage.writing(folder, 0):
        pictures.save_png(pictures.sample_grid(model.sample(_SAMPLES, seed=0)), folder / "samples.png")
        for name in model.latents.priors:
            picture = traversal_picture(model, name, rows=_ROWS)
            pictures.save_png(picture, folder / model_card.picture_name(name))
    if source.scores:
        storage.write_text(folder / "evaluation.json", json.dumps(dict(source.scores), indent=2) + "\n")
    storage.write_text(folder / "README.md", model_card.render(source, repository))


def _files(source: Source) -> dict[str, bytes]:
    """Return the files of the model; its configuration names no path of this machine."""
    files = source.model_files
    if source.model.config.data.path is None:
        return files
    config = source.model.config.replace(data={"path": None})
    return files | {"config.toml": configuration.to_toml(config).encode()}


def upload(
    source: Source, repository: str, folder: Path, *, private: bool, progress: Callable[[str], None]
) -> str:
    """Create or update a repository with the files of `write_repository`; return its address.

    Raises:
        UsageError: huggingface_hub is missing, or the user may not write to the repository.
        StorageError: the Hub cannot be reached.
    """
    hub_models.check_installed()
    if not hub_models.NAME.fullmatch(repository):
        raise UsageError(
            f"{repository!r} is not the name of a repository",
            "OWNER/NAME, of letters, digits, -, _ and .",
            "to='hub:OWNER/NAME'",
            command="--to hub:OWNER/NAME",
        )
    progress("export: writing model card and pictures")
    write_repository(source, repository, folder)
    progress(f"export: uploading {folder} to {repository}")
    return _upload(repository, folder, private)


def _upload(repository: str, folder: Path, private: bool) -> str:
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    hub = HfApi(library_name="infogan")
    try:
        address = hub.create_repo(repository, private=private, exist_ok=True)
        hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message="Upload a model with infogan",
        )
    except LocalTokenNotFoundError:
        raise _refused(repository, "you are not logged in") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise _refused(repository, f"the Hub answered with status {status}") from None
        raise StorageError(
            f"{repository}: the Hub refused the upload: {str(error).strip().splitlines()[0]}",
            "a repository that this user may write to",
            f"again later; the files are in {folder}",
        ) from error
    except (httpx.HTTPError, OSError) as error:
        raise StorageError(
            f"{repository}: the Hub cannot be reached: {error}",
            "a connection to the Hub",
            f"again later; the files are in {folder}",
        ) from error
    return str(address)


def _refused(repository: str, why: str) -> UsageError:
    return UsageError(
        f"{repository} cannot be written: {why}",
        "a token that may write to this repository",
        "hf auth login, or the environment variable HF_TOKEN",
    )
