"""metrics.jsonl: whole lines or none, no step twice, and no number that JSON cannot say."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infogan.errors import StorageError
from infogan.runs import metrics_log
from infogan.runs.metrics_log import MetricsLog


def line(step: int) -> dict[str, object]:
    return {"step": step, "images_seen": 128 * step, "loss": {"discriminator": 0.1 * step, "generator": 1.5}}


def write(path: Path, steps: range | list[int]) -> bytes:
    log = MetricsLog(path)
    for step in steps:
        log.append(line(step))
    return path.read_bytes()


def test_lines_come_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert metrics_log.read(path) == []
    content = write(path, [20, 40])
    assert metrics_log.read(path) == [line(20), line(40)]
    assert content.count(b"\n") == 2


@settings(max_examples=60, deadline=None)
@given(cut=st.floats(0, 1), then=st.booleans())
def test_a_torn_last_line_is_dropped_wherever_it_is_torn(tmp_path_factory, cut, then) -> None:
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    whole = write(path, [20, 40])
    end = len(whole) + int(cut * (len(json.dumps(line(60))) + 0.999))
    path.write_bytes((whole + json.dumps(line(60)).encode())[:end])
    assert metrics_log.read(path) == [line(20), line(40)]
    if then:
        MetricsLog(path).append(line(80))
        assert metrics_log.read(path) == [line(20), line(40), line(80)]


def test_a_torn_line_longer_than_a_look_back_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = write(path, [20])
    path.write_bytes(whole + b"x" * (3 * metrics_log._TAIL_BYTES))
    assert write(path, [40]).startswith(whole + b'{"step": 40')
    path.write_bytes(b"x" * (2 * metrics_log._TAIL_BYTES))
    assert write(path, [20]) == whole


def test_a_torn_line_with_an_end_behind_it_is_dropped_too(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(write(path, [20]) + b'{"step": 40, "lo\n')
    assert metrics_log.read(path) == [line(20)]


@pytest.mark.parametrize("damage", [b'{"step": 20, "loss', b"\x00\x00", b"", b"[1]", b'{"loss": 1}', b"\xff"])
def test_damage_in_the_midst_is_an_error_with_the_number_of_the_line(tmp_path, damage) -> None:
    path = tmp_path / "metrics.jsonl"
    first, second, third = write(path, [20, 40, 60]).splitlines(keepends=True)
    path.write_bytes(first + damage + b"\n" + third)
    with pytest.raises(StorageError, match=r"metrics\.jsonl:2 is damaged"):
        metrics_log.read(path)
    with pytest.raises(StorageError, match=r"metrics\.jsonl:2 is damaged"):
        metrics_log.truncate(path, 60, 20)
    assert second not in path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(
    every=st.integers(1, 7),
    saved=st.integers(0, 40),
    lost=st.integers(0, 15),
    further=st.integers(1, 20),
    torn=st.booleans(),
)
def test_a_resumed_log_equals_an_undisturbed_one(tmp_path_factory, every, saved, lost, further, torn) -> None:
    folder = tmp_path_factory.mktemp("run")
    last = saved + lost + further

    def steps(start: int, end: int, final: int) -> list[int]:
        return [s for s in range(start + 1, end + 1) if s % every == 0 or s == final]

    undisturbed = write(folder / "a", steps(0, last, last))
    path = folder / "b"
    path.write_bytes(b"")
    write(path, steps(0, saved + lost, saved + lost))  # ended there, with a last line off the grid
    if torn:
        path.write_bytes(path.read_bytes() + b'{"step": 9')
    metrics_log.truncate(path, saved, every)
    assert write(path, steps(saved, last, last)) == undisturbed


def test_truncate_of_a_log_that_is_not_there_makes_none(tmp_path: Path) -> None:
    metrics_log.truncate(tmp_path / "metrics.jsonl", 20, 20)
    assert os.listdir(tmp_path) == []


def test_no_step_stands_twice_after_truncate(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, [20, 40, 20, 40, 60])
    metrics_log.truncate(path, 40, 20)
    assert [entry["step"] for entry in metrics_log.read(path)] == [20, 40]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_json_cannot_say_is_refused_by_name(tmp_path, bad) -> None:
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(ValueError, match=r"step 20: loss\.generator"):
        MetricsLog(path).append({"step": 20, "loss": {"generator": bad}})
    with pytest.raises(ValueError, match=r"step 20: std\.1"):
        MetricsLog(path).append({"step": 20, "std": [1.0, bad]})
    assert not path.exists()


@pytest.mark.parametrize("bad", [{}, {"step": 1.0}, {"step": True}, {"step": None}])
def test_a_line_needs_a_step(tmp_path, bad) -> None:
    with pytest.raises(TypeError, match="step"):
        MetricsLog(tmp_path / "metrics.jsonl").append(bad)


def test_a_full_disk_is_reported_once_and_leaves_whole_lines(tmp_path, monkeypatch) -> None:
    path, said = tmp_path / "metrics.jsonl", []
    log, write_some = MetricsLog(path, said.append), os.write
    log.append(line(20))

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_some(descriptor, data[:-10])  # the disk takes a part

    with monkeypatch.context() as inner:
        inner.setattr(os, "write", full)
        log.append(line(40))
        log.append(line(60))
    assert metrics_log.read(path) == [line(20)]
    assert path.read_bytes().endswith(b"}\n")
    assert log.lost == 2
    assert len(said) == 1
    assert str(path) in said[0]
    assert "No space left" in said[0]
    log.append(line(80))
    assert metrics_log.read(path) == [line(20), line(80)]


def test_a_deleted_run_does_not_stop_the_log(tmp_path: Path) -> None:
    said: list[str] = []
    log = MetricsLog(tmp_path / "gone" / "metrics.jsonl", said.append)
    log.append(line(20))
    log.sync()
    assert "No such file" in said[0]
    assert os.listdir(tmp_path) == []


def test_the_log_module_is_told_by_default(tmp_path, caplog) -> None:
    MetricsLog(tmp_path / "gone" / "metrics.jsonl").append(line(20))
    assert "No such file" in caplog.text


def test_an_interruption_tears_no_line(tmp_path, monkeypatch) -> None:
    path, write_some = tmp_path / "metrics.jsonl", os.write
    write(path, [20])

    def interrupted(descriptor: int, data: bytes) -> int:
        write_some(descriptor, data[:5])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        MetricsLog(path).append(line(40))
    assert path.read_bytes().endswith(b"}\n")


def test_sync_flushes(tmp_path, monkeypatch) -> None:
    path, flushed = tmp_path / "metrics.jsonl", []
    write(path, [20])
    monkeypatch.setattr(os, "fsync", flushed.append)
    MetricsLog(path).sync()
    assert len(flushed) == 1
