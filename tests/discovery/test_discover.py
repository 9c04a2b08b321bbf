"""infogan discover: real images first, then one generator; a stop resumes with the same command."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infogan.cli import main
from infogan.discovery.budget import Budget, steps_within
from infogan.discovery.discover import discover
from infogan.discovery.given_images import GivenImages
from infogan.errors import StorageError, UsageError
from infogan.evaluation.subject import Progress


def blobs(count: int = 240) -> np.ndarray:
    """Return images of a bright blob that moves from left to right."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(2, 9, count), rng.uniform(5, 6, count)
    rows, columns = np.mgrid[:12, :12]
    distance = (columns - x[:, None, None]) ** 2 + (rows - y[:, None, None]) ** 2
    return (255 * np.exp(-distance / 4)).astype(np.uint8)[..., None]


def save(path: Path, images: np.ndarray) -> Path:
    """Write images as an array file."""
    np.savez(path, images=images)
    return path


def test_a_budget_counts_earlier_sessions_and_keeps_a_reserve() -> None:
    now = [100.0]
    budget = Budget(600, before=60, clock=lambda: now[0])
    assert budget.spent == 60 and budget.for_training == pytest.approx(492)
    now[0] = 900.0
    assert budget.spent == 860 and budget.for_training == 0
    assert steps_within(10, 0.1, least=20) == 100 and steps_within(0, 0.1, least=20) == 20


@pytest.mark.parametrize("options", [["--categories", "0"], pytest.param([], marks=pytest.mark.long)])
def test_nothing_is_found_in_white_noise_and_no_generator_is_trained(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(256, size=(140, 8, 8, 1), dtype=np.uint8)
    path, out = save(tmp_path / "images.npz", noise), tmp_path / "out"
    small = ["--minutes", "0.01", "--set", "network.width=0.25"]
    assert main(["discover", str(path), "--out", str(out), *small, *options]) == 0
    assert "no factor found" in capsys.readouterr().out
    assert "No factor found" in (out / "report.html").read_text() and not (out / "run").exists()
    assert json.loads((out / "discovery.json").read_text())["found"] == {}


def test_ctrl_c_says_how_to_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = save(tmp_path / "images.npz", blobs(210)), tmp_path / "out"
    monkeypatch.setattr(GivenImages, "audit_lines", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert main(["discover", str(path), "--minutes", "0.01", "--out", str(out)]) == 130
    farewell = f"infogan: stopped; the same command resumes the discovery in {out}\n"
    assert capsys.readouterr().err.endswith(farewell)


@pytest.mark.slow
def test_a_stopped_discovery_resumes_with_the_same_command(tmp_path: Path) -> None:
    path, out = save(tmp_path / "images.npz", blobs(400)), tmp_path / "out"

    def stop(message: str) -> None:
        if message.startswith("training the generator"):
            raise KeyboardInterrupt

    narrow = {"network.width": 0.5}
    with pytest.raises(KeyboardInterrupt):
        discover(path, minutes=0.02, out=out, categories=0, settings=narrow, progress=stop)
    messages: list[str] = []
    result = discover(path, minutes=0.02, out=out, categories=0, settings=narrow, progress=messages.append)
    assert not any(message.startswith("training the contrastive encoder") for message in messages)
    assert "coordinate1" in result["found"] and Path(result["run"]).is_dir()
    with (out / "codes.csv").open() as lines:
        assert len(list(csv.reader(lines))) == 401
    assert "Real images along each factor" in (out / "report.html").read_text()
    again = discover(path, minutes=0.02, out=out, categories=0, settings=narrow)
    assert again == json.loads((out / "discovery.json").read_text())


def test_other_options_images_and_folders_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = save(tmp_path / "few.npz", blobs(40))
    assert main(["discover", str(few), "--out", str(tmp_path / "out")]) == 2
    assert "40 images" in capsys.readouterr().err and not (tmp_path / "out").exists()
    path = save(tmp_path / "images.npz", blobs())
    for minutes in ("0", "-3", "soon"):
        assert main(["discover", str(path), "--minutes", minutes]) == 2
    assert main(["discover", str(path), "--out", str(path)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    for setting in ("training.steps=9", "latents.noise=3"):
        assert main(["discover", str(path), "--set", setting, "--out", str(tmp_path / "out")]) == 2
        assert "discover sets it itself" in capsys.readouterr().err


@pytest.mark.slow
def test_a_stop_at_every_phase_changes_no_byte_of_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One session per message: each stops when a message comes that no session before it has heard."""
    path = save(tmp_path / "images.npz", blobs(400))
    heard: set[str] = set()

    def stop_at_news(message: str) -> None:
        if message not in heard and not message.startswith(("stopped", "resumed")):
            heard.add(message)
            raise KeyboardInterrupt

    def begin(progress: Progress) -> dict[str, Any]:
        narrow = {"network.width": 0.25}
        return discover(
            path, minutes=0.02, out="out", categories=0, settings=narrow, progress=progress, clock=lambda: 0.0
        )

    results = []
    for name, progress in (("undisturbed", lambda _: None), ("stopped", stop_at_news)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        for _ in range(40):
            try:
                begin(progress)
                break
            except KeyboardInterrupt:
                assert not Path("out/discovery.json").exists()
        whole = json.loads(Path("out/discovery.json").read_text())
        whole["scores"].pop("train_seconds", None)  # measured by the run's own clock
        results.append((whole, Path("out/codes.csv").read_bytes()))
        assert not Path("out/encoder-training").exists()
        assert not list(Path("out").rglob(".tmp-*"))
    assert results[0] == results[1]
    assert {"training the generator, 20 steps", "resuming the generator"} & heard and len(heard) > 8


def test_two_discoveries_with_one_folder_are_not_mixed(tmp_path: Path) -> None:
    path, out = save(tmp_path / "images.npz", blobs(210)), tmp_path / "out"

    def second(message: str) -> None:
        with pytest.raises(UsageError, match="is in use by process"):
            discover(path, minutes=0.01, out=out, progress=lambda _: None)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        discover(
            path,
            minutes=0.01,
            out=out,
            progress=lambda m: second(m) if m.startswith("size:") else None,
        )


@pytest.mark.parametrize("content", ["", "{", "[]", '{"identity": 3}', '{"identity": {}, "facts": 7}'])
def test_a_damaged_state_is_refused_with_what_to_do(content: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "discovery-state.json").write_text(content)
    with pytest.raises(StorageError, match=r"discovery-state\.json is damaged"):
        discover(save(tmp_path / "images.npz", blobs(210)), minutes=0.01, out=out)
