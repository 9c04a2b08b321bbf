"""Locks between processes, and what counts where the system has none."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infogan import locks, storage
from infogan.errors import UsageError
from infogan.runs import metrics_log
from infogan.runs.directory import RunDirectory


@pytest.fixture(params=["no flock", "no fcntl"])
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system without locks; or Windows without its own, which this machine cannot have."""
    if request.param == "no fcntl":
        monkeypatch.setattr(locks, "fcntl", None)
        return

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks.fcntl, "flock", refuse)


def test_a_folder_is_locked_while_its_lock_is_held(tmp_path: Path) -> None:
    assert locks.is_locked(tmp_path) is False
    with locks.held(tmp_path) as mine:
        assert mine and locks.is_locked(tmp_path)
        with locks.held(tmp_path) as second:
            assert not second
    assert locks.is_locked(tmp_path) is False
    assert locks.is_locked(tmp_path / "missing") is False


def test_a_waiting_process_gets_the_lock_when_the_holder_ends(tmp_path: Path) -> None:
    path, said = tmp_path / ".lock", []
    script = (
        "import sys\nfrom pathlib import Path\nfrom infogan import locks\n"
        "with locks.waiting_for(Path(sys.argv[1]), print):\n"
        "    print('locked', flush=True)\n    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"

        def kill() -> None:
            while not said:
                time.sleep(0.01)
            holder.kill()

        thread = threading.Thread(target=kill)
        thread.start()
        with locks.waiting_for(path, lambda: said.append("waits")) as locked:
            assert locked and said == ["waits"]
        thread.join()


def test_without_locks_nobody_waits_and_only_old_files_are_abandoned(
    without_locks: None, tmp_path: Path
) -> None:
    with locks.waiting_for(tmp_path / ".lock", lambda: None) as locked:
        assert not locked
    assert locks.is_locked(tmp_path) is None
    young, old = tmp_path / ".tmp-model.1", tmp_path / ".tmp-model.2"
    young.mkdir()
    old.mkdir()
    os.utime(old, (0, 0))
    storage.write_folder(tmp_path / "model", {"a": b"1"})
    assert young.exists() and not old.exists()


def test_without_locks_a_run_still_has_one_writer(without_locks: None, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    with run.lock():
        with pytest.raises(UsageError, match=f"in use by process {os.getpid()}") as caught, run.lock():
            pass
        assert str(run.path / ".lock-held") in caught.value.advice
    with run.lock():
        pass
    assert not (run.path / ".lock-held").exists()


def test_without_locks_an_ended_process_holds_no_run(without_locks: None, tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    held = run.path / ".lock-held"
    with run.lock():
        content = held.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {ended.pid}')
    held.write_text(content)
    with run.lock():
        pass


def test_windows_has_no_calls_that_storage_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation: what Python on Windows lacks is removed."""
    for name in ("pread", "pwrite", "O_DIRECTORY", "sched_getaffinity", "getuid", "geteuid"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(sys, "platform", "darwin")  # win32 would make the standard library import Windows
    storage.write_folder(tmp_path / "model", {"a": b"1"})
    storage.write_folder(tmp_path / "model", {"a": b"2"})
    storage.write_file(tmp_path / "file", b"3")
    assert storage.read_folder(tmp_path / "model") == {"a": b"2"}
    log = metrics_log.MetricsLog(tmp_path / "metrics.jsonl")
    log.append({"step": 20})
    log.append({"step": 40})
    assert [line["step"] for line in metrics_log.read(tmp_path / "metrics.jsonl")] == [20, 40]
    with RunDirectory.create(tmp_path / "run").lock():
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "metrics.jsonl", "model", "run"]
