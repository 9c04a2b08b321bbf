"""Faults 1, 3, 4, 6, 7, 8 and 10 of a single save, log or lock; of whole trainings elsewhere.

Processes are really killed: a child forks once for each fault, so that torch is imported once. It saves
checkpoints 1 and 2 undisturbed, and the fault strikes in the save of checkpoint 3, which prunes.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import safetensors.torch
import torch

from infogan import storage
from infogan.errors import StorageError, UsageError
from infogan.runs import checkpoint, metrics_log
from infogan.runs.directory import RunDirectory

FILES = ("model.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json")


def parts(step: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, int]]:
    draw = torch.Generator().manual_seed(step)
    weights = {"w": torch.randn(9, 3, generator=draw), "b": torch.randn(5, generator=draw)}
    return weights, {name: 2 * value for name, value in weights.items()}, {"images_seen": step}


def save(folder: Path, step: int, content: int | None = None) -> Path:
    return checkpoint.save(folder, step, *parts(step if content is None else content), 2)


def assert_is(found: checkpoint.Checkpoint | None, step: int, content: int | None = None) -> None:
    model, optimizer, state = parts(step if content is None else content)
    assert found is not None
    assert (found.step, found.state) == (step, state)
    for expected, got in ((model, found.model), (optimizer, found.optimizer)):
        assert expected.keys() == got.keys()
        assert all(torch.equal(value, got[name]) for name, value in expected.items())


def refuse(error: StorageError) -> None:
    raise AssertionError(f"reported as damaged: {error}")


def two(folder: Path) -> Path:
    folder.mkdir(parents=True)
    save(folder, 1)
    save(folder, 2)
    return folder


CHILD = """
    import json, os, resource, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[1])
    import test_checkpoint_faults as faults
    from infogan.errors import StorageError

    for fault in json.loads(sys.argv[2]):
        folder = faults.two(Path(fault["folder"]))
        if (pid := os.fork()) == 0:
            code = 99
            try:
                if "point" in fault:
                    os.environ["INFOGAN_FAULT_POINT"] = fault["point"]
                if "limit" in fault:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (fault["limit"], fault["limit"]))
                faults.save(folder, fault["step"], 3)
                code = 0
            except StorageError as error:
                print(json.dumps([error.happened, error.expected, error.advice]), flush=True)
                code = error.exit_code
            finally:
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps(status), flush=True)
"""


def strike(faults: list[dict[str, object]]) -> list[object]:
    """What the child said: exit codes (negative for signals), each behind the error if there was one."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CHILD), Path(__file__).parent, json.dumps(faults)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,  # a busy machine is no hang
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- fault 1: SIGKILL at every named point --------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> dict[tuple[str, int], Path]:
    """Folders in which a save was killed, by point and by the step saved: 3 is new, 2 replaces another 2."""
    root = tmp_path_factory.mktemp("killed")
    keys = [(point, 3) for point in checkpoint.FAULT_POINTS]
    keys += [(point, 2) for point in checkpoint.FAULT_POINTS if point != storage.Point.PRUNE]
    folders = {key: root / f"{number}" for number, key in enumerate(keys)}
    codes = strike([{"folder": str(folders[key]), "point": f"{key[0]}=kill", "step": key[1]} for key in keys])
    assert codes == [-signal.SIGKILL] * len(keys), "a point was not reached"
    return folders


@pytest.mark.parametrize("point", checkpoint.FAULT_POINTS)
def test_a_kill_leaves_the_previous_or_the_new_checkpoint(killed, point) -> None:
    folder = killed[point, 3]
    is_new = point in (storage.Point.PRUNE, storage.Point.DONE)
    assert_is(checkpoint.newest(folder, refuse), 3 if is_new else 2)
    for step, path in checkpoint.listed(folder).items():
        assert_is(checkpoint.load(path), step)
    save(folder, 3)
    save(folder, 4)
    assert sorted(os.listdir(folder)) == ["step-00000003", "step-00000004"], "something half was left"
    assert_is(checkpoint.newest(folder, refuse), 4)


@pytest.mark.parametrize("point", [p for p in checkpoint.FAULT_POINTS if p != storage.Point.PRUNE])
def test_a_kill_while_one_is_replaced_leaves_the_old_or_the_new(killed, point) -> None:
    folder = killed[point, 2]
    assert_is(checkpoint.newest(folder, refuse), 2, 3 if point == storage.Point.DONE else 2)


def test_a_kill_half_way_through_a_file_tears_it(killed) -> None:
    """Otherwise the points of files would test nothing: a torn file must lie there, under no good name."""
    folder = killed[storage.file_point("model.safetensors"), 2]
    (partial,) = folder.glob(".tmp-*")
    size = (folder / "step-00000002" / "model.safetensors").stat().st_size
    assert 0 < (partial / "model.safetensors").stat().st_size < size


# --- fault 3: the serializer raises ---------------------------------------------------------------------


@pytest.mark.parametrize("nth", [1, 2])
def test_a_serializer_that_raises_leaves_nothing_and_the_next_save_works(tmp_path, monkeypatch, nth) -> None:
    folder, calls, serialize = two(tmp_path / "checkpoints"), [], safetensors.torch.save

    def broken(tensors: dict[str, torch.Tensor]) -> bytes:
        calls.append(1)
        if len(calls) == nth:
            raise RuntimeError("no such dtype")
        return serialize(tensors)

    monkeypatch.setattr(safetensors.torch, "save", broken)
    with pytest.raises(RuntimeError, match="no such dtype"):
        save(folder, 3)
    assert sorted(os.listdir(folder)) == ["step-00000001", "step-00000002"]
    save(folder, 4)
    assert_is(checkpoint.newest(folder, refuse), 4)


