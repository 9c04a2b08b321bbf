"""A run's folder: made once, opened only if it is one, written by one process at a time."""

import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infogan import storage
from infogan.config import Categorical, Config, DataConfig, LatentsConfig
from infogan.errors import ConfigError, StorageError, UsageError
from infogan.runs import directory
from infogan.runs.directory import RunDirectory, next_free

CONFIG = Config(data=DataConfig(source="digits"), latents=LatentsConfig(codes={"digit": Categorical(10)}))


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "runs" / "mnist-001")
    made.write_config(CONFIG)
    return made


def test_a_new_run_has_its_folders_and_can_be_opened(run: RunDirectory) -> None:
    assert sorted(os.listdir(run.path)) == ["checkpoints", "config.toml", "samples", "traversals"]
    again = RunDirectory.open(str(run.path))
    assert again.path == run.path
    assert again.read_config() == CONFIG


def test_names_are_the_documented_ones() -> None:
    run = RunDirectory("r")
    paths = (run.config_path, run.environment_path, run.metrics_path, run.log_path, run.evaluation_path)
    assert [path.name for path in paths] == [
        "config.toml",
        "environment.json",
        "metrics.jsonl",
        "log.txt",
        "evaluation.json",
    ]
    folders = (run.checkpoints, run.model, run.samples, run.traversals)
    assert [path.name for path in folders] == ["checkpoints", "model", "samples", "traversals"]


def test_a_run_is_not_made_over_another_run(run: RunDirectory) -> None:
    with pytest.raises(UsageError, match="already holds a run") as caught:
        RunDirectory.create(run.path)
    assert f"infogan.resume({str(run.path)!r})" in str(caught.value)
    assert f"infogan resume {run.path}" in caught.value.for_command_line
    assert "--out" in caught.value.for_command_line


def test_a_run_is_not_made_among_other_files_nor_over_one(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match=r"not empty.*thesis\.tex"):
        RunDirectory.create(tmp_path)
    with pytest.raises(UsageError, match="is a file"):
        RunDirectory.create(tmp_path / "thesis.tex")
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_of_many_that_make_the_same_run_one_goes_on(tmp_path: Path) -> None:
    def make(_: int) -> bool:
        try:
            RunDirectory.create(tmp_path / "run")
        except UsageError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(32))) == 1


def test_a_folder_that_another_process_filled_just_now_is_refused(tmp_path, monkeypatch) -> None:
    RunDirectory.create(tmp_path / "run")
    monkeypatch.setattr(Path, "iterdir", lambda _: iter(()))  # looked before the other one began
    with pytest.raises(UsageError, match="not empty: it holds 'checkpoints'"):
        RunDirectory.create(tmp_path / "run")


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        RunDirectory.create(tmp_path / "file" / "run")


def test_numbers_go_up_and_are_never_shared(tmp_path: Path) -> None:
    parent = tmp_path / "runs"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: next_free(parent, "mnist").name, range(24)))
    assert sorted(made) == [f"mnist-{number:03d}" for number in range(1, 25)]
    (parent / "mnist-007").rmdir()
    (parent / "mnist-1000").mkdir()
    (parent / "mnist-5k-2000").mkdir()
    assert next_free(parent, "mnist").name == "mnist-1001"
    assert next_free(parent, "mnist-5k").name == "mnist-5k-2001"
    RunDirectory.create(next_free(parent, "svhn"))


@pytest.mark.parametrize(
    ("typed", "says", "advice"),
    [
        ("mnist-01", "there is no run .*did you mean 'mnist-001'", "mnist-001"),
        ("other", "is not a run: it has no config.toml and no checkpoints", "infogan train"),
        ("mnist-001/checkpoints", "is not a run: it has no config.toml", "mnist-001"),
        ("mnist-001/config.toml", "is a file, not a run", "mnist-001"),
        ("nothing/like/it", "there is no run", "infogan train"),
    ],
)
def test_what_is_no_run_is_refused_with_the_nearest_one(run, typed, says, advice) -> None:
    (run.path.parent / "other").mkdir()
    with pytest.raises(UsageError, match=says) as caught:
        RunDirectory.open(run.path.parent / typed)
    assert caught.value.exit_code == 2
    assert advice in caught.value.advice
    assert "config.toml" in caught.value.expected


