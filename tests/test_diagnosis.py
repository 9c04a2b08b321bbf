from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path

import pytest
import torch

import infogan
from infogan import diagnosis
from infogan.cli import main

CPU = torch.device("cpu")


def test_a_machine_that_works_has_no_problem(tmp_path: Path) -> None:
    found = infogan.doctor(tmp_path / "runs")
    assert found.problems == []
    assert found.versions["infogan"] == infogan.__version__
    assert found.chosen["device"] in found.devices or found.chosen["device"] == "cuda"
    assert found.folders["runs"]["free_bytes"] > 0
    assert "MB/s" in found.folders["runs"]["write_test"]
    assert list((tmp_path / "runs").iterdir()) == []  # the file of the test is deleted
    assert found.lines()[-1] == "no problem found"


def test_the_command_prints_text_or_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["processor"]["cores"] >= 1
    assert main(["doctor", str(tmp_path)]) == 0
    assert "auto selects: " in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("a file")
    assert main(["doctor", str(tmp_path / "runs")]) == 4
    shown = capsys.readouterr()
    assert f"problem: runs: cannot write {tmp_path / 'runs'}" in shown.out
    assert "auto selects: " in shown.out  # the rest is printed, too


def test_a_disk_that_is_nearly_full_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = os.statvfs(tmp_path)
    assert usage.f_bavail
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 2_000}))
    found = diagnosis.diagnose(tmp_path, CPU, "float32")
    assert any("only 0.0 GB free" in text for text in found.problems)


def test_extras_are_those_of_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        "torch>=2.7",
        "tensorboardX>=2.6; extra == 'board'",
        'no-such-package>=1; extra == "other"',
        'also-missing[all]>=1; python_version > "3" and extra == "other"',
        'infogan[board,other]; extra == "dev"',
        'no-such-linter>=1; extra == "dev"',
    ]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: listed)
    assert diagnosis.extras() == {"board": [], "other": ["no-such-package", "also-missing"]}


def test_more_threads_than_cores_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1_000)
    assert any("OMP_NUM_THREADS" in text for text in diagnosis.diagnose(tmp_path, CPU, "float32").problems)
