"""`infogan explore` from its start to its end, and the names that it saves in other commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infogan import api
from infogan.cli import main
from infogan.errors import Interrupted
from infogan.explorer import Address, Images, session
from infogan.explorer.session import explore
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames, Note


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect what would be served; the session ends at once, as by Ctrl-C."""
    applications: list[Any] = []

    def serve(application: Any, _address: Address, *, announce: Callable[[str], None], **_: Any) -> None:
        applications.append(application)
        announce("http://127.0.0.1:8420/")
        raise Interrupted(2)

    monkeypatch.setattr("infogan.explorer.serving.serve", serve)
    return applications


def test_a_session_names_its_address_and_ends_at_ctrl_c(
    served: list[Any], model: InfoGAN, run: Path, images: Images
) -> None:
    said: list[str] = []
    explore(model, run, lambda: images, address=Address(), browser=False, announce=said.append)
    assert any("http://127.0.0.1:8420/" in line for line in said)
    assert said[-1] == "infogan explore has ended"
    assert len(served) == 1


def test_the_command_explores_a_run(served: list[Any], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", str(run), "--no-browser"]) == 0
    assert "http://127.0.0.1:8420/" in capsys.readouterr().err


@pytest.mark.usefixtures("served")
def test_a_damaged_file_of_names_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "codes.json").write_text("{")
    assert main(["explore", str(run), "--no-browser"]) == 4
    assert "codes.json" in capsys.readouterr().err


def test_verdicts_come_from_the_evaluation(run: Path) -> None:
    assert session._verdicts(run) == {}
    (run / "evaluation.json").write_text(json.dumps({"codes": {"slant": {"verdict": "dead"}}}))
    assert session._verdicts(run) == {"slant": "dead"}
    (run / "evaluation.json").write_text("{")
    assert session._verdicts(run) == {}


def test_traverse_finds_and_shows_the_name_of_a_code(
    run: Path, model: InfoGAN, capsys: pytest.CaptureFixture[str]
) -> None:
    CodeNames(model.config.latents.codes, {"slant": Note("lean")}).write(run)
    assert main(["traverse", str(run), "--code", "lean", "--rows", "1"]) == 0
    assert capsys.readouterr().out.strip().endswith("slant-seed0.png")
    assert main(["traverse", str(run), "--code", "leon"]) == 2


@pytest.mark.slow
def test_evaluation_and_report_show_the_names(
    run: Path, model: InfoGAN, capsys: pytest.CaptureFixture[str]
) -> None:
    note = Note("lean", "Leans to the right.")
    CodeNames(model.config.latents.codes, {"slant": note}).write(run)
    assert main(["evaluate", str(run), "--samples", "50"]) == 0
    assert "lean (slant): " in capsys.readouterr().out
    assert "slant" in json.loads((run / "evaluation.json").read_text())["codes"]
    page = api.report(run).read_text()
    assert "<h3>lean (slant)" in page and "Leans to the right." in page


def test_the_page_is_in_the_package() -> None:
    from infogan.explorer.page_files import page_files

    files = page_files()
    assert next(iter(files)) == "index.html"
    text = b"".join(files.values()).decode()
    assert "https://" not in text.replace("http://www.w3.org", "")
    assert "innerHTML" not in text