def test_a_run_without_readable_config_says_so(run: RunDirectory) -> None:
    run.config_path.write_text("no toml")
    with pytest.raises(ConfigError, match=r"config\.toml"):
        run.read_config()


def test_files_are_replaced_whole(run, monkeypatch) -> None:
    run.write_json("evaluation.json", {"b": 1, "a": [1.5]})
    assert run.evaluation_path.read_text().index('"a"') < run.evaluation_path.read_text().index('"b"')
    before = sorted(os.listdir(run.path))
    monkeypatch.setattr(storage, "_reached", Counter())
    monkeypatch.setenv(storage.FAULT_VARIABLE, "file:evaluation.json:2=raise")
    run.write_json("evaluation.json", {"first": 1})
    with pytest.raises(RuntimeError, match=r"file:evaluation\.json"):
        run.write_text("evaluation.json", "half")
    assert json.loads(run.evaluation_path.read_text()) == {"first": 1}
    assert sorted(os.listdir(run.path)) == before


def test_whoever_reads_a_file_while_it_is_replaced_reads_all_of_the_old_one(run: RunDirectory) -> None:
    run.write_text("log.html", "old")
    with (run.path / "log.html").open() as reader:
        run.write_text("log.html", "something new")
        assert reader.read() == "old"
    assert (run.path / "log.html").read_text() == "something new"


def test_what_json_cannot_say_is_not_written(run: RunDirectory) -> None:
    with pytest.raises(ValueError, match="JSON"):
        run.write_json("evaluation.json", {"accuracy": float("nan")})
    assert not run.evaluation_path.exists()


def test_a_deleted_run_is_a_storage_error(run: RunDirectory) -> None:
    with pytest.raises(StorageError, match=r"gone.html.*No such file"):
        run.write_text("missing/gone.html", "x")


def test_environment_names_machine_and_versions(run: RunDirectory) -> None:
    run.write_environment(threads=1, precision="float32", device="cpu")
    found = json.loads(run.environment_path.read_text())
    assert found["python"] == sys.version.split()[0]
    assert found["versions"]["torch"].startswith("2.")
    assert (found["threads"], found["precision"], found["device"]) == (1, "float32", "cpu")
    assert found["cores"] >= found["usable_cores"] >= 1
    assert found["processor"]


def test_the_processor_is_read_from_linux_or_asked_of_python(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2:1 GHz\n")
    assert directory.processor(info) == "Some CPU @ 2:1 GHz"
    assert directory.processor(tmp_path / "missing")


def test_the_lock_says_who_holds_it_and_is_refused_within_one_process(run: RunDirectory) -> None:
    with run.lock():
        held = json.loads((run.path / ".lock").read_text())
        assert held["pid"] == os.getpid()
        for other in (run, RunDirectory.open(run.path)):
            with (
                pytest.raises(UsageError, match=rf"in use by process {os.getpid()} on .+ since 20"),
                other.lock(),
            ):
                pass
        assert json.loads((run.path / ".lock").read_text()) == held
    with pytest.raises(KeyError), run.lock():
        raise KeyError
    with run.lock():
        pass
    assert (run.path / ".lock").read_bytes() == b""


def test_the_lock_clears_what_killed_processes_left(run: RunDirectory) -> None:
    (run.path / ".tmp-model.elsewhere.7").mkdir()
    (run.checkpoints / ".tmp-step-00000001.elsewhere.7").mkdir()
    with run.lock():
        assert not list(run.path.rglob(".tmp-*"))


def test_a_lock_in_a_deleted_run_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"\.lock"), RunDirectory(tmp_path / "gone").lock():
        pass


def test_reading_a_run_imports_no_torch() -> None:
    code = "import sys, infogan.runs.directory as r; r.environment(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
