"""The commands of the pages that a new user reads, run as they are shown, on few images and steps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from PIL import Image

from infogan.cli import main
from infogan.runs.directory import RunDirectory
from tests.long.conftest import write_idx

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("quickstart", "explore", "sort-and-tables", "export")
PAGES = ("README.md", *(f"docs/{name}.md" for name in NAMES))
"""Pages whose commands run. Those of own-images.md are among them."""

RUN = "runs/mnist-5k-001"
ELSEWHERE = ("--to onnx", "--to html", "--to hub:")
"""Commands that take long, or need npm or an account; tests/export runs them."""

SMALL = "--steps 2 --set training.batch_size=16 --set network.width=0.125 --set objective.neighbours=1"


def commands(page: str) -> list[str]:
    """Return the infogan commands in the indented blocks of a page, without their comments."""
    lines = (ROOT / page).read_text().splitlines()
    shown = [line.partition("#")[0].strip() for line in lines if re.match(r" {4,}infogan ", line)]
    return [line.replace("RUN", RUN) for line in shown if not any(part in line for part in ELSEWHERE)]


def on_few_images(command: str, mnist: Path) -> tuple[list[str], str | None]:
    """Return the words of a command that does the same in a second, and the file that its output goes to."""
    command, _, output = command.partition(" > ")
    words = shlex.split(command)[1:]
    if words[0] == "train":
        words += shlex.split(SMALL)
    if words[0] == "reproduce" and len(words) > 1:
        words += shlex.split("--steps 2 --set network.width=0.125")
    if {"mnist", "figure1"} & set(words):
        words += ["--data", str(mnist)]
    if "faces-azimuth" in words:
        words += ["--set", "data.count=40"]
    if "--device" in words:
        words[words.index("--device") + 1] = "cpu"
    if "--minutes" in words:
        words[words.index("--minutes") + 1] = "0.01"
        words += shlex.split("--set network.width=0.0625 --set training.batch_size=16")
    if words[0] == "evaluate":
        words += ["--samples", "50"]
    return words, output or None


def write_images(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(220):
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / f"{number}.png")


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow if page == PAGES[0] else pytest.mark.long) for page in PAGES],
)
def test_every_command_of_a_page_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    served: list[uvicorn.Server] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: served.append(server))
    write_images(tmp_path / "my_images")
    (tmp_path / "mnist").mkdir()
    mnist = write_idx(tmp_path / "mnist")
    assert main(["train", "mnist-5k", *shlex.split(SMALL)]) == 0  # as `make demo` does
    for command in commands(page):
        words, output = on_few_images(command, mnist)
        assert main(words) == 0, f"{command}\n{capsys.readouterr().err}"
        shown = capsys.readouterr().out
        if output:
            (tmp_path / output).write_text(shown)
    assert len(served) == sum(" explore " in command for command in commands(page))


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    code = code.replace(
        "steps=300", "steps=2, size=8, settings={'network.width': 0.125, 'objective.neighbours': 1}"
    )
    code = code.replace(
        'infogan.evaluate(model, "mnist-5k")', 'infogan.evaluate(model, samples=50, only=["clustering"])'
    )
    names: dict[str, object] = {}
    exec(code, names)
    assert RunDirectory.open(tmp_path / "runs" / "mnist-5k-001").read_config().training.steps == 2
    assert isinstance(names["scores"], dict) and "clustering" in names["scores"]