@pytest.mark.parametrize("point", checkpoint.FAULT_POINTS)
def test_an_exception_at_any_point_leaves_nothing_half(tmp_path, monkeypatch, point) -> None:
    folder = two(tmp_path / "checkpoints")
    monkeypatch.setattr(storage, "_reached", Counter())
    monkeypatch.setenv(storage.FAULT_VARIABLE, f"{point}=raise")
    with pytest.raises(RuntimeError, match="requested fault"):
        save(folder, 3)
    is_new = point in (storage.Point.PRUNE, storage.Point.DONE)
    if not is_new:
        assert sorted(os.listdir(folder)) == ["step-00000001", "step-00000002"]
    save(folder, 4)
    assert_is(checkpoint.newest(folder, refuse), 4)
    assert sorted(os.listdir(folder)) == [f"step-0000000{3 if is_new else 2}", "step-00000004"]


# --- fault 4: the disk is full --------------------------------------------------------------------------


def test_a_full_disk_leaves_the_previous_one_and_says_what_is_needed(tmp_path: Path) -> None:
    sizes = two(tmp_path / "sizes") / "step-00000002"
    largest = max((sizes / name).stat().st_size for name in FILES)
    limits = [0, 1, largest // 3, largest // 2, largest - 1, largest]
    folders = [tmp_path / str(limit) / "checkpoints" for limit in limits]
    said = strike(
        [
            {"folder": str(folder), "limit": limit, "step": 3}
            for folder, limit in zip(folders, limits, strict=True)
        ]
    )
    assert said.pop() == 0, "a limit that is large enough is none"
    assert said[1::2] == [StorageError.exit_code] * (len(limits) - 1)
    for (happened, expected, advice), folder in zip(said[::2], folders[:-1], strict=True):
        assert "File too large" in happened
        assert str(folder / "step-00000003") in happened
        assert "bytes needed" in happened
        assert "bytes free" in happened
        assert str(folder) in expected
        assert "ulimit -f" in advice
        assert f"infogan resume {folder.parent}" in advice
        assert sorted(os.listdir(folder)) == ["step-00000001", "step-00000002"]
        assert_is(checkpoint.newest(folder, refuse), 2)


# --- faults 6 and 7: what is stored is damaged ----------------------------------------------------------


def assert_passed_over(folder: Path, damaged: Path) -> None:
    reported: list[StorageError] = []
    assert_is(checkpoint.newest(folder, reported.append), 1)
    (error,) = reported
    assert str(damaged) in error.happened
    assert error.advice


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_newest_is_passed_over(tmp_path, name) -> None:
    folder = two(tmp_path / "checkpoints")
    damaged = folder / "step-00000002" / name
    whole = damaged.read_bytes()
    for percent in range(0, 100, 5):
        damaged.write_bytes(whole[: len(whole) * percent // 100])
        assert_passed_over(folder, damaged)
    damaged.write_bytes(whole + b"\0")
    assert_passed_over(folder, damaged)
    damaged.unlink()
    assert_passed_over(folder, damaged)
    damaged.write_bytes(whole)
    assert_is(checkpoint.newest(folder, refuse), 2)


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_of_the_newest_is_noticed(tmp_path, name) -> None:
    folder = two(tmp_path / "checkpoints")
    damaged = folder / "step-00000002" / name
    whole = damaged.read_bytes()
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        damaged.write_bytes(flipped)
        assert_passed_over(folder, damaged)


def test_a_file_too_many_is_noticed(tmp_path: Path) -> None:
    folder = two(tmp_path / "checkpoints")
    (folder / "step-00000002" / "stranger").touch()
    assert_passed_over(folder, folder / "step-00000002" / "stranger")


def test_all_damaged_lists_all(tmp_path: Path) -> None:
    folder, reported = two(tmp_path / "checkpoints"), []
    (folder / "step-00000001" / "state.json").unlink()
    shutil.copy(
        folder / "step-00000002" / "model.safetensors", folder / "step-00000002" / "optimizer.safetensors"
    )
    with pytest.raises(StorageError, match="all 2 checkpoints") as caught:
        checkpoint.newest(folder, reported.append)
    assert len(reported) == 2
    assert "step-00000001/state.json is damaged: it is missing" in caught.value.happened
    assert "step-00000002/optimizer.safetensors is damaged: its sha256" in caught.value.happened


# --- fault 8: the last line of the log is torn ----------------------------------------------------------


def test_a_log_torn_at_any_byte_goes_on_without_a_step_twice(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = metrics_log.MetricsLog(path)
    for step in (20, 40, 60):
        log.append({"step": step, "loss": {"generator": step / 7}})
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    for end in range(second, len(whole)):
        path.write_bytes(whole[:end])
        assert [line["step"] for line in metrics_log.read(path)] in ([20], [20, 40])
        metrics_log.truncate(path, 20, 20)
        for step in (40, 60):
            log.append({"step": step, "loss": {"generator": step / 7}})
        assert path.read_bytes() == whole


# --- fault 10: two processes on one run -----------------------------------------------------------------


HOLDER = """
    import sys
    from infogan.runs.directory import RunDirectory
    with RunDirectory(sys.argv[1]).lock():
        print("locked", flush=True)
        sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run")
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), run.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "locked\n"
            with (
                pytest.raises(UsageError, match=f"process {holder.pid} on {socket.gethostname()}"),
                run.lock(),
            ):
                pass
            second = subprocess.run(command, check=False, capture_output=True, text=True, input="")
            assert f"process {holder.pid}" in second.stderr
            assert "locked" not in second.stdout
        finally:
            holder.send_signal(signal.SIGKILL)
    with run.lock():
        pass
