"""Upload and download through HTTP, against a server on this machine; each command is its own process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import infogan
from infogan import InfoGAN, hub_models
from infogan.errors import UsageError
from tests.export.hub_server import TOKEN, Hub, serving

pytestmark = pytest.mark.slow

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SCORES = {
    "steps": 7, "dataset": "digits", "weights": "raw", "images": 100, "split": "test",
    "codes": {
        "digit": {"kind": "categorical", "mutual_information_nats": 1.1, "entropy_nats": 1.386,
                  "mutual_information_nats_standard_error": 0.01, "verdict": "used", "effect": 0.3,
                  "survival": {"blur": 1.0}},
    },
    "clustering": {"code": "digit", "matching": [3, 0, 1, 2], "accuracy": 0.81,
                   "accuracy_interval": [0.8, 0.82], "nmi": 0.7, "ari": 0.6},
}  # fmt: skip


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as hub:
        yield hub


@pytest.fixture
def run(hub: Hub, tmp_path: Path) -> Run:
    """Run a command as a user of this hub."""

    def command(*words: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {
            "HF_ENDPOINT": hub.endpoint,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
        }
        environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        environment |= {"HF_TOKEN": token} if token else {}
        return subprocess.run(
            [sys.executable, *words], env=environment, cwd=tmp_path, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip

    return command


def export(run: Run, folder: Path, *more: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    return run("-m", "infogan", "export", str(folder), "--to", "hub:me/digits", *more, token=token)


READ = """
import sys, json, numpy as np, infogan
model = infogan.InfoGAN.from_pretrained("me/digits", revision=sys.argv[1] if len(sys.argv) > 1 else None)
images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
print(json.dumps({"codes": model.encode(images)["digit"].tolist(), "hub": model.provenance["hub"]}))
"""


def test_a_model_comes_back_from_the_hub_as_it_was(
    run: Run, hub: Hub, model_folder: Path, varied_model: InfoGAN
) -> None:
    done = export(run, model_folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{hub.endpoint}/me/digits"
    files = hub.files("me/digits")
    assert files["model.safetensors"] == (model_folder / "model.safetensors").read_bytes()
    assert {"README.md", "MANIFEST.json", "config.toml", "samples.png", "traversal-digit.png"} <= set(files)
    assert files["samples.png"].startswith(b"\x89PNG")

    read = run("-c", READ, token=None)
    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout)
    assert found["hub"] == {"repository": "me/digits", "revision": hub.newest("me/digits")}
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    np.testing.assert_array_equal(np.float32(found["codes"]), varied_model.encode(images)["digit"])
    assert not any("samples.png" in request and "resolve" in request for request in hub.requests)


def test_a_fixed_revision_stays_what_it_was(
    run: Run, hub: Hub, model_folder: Path, varied_model: InfoGAN
) -> None:
    assert export(run, model_folder).returncode == 0
    first = hub.newest("me/digits")
    varied_model.provenance["steps"] = 8
    varied_model.save_pretrained(model_folder)
    assert export(run, model_folder).returncode == 0
    assert hub.newest("me/digits") != first
    read = run("-c", READ, first)
    assert json.loads(read.stdout)["hub"]["revision"] == first
    missing = run("-c", READ, "v9")
    assert "me/digits at v9: no such revision" in missing.stderr


def test_a_card_that_was_edited_on_the_hub_does_not_make_the_model_damaged(
    run: Run, hub: Hub, model_folder: Path
) -> None:
    assert export(run, model_folder).returncode == 0
    hub.files("me/digits")["README.md"] = b"# Mine"
    assert run("-c", READ).returncode == 0
    weights = bytearray(hub.files("me/digits")["model.safetensors"])
    weights[-1] ^= 1
    sha = hashlib.sha1(weights).hexdigest()
    hub.revisions["me/digits"][sha] = {**hub.files("me/digits"), "model.safetensors": bytes(weights)}
    assert "its sha256 is not the one in MANIFEST.json" in run("-c", READ).stderr


def test_the_card_has_figures_classes_licence_and_limits(run: Run, hub: Hub, model_folder: Path) -> None:
    (model_folder / "evaluation.json").write_text(json.dumps(SCORES))
    done = export(run, model_folder, "--private")
    assert done.returncode == 0, done.stderr
    assert hub.private == {"me/digits"}
    card = hub.files("me/digits")["README.md"].decode()
    assert card.startswith("---\nlibrary_name: infogan\n")
    meaning = "0 = class 3, 1 = class 0, 2 = class 1, 3 = class 2"
    assert f"| digit | one of 4 categories | {meaning} | used | 1.10 of 1.39 |" in card
    assert "accuracy 0.8100 (95%: 0.8000 to 0.8200)" in card
    assert "Licence of the data: CC BY 4.0." in card
    assert "## Limits" in card and "## Misuse" not in card
    for line in card.splitlines():
        if line.startswith("!["):
            assert line.rpartition("(")[2].rstrip(")") in hub.files("me/digits")


def test_a_user_without_a_token_gets_advice_and_keeps_the_files(
    run: Run, hub: Hub, model_folder: Path
) -> None:
    for token in (None, "hf_wrong"):
        done = export(run, model_folder, token=token)
        assert done.returncode == 2
        assert "me/digits cannot be written" in done.stderr and "hf auth login" in done.stderr
    assert (model_folder / "export" / "hub" / "README.md").is_file()


def test_a_repository_that_does_not_exist_is_named(run: Run) -> None:
    done = run("-m", "infogan", "sample", "me/missing", "--out", "x.png")
    assert done.returncode == 2
    assert "me/missing: no such repository, or it is private" in done.stderr


def test_no_path_of_this_machine_is_published(
    run: Run, hub: Hub, tmp_path: Path, varied_model: InfoGAN
) -> None:
    varied_model.config = varied_model.config.replace(data={"source": "folder", "path": "/home/me/secret"})
    varied_model.save_pretrained(tmp_path / "own")
    assert export(run, tmp_path / "own").returncode == 0
    assert b"/home/me" not in b"".join(hub.files("me/digits").values())
    assert "## Misuse" in hub.files("me/digits")["README.md"].decode()  # it may show people


def test_the_missing_package_is_named_with_its_extra(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_models, "find_spec", lambda name: None)
    for use in (
        lambda: infogan.export_model(model_folder, "hub:me/digits"),
        lambda: InfoGAN.from_pretrained("me/digits"),
    ):
        with pytest.raises(UsageError, match=r"huggingface_hub is not installed(?s:.*)infogan\[hub\]"):
            use()


def test_a_missing_run_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a folder runs, runs/mnist-001 is a run that does not exist, and nothing asks the Hub."""
    monkeypatch.chdir(tmp_path)
    assert hub_models.is_repository("runs/mnist-001")
    (tmp_path / "runs").mkdir()
    assert not hub_models.is_repository("runs/mnist-001")
    assert not any(map(hub_models.is_repository, ("mnist", "/a/b", "a/b/c", "./a", "../a", "a/", "a b/c")))
